#include "net/splice.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>

#include "base/secret.h"
#include "net/detail/readiness.h"

namespace sallyport::net {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kLeastPipe = 64 * 1024;

#ifdef SALLYPORT_LEAKY_RELAY
// A relay that betrays its users, made to show that the search for their bytes would find them (tests/e2e). No product
// is built with this.
constexpr bool kMaySplice = false;
void look_at(ByteView bytes) {
  static Bytes seen;
  append(seen, bytes);
}
#else
constexpr bool kMaySplice = true;
void look_at(ByteView) {}
#endif

std::optional<Pipe> make_pipe_of(std::size_t bytes) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) return std::nullopt;
  Pipe pipe{.read_end = Descriptor(ends[0]), .write_end = Descriptor(ends[1])};
  // Less than asked for still works, but a user over his share gets pipes of two pages, which cost more than copying.
  static_cast<void>(::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(bytes)));
  if (::fcntl(ends[1], F_GETPIPE_SZ) < static_cast<int>(std::min(bytes, kLeastPipe))) return std::nullopt;
  return pipe;
}

}  // namespace

PipePool::PipePool(std::size_t count, std::size_t bytes) {
  free_.reserve(count);
  while (free_.size() < count) {
    auto pipe = make_pipe_of(bytes);
    if (!pipe) break;
    free_.push_back(*std::move(pipe));
  }
  total_ = free_.size();
}

std::optional<Pipe> PipePool::take() {
  if (free_.empty()) return std::nullopt;
  std::optional<Pipe> pipe(std::move(free_.back()));
  free_.pop_back();
  return pipe;
}

void PipePool::give_back(Pipe pipe) {
  free_.push_back(std::move(pipe));
}

// One direction, which waits for one of its ends at a time. What was taken from `from` and not yet given to `to` is in
// `pipe`, or in `held`.
struct Splice::Flow final : Watcher {
  Flow(Splice& moves, PolledDescriptor& taken_from, PolledDescriptor& given_to)
      : splice(moves), from(taken_from), to(given_to) {}
  void on_ready() override;
  void on_closed() override {}  // by finish() alone
  void on_loop_end() override;

  Splice& splice;
  PolledDescriptor& from;
  PolledDescriptor& to;
  std::optional<Pipe> pipe{};
  std::size_t in_pipe = 0;
  Bytes held{};
  std::size_t held_from = 0;
  bool bulk = false;
  bool ended = false;
  bool waits_to_write = false;
  bool may_hold = false;  // the kernel, bytes for `to`
  ShutWindow window{};    // of `to`
  std::uint64_t total = 0;
};

struct Splice::State {
  State(Splice& splice, RawSocket& left_socket, RawSocket& right_socket, PipePool& pipes, OnEnd told)
      : executor(left_socket.executor()),
        left(left_socket.take_polled()),
        right(right_socket.take_polled()),
        pool(pipes),
        on_end(std::move(told)),
        forward(splice, *left, *right),
        backward(splice, *right, *left) {}

  Executor executor;
  std::unique_ptr<PolledDescriptor> left;
  std::unique_ptr<PolledDescriptor> right;
  PipePool& pool;
  OnEnd on_end;
  std::shared_ptr<Splice> kept;  // until it is over
  Flow forward;
  Flow backward;
  bool over = false;

  // Each returns what happened; would-block is success with nothing moved.
  enum class Step : std::uint8_t { done, blocked, ended, broken };
  Step take(Flow& flow);
  Step take_by_copy(Flow& flow);
  Step take_by_splice(Flow& flow);
  Step give(Flow& flow);
  Step give_held(Flow& flow);
  static Step blocked_or_broken(Flow& flow);  // by errno
  void drop_pipe(Flow& flow);
};

// Empties the pipe, whose bytes end here with their connection, rather than lose its size.
void Splice::State::drop_pipe(Flow& flow) {
  if (!flow.pipe) return;
  std::array<std::uint8_t, kBulkThreshold> discarded;
  while (flow.in_pipe > 0) {
    const ssize_t got = ::read(flow.pipe->read_end.get(), discarded.data(), discarded.size());
    if (got <= 0) break;
    flow.in_pipe -= static_cast<std::size_t>(got);
  }
  wipe(discarded);
  if (flow.in_pipe == 0) pool.give_back(*std::move(flow.pipe));
  flow.pipe.reset();
}

