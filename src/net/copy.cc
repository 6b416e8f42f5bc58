#include "net/copy.h"

#include <poll.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "net/detail/shut_window.h"
#include "net/run.h"
#include "net/timer.h"

namespace sallyport::net {
namespace {

using SteadyClock = std::chrono::steady_clock;

// What both directions share.
struct Copy {
  Copy(Stream& left_side, Stream& right_side, CopyLimits limits)
      : left(left_side),
        right(right_side),
        idle_limit(limits.idle),
        half_closed_limit(limits.half_closed),
        window_look(limits.window_look),
        over(left_side.executor()) {}

  void break_with(Error error) {
    if (!totals.error) totals.error = std::move(error);
    reset(left);
    reset(right);
  }

  // Whether the kernel may hold bytes that somebody has to look after.
  bool may_hold() const { return left_may_hold || right_may_hold; }
  void look_at_windows() {
    looked_at = SteadyClock::now();
    if (left_may_hold) left_may_hold = left_window.look(left.native());
    if (right_may_hold) right_may_hold = right_window.look(right.native());
  }

  Stream& left;
  Stream& right;
  ShutWindow left_window, right_window;
  bool left_may_hold = false, right_may_hold = false;
  milliseconds idle_limit;  // as it is now
  milliseconds half_closed_limit;
  milliseconds window_look;
  SteadyClock::time_point last_byte = SteadyClock::now();
  SteadyClock::time_point looked_at = SteadyClock::now();
  bool one_has_ended = false;
  Event over;  // both have
  CopyTotals totals;
};

// Waits for something to read; goes on waiting while the other direction moves.
Task<Result<void>> wait_unless_idle(Copy& copy, Stream& from) {
  while (true) {
    const auto silence = std::chrono::duration_cast<milliseconds>(SteadyClock::now() - copy.last_byte);
    // The limit may have become the other one meanwhile.
    milliseconds wait = std::min(copy.idle_limit - silence, copy.half_closed_limit);
    if (copy.may_hold()) wait = std::min(wait, copy.window_look);
    auto ready = co_await from.wait_readable(std::max(milliseconds(1), wait));
    const bool idle = SteadyClock::now() - copy.last_byte >= copy.idle_limit;
    // Also where so much comes that no wait expires.
    if (copy.may_hold() && SteadyClock::now() - copy.looked_at >= copy.window_look) copy.look_at_windows();
    if (ready || ready.error().code != Errc::expired || idle) co_return ready;
  }
}

// Moves what has arrived; 0 when the direction has ended.
Task<Result<std::size_t>> pass_on(Copy& copy, Stream& from, Stream& to) {
  CO_TRY_VOID(co_await wait_unless_idle(copy, from));
  const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kCopyBuffer);
  CO_TRY(const auto count, co_await from.read_some(std::span(buffer.get(), kCopyBuffer), copy.idle_limit));
  copy.last_byte = SteadyClock::now();
  (&to == &copy.left ? copy.left_may_hold : copy.right_may_hold) = true;
  if (count == 0) {
    CO_TRY_VOID(co_await to.shutdown_write(copy.idle_limit));
    copy.idle_limit = copy.half_closed_limit;
  } else {
    CO_TRY_VOID(co_await to.write_all(ByteView(buffer.get(), count), copy.idle_limit));
  }
  copy.last_byte = SteadyClock::now();
  co_return count;
}

// What the kernel still holds when a direction has ended is looked after from here: the other direction may have begun
// its wait, of minutes, before there was anything to look after.
Task<void> end_one_way(Copy& copy) {
  if (std::exchange(copy.one_has_ended, true)) {
    copy.over.set();
    co_return;
  }
  while (!copy.over.is_set() && copy.may_hold()) {
    static_cast<void>(co_await copy.over.wait(copy.window_look));
    copy.look_at_windows();
  }
}

Task<void> copy_one_way(Copy& copy, Stream& from, Stream& to, std::uint64_t& total) {
  while (true) {
    auto passed = co_await pass_on(copy, from, to);
    if (!passed) {
      copy.break_with(std::move(passed).error());
      break;
    }
    if (*passed == 0) break;
    total += *passed;
  }
  co_await end_one_way(copy);
}

// Whether a Unix socket's other end has not only ended its direction but was closed, and takes nothing any more.
bool is_gone(const Stream& socket) {
  pollfd look{.fd = socket.native(), .events = 0, .revents = 0};
  return look.fd >= 0 && ::poll(&look, 1, 0) == 1 && (look.revents & POLLHUP) != 0;
}

// Ends both, in order, where `right` is gone and nothing has moved for so long.
Task<void> end_if_gone(Copy& copy, milliseconds limit) {
  while (!copy.over.is_set()) {
    static_cast<void>(co_await copy.over.wait(std::min(copy.window_look, limit)));
    if (copy.over.is_set() || !is_gone(copy.right) || SteadyClock::now() - copy.last_byte < limit) continue;
    if (!copy.totals.error) copy.totals.error = Error{.code = Errc::unavailable, .detail = "copy: one side was closed"};
    copy.left.close();
    copy.right.close();
  }
}

Task<void> carry(StreamPtr stream, StreamPtr socket, CopyLimits limits, std::shared_ptr<void> keeps) {
  static_cast<void>(co_await copy_both_ways(*stream, *socket, limits));
  stream.reset();
  socket.reset();
  keeps.reset();
}

}  // namespace

Task<CopyTotals> copy_both_ways(Stream& left, Stream& right, CopyLimits limits) {
  Copy copy(left, right, limits);
  auto forth = copy_one_way(copy, left, right, copy.totals.left_to_right);
  auto back = copy_one_way(copy, right, left, copy.totals.right_to_left);
  if (limits.gone > milliseconds(0)) {
    co_await join(join(std::move(forth), std::move(back)), end_if_gone(copy, limits.gone));
  } else {
    co_await join(std::move(forth), std::move(back));
  }
  for (const Stream* stream : {&left, &right}) ShutWindow::let_go(stream->native());
  co_return copy.totals;
}

Result<Descriptor> carry_by_socket(StreamPtr stream, CopyLimits limits, std::shared_ptr<void> keeps) {
  const Executor executor = stream->executor();
  TRY(auto ends, make_socket_pair());
  TRY(auto near, adopt_socket(executor, std::move(ends.first)));
  spawn(executor, carry(std::move(stream), std::move(near), limits, std::move(keeps)), "net.carry");
  return std::move(ends.second);
}

}  // namespace sallyport::net
