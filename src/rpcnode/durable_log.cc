#include "rpcnode/durable_log.h"

#include <optional>
#include <utility>

#include "net/io.h"

namespace sallyport::rpcnode {
namespace {

// What is written together, and who waits for it.
struct Batch {
  explicit Batch(net::Executor executor) : done(std::move(executor)) {}
  Bytes bytes;
  net::Event done;
  std::optional<Error> fault;
};

}  // namespace

struct DurableLog::State {
  State(keystore::AppendFile opened, net::TaskGroup& group)
      : file(std::move(opened)), tasks(group), size(file.size()), hurry(group.executor()) {}

  keystore::AppendFile file;
  net::TaskGroup& tasks;
  std::uint64_t size;
  std::size_t unwritten = 0;
  std::shared_ptr<Batch> next;
  net::Event hurry;  // somebody waits for `next`, or it is large
  bool writing = false;
  std::optional<Error> fault;

  static net::Task<void> write(std::shared_ptr<State> self);
  static Result<std::shared_ptr<Batch>> add(const std::shared_ptr<State>& self, const Bytes& bytes);
};

net::Task<void> DurableLog::State::write(std::shared_ptr<State> self) {
  while (self->next) {
    static_cast<void>(co_await self->hurry.wait(kGather));
    self->hurry.clear();
    const std::shared_ptr<Batch> batch = std::exchange(self->next, nullptr);
    const auto work = [self, batch] { return self->file.append(batch->bytes); };
    const auto written = co_await net::run_blocking(work);
    self->unwritten -= batch->bytes.size();
    if (!written) {
      self->fault = written.error();
      batch->fault = written.error();
    }
    batch->done.set();
  }
  self->writing = false;
}

Result<std::shared_ptr<Batch>> DurableLog::State::add(const std::shared_ptr<State>& self, const Bytes& bytes) {
  if (self->fault) return std::unexpected(*self->fault);
  if (self->unwritten + bytes.size() > kMaxUnwritten)
    return failf(Errc::overloaded, "log: {} bytes wait for the disk already", self->unwritten);
  if (!self->next) self->next = std::make_shared<Batch>(self->tasks.executor());
  sallyport::append(self->next->bytes, bytes);
  self->unwritten += bytes.size();
  self->size += bytes.size();
  if (self->next->bytes.size() >= kGathered) self->hurry.set();
  const std::shared_ptr<Batch> batch = self->next;
  if (!self->writing) {
    self->writing = true;
    self->tasks.spawn(write(self), "rpc.log");
  }
  return batch;
}

DurableLog::DurableLog(keystore::AppendFile file, net::TaskGroup& tasks)
    : state_(std::make_shared<State>(std::move(file), tasks)) {}
DurableLog::~DurableLog() = default;

net::Task<Result<void>> DurableLog::append(Bytes bytes) {
  CO_TRY(const std::shared_ptr<Batch> batch, State::add(state_, bytes));
  state_->hurry.set();
  CO_TRY_VOID(co_await batch->done.wait(kDiskPatience));
  if (batch->fault) co_return std::unexpected(*batch->fault);
  co_return Result<void>{};
}

Result<void> DurableLog::post(Bytes bytes) {
  TRY(const auto batch, State::add(state_, bytes));
  static_cast<void>(batch);
  return {};
}

bool DurableLog::is_broken() const {
  return state_->fault.has_value();
}

std::size_t DurableLog::unwritten() const {
  return state_->unwritten;
}

bool DurableLog::is_idle() const {
  return !state_->writing;
}

std::uint64_t DurableLog::size() const {
  return state_->size;
}

}  // namespace sallyport::rpcnode
