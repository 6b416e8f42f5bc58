// Waiting on real connections where the kernel tells less, or more at once, than it looks: nobody may wait for what is
// there already.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "net/detail/test_streams.h"
#include "net/raw_socket.h"
#include "net/splice.h"
#include "net/task_group.h"
#include "net/timer.h"

namespace sallyport::net {
namespace {

constexpr milliseconds kPause{20};  // in which what was sent arrives, and what waits goes to sleep

// Two connections whose near ends are raw.
struct Two {
  StreamPtr user, device;
  std::unique_ptr<RawSocket> from_user, from_device;
};

Task<Two> make_two() {
  const auto executor = co_await current_executor();
  auto left = co_await tcp_pair();
  auto right = co_await tcp_pair();
  Two two{.user = std::move(left.first), .device = std::move(right.first)};
  two.from_user = std::make_unique<RawSocket>(executor, *left.second->release(), Address{});
  two.from_device = std::make_unique<RawSocket>(executor, *right.second->release(), Address{});
  co_return two;
}

Task<std::size_t> take_what_comes(Stream& stream, std::size_t at_most) {
  Bytes buffer(64 * 1024);
  std::size_t taken = 0;
  while (taken < at_most) {
    const auto got = co_await stream.read_some(buffer, kSoon);
    if (!got || *got == 0) break;
    taken += *got;
  }
  co_return taken;
}

// What joins the near ends, and when it has ended.
struct Joining {
  Joining(Two& two, PipePool& pool, const Executor& executor) : ended(executor) {
    splice =
        Splice::start(*two.from_user, *two.from_device, pool, [this](const std::optional<Error>&) { ended.set(); });
  }
  Event ended;
  std::shared_ptr<Splice> splice;
};

Task<void> leave_and_wait(Two& two, Joining& joining) {
  two.user->close();
  two.device->close();
  EXPECT_TRUE(co_await joining.ended.wait(kSoon));
}

// A user that waits for his device has sent his first flight, maybe with more than a hello, and then nothing.
Task<void> wait_and_join(PipePool& pool, std::size_t size) {
  auto two = co_await make_two();
  std::array<std::uint8_t, 64> seen{};
  EXPECT_TRUE(co_await two.user->write_all(Bytes(size, 7), kSoon));
  EXPECT_TRUE(co_await two.from_user->peek(seen, 5, kSoon));
  const auto gone = co_await two.from_user->until_gone(kPause);
  EXPECT_TRUE(!gone && gone.error().code == Errc::expired);
  Joining joining(two, pool, co_await current_executor());
  EXPECT_EQ(co_await take_what_comes(*two.device, size), size);
  co_await leave_and_wait(two, joining);
}

TEST(Splice, WhatAUserSentWhileHeWaitedIsCarried) {
  for (const std::size_t pipes : {0U, 2U}) {
    for (const std::size_t size : {1'000U, 16'383U, 16'384U, 17'000U, 40'000U}) {
      SCOPED_TRACE(testing::Message() << size << " bytes, " << pipes << " pipes");
      Io io;
      PipePool pool(pipes, 256 * 1024);
      run(io, wait_and_join(pool, size));
    }
  }
}

Task<void> join_and_forget(PipePool& pool) {
  auto two = co_await make_two();
  Joining joining(two, pool, co_await current_executor());
  joining.splice.reset();
  co_await send_text(*two.user, "hello");
  EXPECT_EQ(co_await take_what_comes(*two.device, 5), 5U);
  co_await leave_and_wait(two, joining);
}

TEST(Splice, GoesOnThoughNobodyHoldsIt) {
  Io io;
  PipePool pool(2, 256 * 1024);
  run(io, join_and_forget(pool));
}

Task<void> join_and_leave(PipePool& pool, std::shared_ptr<int> token, milliseconds pause) {
  auto two = co_await make_two();
  static_cast<void>(
      Splice::start(*two.from_user, *two.from_device, pool, [token](const std::optional<Error>&) { ++*token; }));
  if (pause.count() > 0) co_await sleep_for(pause);
  // The loop ends with this.
}

TEST(Splice, EndsWithItsLoop) {
  for (const milliseconds pause : {milliseconds(0), kPause}) {
    const auto token = std::make_shared<int>(0);
    PipePool pool(2, 256 * 1024);
    {
      Io io;
      run(io, join_and_leave(pool, token, pause));
    }
    EXPECT_EQ(token.use_count(), 1);
  }
}

// ---- reads that end before what is there does

void send_urgent(const Stream& stream) {
  EXPECT_EQ(::send(stream.native(), "abc", 3, MSG_OOB | MSG_MORE), 3);  // c is urgent, and not in the stream
  EXPECT_EQ(::send(stream.native(), "def", 3, 0), 3);
}

Task<void> splice_urgent(PipePool& pool) {
  auto two = co_await make_two();
  Joining joining(two, pool, co_await current_executor());
  co_await sleep_for(kPause);
  send_urgent(*two.user);
  EXPECT_EQ(co_await take_what_comes(*two.device, 5), 5U);
  co_await leave_and_wait(two, joining);
}

TEST(Splice, CarriesWhatComesAfterUrgentBytes) {
  Io io;
  PipePool pool(2, 256 * 1024);
  run(io, splice_urgent(pool));
}

Task<void> collect(Stream& stream, std::size_t wanted, std::string& all, Event& done) {
  Bytes buffer(100);
  while (all.size() < wanted) {
    const auto got = co_await stream.read_some(buffer, Deadline::never());
    if (!got || *got == 0) co_return;
    all += as_text(ByteView(buffer).first(*got));
  }
  done.set();
}

void send_with_descriptor(const Stream& stream, std::string text) {
  iovec part{.iov_base = text.data(), .iov_len = text.size()};
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int passed = STDERR_FILENO;
  std::memcpy(CMSG_DATA(header), &passed, sizeof(passed));
  EXPECT_EQ(::sendmsg(stream.native(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

Task<void> read_in_parts(StreamPair ends, bool is_tcp) {
  TaskGroup group(co_await current_executor());
  Event done(group.executor());
  std::string all;
  group.spawn(collect(*ends.second, 5, all, done), "test.collect");
  co_await sleep_for(kPause);
  if (is_tcp) {
    send_urgent(*ends.first);
  } else {
    send_with_descriptor(*ends.first, "ab");
    EXPECT_EQ(::send(ends.first->native(), "def", 3, 0), 3);
  }
  EXPECT_TRUE(co_await done.wait(kSoon));
  EXPECT_EQ(all, "abdef");
  co_await group.stop();
}

Task<void> read_in_parts_over_tcp() {
  auto ends = co_await tcp_pair();
  co_await read_in_parts(std::move(ends), true);
}

TEST(Stream, ReadsWhatComesAfterUrgentBytesAndDescriptors) {
  Io io;
  run(io, read_in_parts_over_tcp());
  run(io, read_in_parts(unix_pair(io.executor()), false));
}

// ---- what is looked at before anybody is told

Task<void> swallow(Stream& stream) {
  std::array<std::uint8_t, 16> buffer{};
  while ((co_await stream.read_some(buffer, Deadline::never())).value_or(0) > 0) {
  }
}

Task<void> reset_while_nobody_waits() {
  const auto executor = co_await current_executor();
  auto other = unix_pair(executor);
  TaskGroup group(executor);
  group.spawn(swallow(*other.second), "test.swallow");  // so that the loop is told
  auto ends = co_await tcp_pair();
  std::array<std::uint8_t, 16> buffer{};
  co_await send_text(*ends.first, "x");
  EXPECT_TRUE(co_await ends.second->read_some(buffer, kSoon));
  reset(*ends.first);
  co_await sleep_for(kPause);
  EXPECT_TRUE(co_await ends.second->wait_readable(kSoon));
  EXPECT_FALSE(co_await ends.second->read_some(buffer, kSoon)) << "a reset became an end in order";
  co_await group.stop();
}

TEST(Stream, AResetStaysOneThoughItWasWaitedFor) {
  Io io;
  run(io, reset_while_nobody_waits());
}

Task<void> wait_with_much_unread() {
  auto ends = co_await tcp_pair();
  const int room = 4 * 1024 * 1024;
  static_cast<void>(::setsockopt(ends.second->native(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)));
  constexpr std::size_t kMuch = kMaxUnreadWhileWaiting + 40'000;
  RawSocket raw(co_await current_executor(), *ends.second->release(), {});
  EXPECT_TRUE(co_await ends.first->write_all(Bytes(kMuch), kSoon));
  Bytes seen(kMuch);
  EXPECT_EQ(co_await raw.peek(seen, kMuch, kSoon), kMuch);
  EXPECT_TRUE(co_await raw.until_readable(kSoon));
  EXPECT_TRUE(co_await raw.until_gone(kSoon)) << "that much was there before";
}

TEST(RawSocket, WhoHasSentTooMuchBeforeIsGoneAtOnce) {
  Io io;
  run(io, wait_with_much_unread());
}

Task<void> read_at_once_among_many() {
  const auto executor = co_await current_executor();
  std::vector<StreamPair> others;
  TaskGroup group(executor);
  for (int i = 0; i < 600; ++i) {
    others.push_back(unix_pair(executor));
    group.spawn(swallow(*others.back().second), "test.swallow");
  }
  for (int round = 0; round < 20; ++round) {
    auto ends = co_await tcp_pair();
    std::array<std::uint8_t, 16> buffer{};
    co_await send_text(*ends.first, "x");
    EXPECT_TRUE(co_await ends.second->read_some(buffer, kSoon));
    co_await sleep_for(kAtOnce);
    for (const auto& other : others) EXPECT_EQ(::send(other.first->native(), "z", 1, 0), 1);
    EXPECT_EQ(::send(ends.first->native(), "y", 1, 0), 1);
    EXPECT_TRUE(co_await ends.second->read_some(buffer, milliseconds(0)));
  }
  co_await group.stop();
}

TEST(Stream, ReadsWhatIsThereThoughTheDeadlineHasPassed) {
  Io io;
  run(io, read_at_once_among_many());
}

}  // namespace
}  // namespace sallyport::net