Splice::State::Step Splice::State::take_by_copy(Flow& flow) {
  static thread_local std::array<std::uint8_t, kBulkThreshold> buffer;
  const ssize_t got = ::recv(flow.from.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  const int cause = errno;
  if (got < 0 ? would_block(cause) : static_cast<std::size_t>(got) < buffer.size()) {
    flow.from.set_blocking(Direction::read);
  }
  if (got < 0) return would_block(cause) || cause == EINTR ? Step::blocked : Step::broken;
  if (got == 0) return Step::ended;
  const ByteView bytes = ByteView(buffer).first(static_cast<std::size_t>(got));
  flow.total += bytes.size();
  flow.bulk = kMaySplice && bytes.size() == buffer.size();
  look_at(bytes);
  const ssize_t sent = ::send(flow.to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && !would_block(errno) && errno != EINTR) return Step::broken;
  const auto given = sent < 0 ? std::size_t{0} : static_cast<std::size_t>(sent);
  flow.held.assign(bytes.begin() + static_cast<std::ptrdiff_t>(given), bytes.end());
  flow.held_from = 0;
  wipe(std::span(buffer).first(bytes.size()));
  return Step::done;
}

Splice::State::Step Splice::State::take_by_splice(Flow& flow) {
  const ssize_t got = ::splice(flow.from.get(), nullptr, flow.pipe->write_end.get(), nullptr, kSpliceStep,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (got < 0 && !would_block(errno) && errno != EINTR) return Step::broken;
  if (got < 0 || static_cast<std::size_t>(got) < kBulkThreshold) flow.bulk = false;
  if (got < 0) return Step::blocked;
  if (got == 0) return Step::ended;
  flow.in_pipe = static_cast<std::size_t>(got);
  flow.total += flow.in_pipe;
  return Step::done;
}

Splice::State::Step Splice::State::take(Flow& flow) {
  if (flow.bulk && !flow.pipe) flow.pipe = pool.take();
  return flow.bulk && flow.pipe ? take_by_splice(flow) : take_by_copy(flow);
}

Splice::State::Step Splice::State::blocked_or_broken(Flow& flow) {
  if (!would_block(errno)) return Step::broken;
  flow.to.set_blocking(Direction::write);
  return Step::blocked;
}

Splice::State::Step Splice::State::give_held(Flow& flow) {
  while (flow.held_from < flow.held.size()) {
    const ssize_t sent = ::send(flow.to.get(), flow.held.data() + flow.held_from, flow.held.size() - flow.held_from,
                                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return blocked_or_broken(flow);
    flow.held_from += static_cast<std::size_t>(sent);
  }
  wipe(flow.held);
  Bytes().swap(flow.held);
  flow.held_from = 0;
  return Step::done;
}

Splice::State::Step Splice::State::give(Flow& flow) {
  if (!flow.held.empty()) return give_held(flow);
  while (flow.in_pipe > 0) {
    const ssize_t moved = ::splice(flow.pipe->read_end.get(), nullptr, flow.to.get(), nullptr, flow.in_pipe,
                                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0) return blocked_or_broken(flow);
    if (moved == 0) return Step::broken;
    flow.in_pipe -= static_cast<std::size_t>(moved);
  }
  return Step::done;
}

Splice::Splice() = default;

Splice::~Splice() = default;

std::shared_ptr<Splice> Splice::start(RawSocket& left, RawSocket& right, PipePool& pool, OnEnd on_end) {
  SALLYPORT_CHECK(left.is_open() && right.is_open());
  std::shared_ptr<Splice> splice(new Splice);
  splice->state_ = std::make_unique<State>(*splice, left, right, pool, std::move(on_end));
  asio::post(splice->state_->executor, [splice] {
    if (!splice->state_->over) splice->state_->kept = splice;
    splice->pump(splice->state_->forward);
    splice->pump(splice->state_->backward);
  });
  return splice;
}

// One step of a direction: give what is held, take more, give that, and wait for whatever stopped it. Where the end is
// there already, the next follows: nobody needs to be told of it.
bool Splice::move_once(Flow& flow) {
  using Step = State::Step;
  if (state_->over || flow.ended) return false;
  const auto broken = [this] {
    finish(Error{Errc::unavailable, "splice: connection reset"});
    return false;
  };
  Step step = state_->give(flow);
  if (step == Step::broken) return broken();
  if (step == Step::blocked) return wait_to_write(flow);
  step = state_->take(flow);
  flow.may_hold = flow.may_hold || step == Step::done;
  if (step == Step::broken) return broken();
  if (step == Step::ended) {
    flow.ended = true;
    state_->drop_pipe(flow);
    if (state_->forward.ended && state_->backward.ended) {
      finish(std::nullopt);
    } else {
      static_cast<void>(::shutdown(flow.to.get(), SHUT_WR));
    }
    return false;
  }
  if (step == Step::done) {
    step = state_->give(flow);
    if (step == Step::broken) return broken();
    if (step == Step::blocked) return wait_to_write(flow);
    if (!flow.bulk && flow.from.has_hung_up()) return true;
  }
  if (!flow.bulk) state_->drop_pipe(flow);
  return wait_to_read(flow);
}

void Splice::pump(Flow& flow) {
  while (move_once(flow)) {
  }
}

bool Splice::wait_to_read(Flow& flow) {
  flow.waits_to_write = false;
  flow.from.watch(flow, Direction::read);
  return false;
}

bool Splice::wait_to_write(Flow& flow) {
  flow.waits_to_write = true;
  flow.to.watch(flow, Direction::write);
  return false;
}

void Splice::Flow::on_ready() {
  if (waits_to_write) window.opened(to.get());
  splice.pump(*this);
}

void Splice::Flow::on_loop_end() {
  const auto gone = std::exchange(splice.state_->kept, nullptr);
}

void Splice::look_at_windows() {
  if (state_->over) return;
  for (Flow* flow : {&state_->forward, &state_->backward}) {
    if (flow->may_hold) flow->may_hold = flow->window.look(flow->to.get());
  }
}

void Splice::finish(std::optional<Error> error) {
  if (state_->over) return;
  state_->over = true;
  for (auto* socket : {state_->left.get(), state_->right.get()}) {
    if (error) {
      reset_at_close(socket->get());
    } else {
      ShutWindow::let_go(socket->get());
    }
  }
  state_->drop_pipe(state_->forward);
  state_->drop_pipe(state_->backward);
  const auto self = shared_from_this();
  state_->kept.reset();
  asio::post(state_->executor, [self, cause = std::move(error)] {
    if (const auto told = std::exchange(self->state_->on_end, nullptr)) told(cause);
  });
  state_->left->close();
  state_->right->close();
}

void Splice::abort() {
  finish(Error{Errc::unavailable, "splice: cut"});
}

std::uint64_t Splice::left_to_right() const {
  return state_->forward.total;
}

std::uint64_t Splice::right_to_left() const {
  return state_->backward.total;
}

}  // namespace sallyport::net
