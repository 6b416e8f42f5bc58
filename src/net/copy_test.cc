#include "net/copy.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/detail/test_streams.h"
#include "net/timer.h"

namespace sallyport::net {
namespace {

constexpr milliseconds kNeverReached{60'000};  // a limit that no test reaches
constexpr milliseconds kLookOften{20};
// More than the window of a peer that never reads, less than what the kernel is made to hold for it.
constexpr std::size_t kMoreThanAWindow = 300'000;
constexpr int kRoomToSend = 2'000'000;

int user_timeout(const Stream& stream) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(::getsockopt(stream.native(), IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &size), 0);
  return value;
}

// A user who does not read, a service, and what joins them. The side towards the user can hold much.
struct Joined {
  StreamPtr user, left, right, service;
  std::optional<CopyTotals> totals;
};

Task<void> set_up(Joined& joined) {
  auto towards_user = co_await tcp_pair();
  joined.user = std::move(towards_user.first);
  joined.left = std::move(towards_user.second);
  auto towards_service = co_await tcp_pair();
  joined.right = std::move(towards_service.first);
  joined.service = std::move(towards_service.second);
  EXPECT_TRUE(set_socket_options(*joined.left, {}));
  EXPECT_TRUE(::setsockopt(joined.left->native(), SOL_SOCKET, SO_SNDBUFFORCE, &kRoomToSend, sizeof(kRoomToSend)) == 0 ||
              ::setsockopt(joined.left->native(), SOL_SOCKET, SO_SNDBUF, &kRoomToSend, sizeof(kRoomToSend)) == 0);
}

Task<void> join_both(Joined& joined, milliseconds gone = {}) {
  CopyLimits limits(kNeverReached);
  limits.gone = gone;
  limits.window_look = kLookOften;
  joined.totals = co_await copy_both_ways(*joined.left, *joined.right, limits);
}

Task<void> until_timeout_is_off(Joined& joined) {
  const Deadline deadline(kSoon);
  while (user_timeout(*joined.left) != 0 && !deadline.passed()) co_await sleep_for(milliseconds(1));
  EXPECT_EQ(user_timeout(*joined.left), 0) << "the kernel would end this connection while its peer answers";
}

Task<void> until_over(Joined& joined) {
  const Deadline deadline(kSoon);
  while (!joined.totals && !deadline.passed()) co_await sleep_for(milliseconds(1));
  EXPECT_TRUE(joined.totals);
}

// More than the user's window takes is on its way to him, and somebody joins the two.
Task<std::size_t> fill_his_window(Joined& joined) {
  co_await set_up(joined);
  const Bytes answer(kMoreThanAWindow, 0x5A);
  spawn(co_await current_executor(), join_both(joined), "test.join");
  EXPECT_TRUE(co_await joined.service->write_all(answer, kSoon));
  co_return answer.size();
}

Task<void> service_ends_first(Joined& joined) {
  const std::size_t size = co_await fill_his_window(joined);
  EXPECT_TRUE(co_await joined.service->shutdown_write(kSoon));
  co_await until_timeout_is_off(joined);
  EXPECT_TRUE(co_await joined.user->shutdown_write(kSoon));
  EXPECT_EQ((co_await read_text(*joined.user)).size(), size);
  co_await until_over(joined);
  EXPECT_TRUE(joined.totals && !joined.totals->error);
  EXPECT_TRUE(joined.totals && joined.totals->right_to_left == size);
}

TEST(Copy, LooksAfterBytesForAShutWindowAlsoWhenTheirDirectionHasEnded) {
  Io io;
  Joined joined;
  run(io, service_ends_first(joined));
}

Task<void> say_again_and_again(Stream& stream) {
  while (stream.native() >= 0) {
    if (!co_await stream.write_all(as_bytes("x"), kSoon)) co_return;
    co_await sleep_for(milliseconds(1));
  }
}

Task<void> both_say_much(Joined& joined) {
  co_await fill_his_window(joined);
  const auto executor = co_await current_executor();
  spawn(executor, say_again_and_again(*joined.user), "test.user");
  spawn(executor, say_again_and_again(*joined.service), "test.service");
  co_await until_timeout_is_off(joined);
  joined.user->close();
  joined.service->close();
  co_await until_over(joined);
}

TEST(Copy, LooksAfterBytesForAShutWindowAlsoWhileBothSidesSayMuch) {
  Io io;
  Joined joined;
  run(io, both_say_much(joined));
}

Task<void> reset_while_one_has_ended(Joined& joined) {
  co_await fill_his_window(joined);
  EXPECT_TRUE(co_await joined.service->shutdown_write(kSoon));
  co_await until_timeout_is_off(joined);
  reset(*joined.user);
  co_await until_over(joined);
  EXPECT_TRUE(joined.totals && joined.totals->error) << "found an end in order, want that of a reset";
}

TEST(Copy, IsOverAtAResetWhileItLooksAfterBytes) {
  Io io;
  Joined joined;
  run(io, reset_while_one_has_ended(joined));
}

// A user joined with a service that is at a Unix socket.
Task<void> set_up_with_unix_service(Joined& joined) {
  std::tie(joined.user, joined.left) = co_await tcp_pair();
  std::tie(joined.right, joined.service) = unix_pair(co_await current_executor());
}

// A user who says nothing, joined with a Unix socket that somebody closes: nothing can reach it any more.
Task<void> close_one_whole(Joined& joined) {
  co_await set_up_with_unix_service(joined);
  co_await join(join_both(joined, milliseconds(100)), [](Joined& of) -> Task<void> {
    co_await send_text(*of.service, "last words");
    of.service->close();
    EXPECT_EQ(co_await read_text(*of.user), "last words");
    co_await until_over(of);
  }(joined));
}

TEST(Copy, IsOverWhereASideWasClosedAndNotOnlyShut) {
  Io io;
  Joined joined;
  run(io, close_one_whole(joined));
}

// The same first ends its direction, and closes when that is long known.
Task<void> end_then_close(Joined& joined) {
  co_await set_up_with_unix_service(joined);
  co_await join(join_both(joined, milliseconds(100)), [](Joined& of) -> Task<void> {
    EXPECT_TRUE(co_await of.service->shutdown_write(kSoon));
    EXPECT_EQ(co_await read_text(*of.user), "");
    // That alone is no reason.
    co_await sleep_for(milliseconds(300));
    EXPECT_FALSE(of.totals);
    co_await send_text(*of.user, "an answer");
    Bytes got(9);
    EXPECT_TRUE(co_await read_exactly(*of.service, got, kSoon));
    of.service->close();
    co_await until_over(of);
  }(joined));
}

TEST(Copy, IsOverWhereASideIsClosedAfterItsEnd) {
  Io io;
  Joined joined;
  run(io, end_then_close(joined));
}

// Whose user does not read, so that what is written to him waits.
Task<void> close_with_much_unread(Joined& joined) {
  co_await set_up_with_unix_service(joined);
  co_await join(join_both(joined, milliseconds(100)), [](Joined& of) -> Task<void> {
    const Bytes much(16U << 20U, 0x5A);
    EXPECT_FALSE(co_await of.service->write_all(much, milliseconds(300)));
    of.service->close();
    co_await until_over(of);
  }(joined));
}

TEST(Copy, IsOverWhereASideWasClosedAndTheOtherDoesNotRead) {
  Io io;
  Joined joined;
  run(io, close_with_much_unread(joined));
}

}  // namespace
}  // namespace sallyport::net
