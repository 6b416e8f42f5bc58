#include "net/detail/shut_window.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/detail/test_streams.h"
#include "net/timer.h"

namespace sallyport::net {
namespace {

constexpr milliseconds kUserTimeout{9'000};

int user_timeout_of(const Stream& stream) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(::getsockopt(stream.native(), IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &size), 0);
  return value;
}

// Writes until the other side's window is shut.
Task<void> fill(Stream& stream) {
  const Bytes piece(1U << 20U, 0x5A);
  for (;;) {
    const auto written = co_await stream.write_all(piece, milliseconds(50));
    if (!written) co_return;
  }
}

Task<void> shut_and_open(StreamPair pair) {
  Stream& writer = *pair.first;
  EXPECT_TRUE(set_socket_options(writer, {.user_timeout = kUserTimeout}));
  ShutWindow window;
  co_await fill(writer);
  const Deadline deadline(kSoon);
  while (user_timeout_of(writer) != 0 && !deadline.passed()) {
    EXPECT_TRUE(window.look(writer.native()));
    co_await sleep_for(milliseconds(1));
  }
  EXPECT_EQ(user_timeout_of(writer), 0) << "the kernel would end this connection while its peer answers";
  EXPECT_TRUE(window.look(writer.native()));
  EXPECT_EQ(user_timeout_of(writer), 0);
  window.opened(writer.native());
  EXPECT_EQ(user_timeout_of(writer), kUserTimeout.count());
  window.opened(writer.native());
  EXPECT_EQ(user_timeout_of(writer), kUserTimeout.count());
}

TEST(ShutWindow, TakesTheTimeoutOffAndPutsItBack) {
  Io io;
  auto pair = run(io, tcp_pair());
  ASSERT_TRUE(pair);
  io.restart();
  run(io, shut_and_open(*std::move(pair)));
}

Task<void> close_in_order(StreamPair pair) {
  Stream& writer = *pair.first;
  EXPECT_TRUE(set_socket_options(writer, {.user_timeout = kUserTimeout}));
  ShutWindow::let_go(writer.native());
  EXPECT_EQ(user_timeout_of(writer), kUserTimeout.count()) << "nothing is left to be sent";
  co_await fill(writer);
  ShutWindow::let_go(writer.native());
  EXPECT_EQ(user_timeout_of(writer), 0);
}

TEST(ShutWindow, LetsGoOfWhatIsStillBeingSent) {
  Io io;
  auto pair = run(io, tcp_pair());
  ASSERT_TRUE(pair);
  io.restart();
  run(io, close_in_order(*std::move(pair)));
}

TEST(ShutWindow, LeavesAloneWhatIsNoTcpOrHasNoTimeout) {
  Io io;
  const auto local = unix_pair(io.executor());
  ShutWindow window;
  EXPECT_FALSE(window.look(local.first->native()));
  EXPECT_FALSE(window.look(-1));
  window.opened(-1);
  auto pair = run(io, tcp_pair());
  ASSERT_TRUE(pair);
  constexpr int kNone = 0;
  EXPECT_EQ(::setsockopt(pair->first->native(), IPPROTO_TCP, TCP_USER_TIMEOUT, &kNone, sizeof(kNone)), 0);
  EXPECT_FALSE(window.look(pair->first->native()));
  window.opened(pair->first->native());
  EXPECT_EQ(user_timeout_of(*pair->first), 0);
}

}  // namespace
}  // namespace sallyport::net
