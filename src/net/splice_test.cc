#include "net/splice.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "crypto/system_random.h"
#include "net/connect.h"
#include "net/listener.h"
#include "net/raw_socket.h"
#include "net/run.h"
#include "net/timer.h"

namespace sallyport::net {
namespace {

constexpr seconds kPatience{10};

// A connected pair of TCP sockets.
struct Wire {
  StreamPtr near;
  StreamPtr far;
};

Task<Wire> make_wire(Executor executor) {
  auto listener = Listener::tcp(executor, {.host = "127.0.0.1", .port = 0});
  SALLYPORT_CHECK(listener.has_value());
  auto near = co_await connect_tcp((*listener)->address(), kPatience);
  auto far = co_await (*listener)->accept(kPatience);
  SALLYPORT_CHECK(near && far);
  co_return Wire{*std::move(near), *std::move(far)};
}

// user ⇄ [left  splice  right] ⇄ device
struct Joint {
  StreamPtr user;
  StreamPtr device;
  std::shared_ptr<Splice> splice;
  bool ended = false;
  std::optional<Error> error;
};

Task<void> join_wires(Executor executor, PipePool& pool, Joint& joint) {
  auto left = co_await make_wire(executor);
  auto right = co_await make_wire(executor);
  joint.user = std::move(left.near);
  joint.device = std::move(right.near);
  RawSocket left_end(executor, *left.far->release(), {}), right_end(executor, *right.far->release(), {});
  joint.splice = Splice::start(left_end, right_end, pool, [&joint](const std::optional<Error>& error) {
    joint.ended = true;
    joint.error = error;
  });
}

Task<void> until_ended(const Joint& joint) {
  const Deadline deadline(kPatience);
  while (!joint.ended && !deadline.passed()) co_await sleep_for(milliseconds(1));
  EXPECT_TRUE(joint.ended);
}

Task<void> write_and_end(Stream& stream, const Bytes& bytes) {
  EXPECT_TRUE((co_await stream.write_all(bytes, kPatience)).has_value());
  EXPECT_TRUE((co_await stream.shutdown_write(kPatience)).has_value());
}

class SpliceTest : public testing::Test {
 protected:
  SpliceTest() { ignore_sigpipe(); }
  Io io_;
  PipePool pool_{4, 256 * 1024};
  PipePool none_{0, 0};
  crypto::SystemRandom random_;
};

Task<void> carry_both_ways(Io& io, PipePool& pool, const Bytes& there, const Bytes& back) {
  Joint joint;
  co_await join_wires(io.executor(), pool, joint);
  spawn(io.executor(), write_and_end(*joint.user, there), "test.write");
  spawn(io.executor(), write_and_end(*joint.device, back), "test.write");
  const auto at_device = co_await read_to_end(*joint.device, there.size() + 1, kPatience);
  const auto at_user = co_await read_to_end(*joint.user, back.size() + 1, kPatience);
  EXPECT_TRUE(at_device && *at_device == there);
  EXPECT_TRUE(at_user && *at_user == back);
  co_await until_ended(joint);
  EXPECT_FALSE(joint.error.has_value());
  EXPECT_EQ(joint.splice->left_to_right(), there.size());
  EXPECT_EQ(joint.splice->right_to_left(), back.size());
  EXPECT_EQ(pool.free(), pool.total());
}

TEST_F(SpliceTest, CarriesBulkBothWaysThroughPipes) {
  ASSERT_EQ(pool_.total(), 4U);
  run(io_, carry_both_ways(io_, pool_, random_.bytes(9'000'000), random_.bytes(5'000'001)));
}

TEST_F(SpliceTest, CarriesTheSameWithoutAPipe) {
  run(io_, carry_both_ways(io_, none_, random_.bytes(3'000'000), random_.bytes(1'000'001)));
}

TEST_F(SpliceTest, CarriesNothing) {
  run(io_, carry_both_ways(io_, pool_, {}, {}));
}

TEST_F(SpliceTest, HalfCloseLeavesTheOtherDirection) {
  run(io_, [](Io& io, PipePool& pool) -> Task<void> {
    Joint joint;
    co_await join_wires(io.executor(), pool, joint);
    co_await write_and_end(*joint.user, to_bytes("request"));
    const auto request = co_await read_to_end(*joint.device, 100, kPatience);
    EXPECT_TRUE(request && as_text(*request) == "request");
    EXPECT_FALSE(joint.ended);
    co_await write_and_end(*joint.device, to_bytes("answer"));
    const auto answer = co_await read_to_end(*joint.user, 100, kPatience);
    EXPECT_TRUE(answer && as_text(*answer) == "answer");
    co_await until_ended(joint);
  }(io_, pool_));
}

TEST_F(SpliceTest, ResetIsPassedOnAsReset) {
  run(io_, [](Io& io, PipePool& pool) -> Task<void> {
    Joint joint;
    co_await join_wires(io.executor(), pool, joint);
    EXPECT_TRUE((co_await joint.user->write_all(as_bytes("x"), kPatience)).has_value());
    std::array<std::uint8_t, 16> buffer;
    EXPECT_TRUE((co_await joint.device->read_some(buffer, kPatience)).has_value());
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(joint.user->native(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    joint.user->close();
    EXPECT_FALSE((co_await joint.device->read_some(buffer, kPatience)).has_value()) << "an error, not an orderly end";
    co_await until_ended(joint);
    EXPECT_TRUE(joint.error.has_value());
  }(io_, pool_));
}

TEST_F(SpliceTest, AbortResetsBothAndGivesThePipesBack) {
  run(io_, [](Io& io, PipePool& pool) -> Task<void> {
    Joint joint;
    co_await join_wires(io.executor(), pool, joint);
    // Nobody reads at the device: bytes are in flight, in a pipe, when it is cut.
    const Bytes chunk(256 * 1024, 7);
    while ((co_await joint.user->write_all(chunk, milliseconds(50))).has_value()) {
    }
    EXPECT_LT(pool.free(), pool.total());
    joint.splice->abort();
    co_await until_ended(joint);
    EXPECT_TRUE(joint.error.has_value());
    EXPECT_EQ(pool.free(), pool.total());
    std::array<std::uint8_t, 16> buffer;
    EXPECT_FALSE((co_await joint.user->read_some(buffer, kPatience)).has_value());
  }(io_, pool_));
}

TEST_F(SpliceTest, SideThatDoesNotReadStopsTheOther) {
  run(io_, [](Io& io, PipePool& pool) -> Task<void> {
    Joint joint;
    co_await join_wires(io.executor(), pool, joint);
    const Bytes chunk(256 * 1024, 7);
    std::size_t taken = 0;
    while ((co_await joint.user->write_all(chunk, milliseconds(50))).has_value()) taken += chunk.size();
    EXPECT_LT(taken, std::size_t{64} << 20U) << "socket buffers and one pipe, no more";
    EXPECT_LE(joint.splice->left_to_right(), taken + chunk.size());
    joint.splice->abort();
    co_await until_ended(joint);
  }(io_, pool_));
}

// ---- first bytes

TEST_F(SpliceTest, PeekLeavesTheBytesForWhoeverGetsTheSocket) {
  run(io_, [](Io& io) -> Task<void> {
    auto wire = co_await make_wire(io.executor());
    RawSocket raw(io.executor(), *wire.far->release(), {});
    EXPECT_TRUE((co_await wire.near->write_all(as_bytes("hel"), kPatience)).has_value());
    std::array<std::uint8_t, 64> seen{};
    EXPECT_EQ(*co_await raw.peek(seen, 1, kPatience), 3U);
    EXPECT_EQ((co_await raw.peek(seen, 5, milliseconds(20))).error().code, Errc::expired);
    EXPECT_TRUE((co_await wire.near->write_all(as_bytes("lo"), kPatience)).has_value());
    EXPECT_EQ(*co_await raw.peek(seen, 5, kPatience), 5U);
    EXPECT_EQ(as_text(ByteView(seen).first(5)), "hello");
    const auto first = raw.take(2);
    EXPECT_TRUE(first && as_text(*first) == "he");
    auto stream = adopt_socket(io.executor(), raw.release());
    EXPECT_TRUE((co_await wire.near->shutdown_write(kPatience)).has_value());
    const auto rest = co_await read_to_end(**stream, 10, kPatience);
    EXPECT_TRUE(rest && as_text(*rest) == "llo");
  }(io_));
}

TEST_F(SpliceTest, PeekEndsWithThePeer) {
  run(io_, [](Io& io) -> Task<void> {
    auto wire = co_await make_wire(io.executor());
    RawSocket raw(io.executor(), *wire.far->release(), {});
    EXPECT_TRUE((co_await wire.near->write_all(as_bytes("he"), kPatience)).has_value());
    wire.near->close();
    std::array<std::uint8_t, 64> seen{};
    EXPECT_EQ((co_await raw.peek(seen, 5, kPatience)).error().code, Errc::unavailable);
  }(io_));
}

TEST_F(SpliceTest, WaitingForTheEndIgnoresWhatIsUnread) {
  run(io_, [](Io& io) -> Task<void> {
    auto wire = co_await make_wire(io.executor());
    RawSocket raw(io.executor(), *wire.far->release(), {});
    EXPECT_TRUE((co_await wire.near->write_all(as_bytes("hello"), kPatience)).has_value());
    EXPECT_EQ((co_await raw.until_gone(milliseconds(20))).error().code, Errc::expired);
    wire.near->close();
    EXPECT_TRUE((co_await raw.until_gone(kPatience)).has_value());
  }(io_));
}

TEST_F(SpliceTest, LastWordsArriveThoughBytesWereUnread) {
  run(io_, [](Io& io) -> Task<void> {
    auto wire = co_await make_wire(io.executor());
    RawSocket raw(io.executor(), *wire.far->release(), {});
    EXPECT_TRUE((co_await wire.near->write_all(as_bytes("hello"), kPatience)).has_value());
    std::array<std::uint8_t, 64> seen{};
    EXPECT_TRUE((co_await raw.peek(seen, 5, kPatience)).has_value());
    raw.end_with(as_bytes("no"));
    const auto heard = co_await read_to_end(*wire.near, 10, kPatience);
    EXPECT_TRUE(heard && as_text(*heard) == "no");
  }(io_));
}

int number_of(const RawSocket& socket, int level, int option) {
  int value = 0;
  socklen_t size = sizeof(value);
  EXPECT_EQ(::getsockopt(socket.native(), level, option, &value, &size), 0);
  return value;
}

Task<void> accept_with_options(Executor executor) {
  auto open = Listener::tcp(executor, {.host = "127.0.0.1", .port = 0});
  SALLYPORT_CHECK(open.has_value());
  RawListener listener(executor, Descriptor(::fcntl((*open)->native(), F_DUPFD_CLOEXEC, 0)),
                       {.user_timeout = milliseconds(12'345), .keepalive_idle = seconds(17)});
  auto near = co_await connect_tcp((*open)->address(), kPatience);
  auto far = co_await listener.accept();
  SALLYPORT_CHECK(near && far);
  EXPECT_NE(number_of(**far, IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_EQ(number_of(**far, IPPROTO_TCP, TCP_USER_TIMEOUT), 12'345);
  EXPECT_NE(number_of(**far, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(number_of(**far, IPPROTO_TCP, TCP_KEEPIDLE), 17);
  listener.close();
}

TEST(RawListener, WhatIsAcceptedHasItsOptions) {
  Io io;
  run(io, accept_with_options(io.executor()));
}

}  // namespace
}  // namespace sallyport::net
