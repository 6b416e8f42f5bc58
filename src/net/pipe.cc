#include <algorithm>
#include <deque>

#include "net/run.h"
#include "net/stream.h"
#include "net/timer.h"

namespace sallyport::net {
namespace {

// One direction of a pipe.
struct Channel {
  Channel(const Executor& executor, std::size_t room) : capacity(room), changed(executor) {}

  void change() {
    changed.set();
    changed.clear();
  }

  std::size_t capacity;
  std::deque<std::uint8_t> bytes;
  bool ended = false;   // the writer has finished
  bool broken = false;  // either side has closed
  Event changed;
};

class PipeEnd final : public Stream {
 public:
  PipeEnd(Executor executor, std::shared_ptr<Channel> in, std::shared_ptr<Channel> out)
      : executor_(std::move(executor)), in_(std::move(in)), out_(std::move(out)) {}
  ~PipeEnd() override { close_now(); }

  Task<Result<std::size_t>> read_some(std::span<std::uint8_t> into, Deadline deadline) override {
    SALLYPORT_CHECK(!into.empty());
    auto in = in_;
    for (;;) {
      CO_TRY(const auto count, take(*in, into));
      if (count) co_return *count;
      CO_TRY_VOID(co_await in->changed.wait(deadline));
    }
  }

  Task<Result<void>> wait_readable(Deadline deadline) override {
    auto in = in_;
    while (in->bytes.empty() && !in->ended && !in->broken) CO_TRY_VOID(co_await in->changed.wait(deadline));
    co_return Result<void>{};
  }

  Task<Result<void>> write_all(ByteView from, Deadline deadline) override {
    auto out = out_;
    while (!from.empty()) {
      CO_TRY(const auto count, give(*out, from));
      from = from.subspan(count);
      if (!from.empty()) CO_TRY_VOID(co_await out->changed.wait(deadline));
    }
    co_return Result<void>{};
  }

  Result<std::optional<std::size_t>> read_now(std::span<std::uint8_t> into) override { return take(*in_, into); }
  Result<std::size_t> write_now(ByteView from) override { return give(*out_, from); }

  Task<Result<void>> shutdown_write(Deadline) override {
    if (out_->broken) co_return fail(Errc::unavailable, "pipe: closed");
    out_->ended = true;
    out_->change();
    co_return Result<void>{};
  }

  void close() override { close_now(); }
  Result<Descriptor> release() override { return fail(Errc::conflict, "pipe: has no descriptor"); }
  int native() const override { return -1; }
  const PeerInfo& peer() const override { return peer_; }
  Executor executor() const override { return executor_; }

 private:
  static Result<std::optional<std::size_t>> take(Channel& in, std::span<std::uint8_t> into) {
    if (in.broken) return fail(Errc::unavailable, "pipe: closed");
    if (in.bytes.empty()) return in.ended ? std::optional<std::size_t>(0) : std::nullopt;
    const auto count = std::min(into.size(), in.bytes.size());
    const auto end = in.bytes.begin() + static_cast<std::ptrdiff_t>(count);
    std::copy(in.bytes.begin(), end, into.begin());
    in.bytes.erase(in.bytes.begin(), end);
    in.change();
    return std::optional(count);
  }

  static Result<std::size_t> give(Channel& out, ByteView from) {
    if (out.broken || out.ended) return fail(Errc::unavailable, "pipe: closed");
    const auto room = std::min(from.size(), out.capacity - out.bytes.size());
    out.bytes.insert(out.bytes.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(room));
    out.change();
    return room;
  }

  // As a socket: what was written before the close can still be read, then comes the end.
  void close_now() {
    if (closed_) return;
    closed_ = true;
    out_->ended = true;
    in_->broken = true;
    out_->change();
    in_->change();
  }

  Executor executor_;
  std::shared_ptr<Channel> in_;
  std::shared_ptr<Channel> out_;
  PeerInfo peer_;
  bool closed_ = false;
};

}  // namespace

std::pair<StreamPtr, StreamPtr> make_pipe(Executor executor, std::size_t capacity) {
  auto forth = std::make_shared<Channel>(executor, capacity);
  auto back = std::make_shared<Channel>(executor, capacity);
  return {std::make_unique<PipeEnd>(executor, back, forth), std::make_unique<PipeEnd>(executor, forth, back)};
}

}  // namespace sallyport::net
