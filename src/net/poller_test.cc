// Who is told of what on the descriptors of a loop, and that nobody waits for what is there.
#include "net/detail/poller.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <functional>
#include <random>
#include <stdexcept>

#include "net/detail/readiness.h"
#include "net/detail/test_streams.h"

namespace sallyport::net {
namespace {

// Notes what it is told, and does something then.
struct Noting final : Watcher {
  void on_ready() override {
    ++ready;
    if (then) then();
  }
  void on_closed() override { ++closed; }
  void on_loop_end() override { ++loop_ended; }
  int ready = 0, closed = 0, loop_ended = 0;
  std::function<void()> then;
};

// Two connected TCP sockets.
std::pair<Descriptor, Descriptor> make_tcp_pair() {
  const Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  SALLYPORT_CHECK(::bind(listener.get(), any, size) == 0 && ::listen(listener.get(), 1) == 0);
  SALLYPORT_CHECK(::getsockname(listener.get(), any, &size) == 0);
  Descriptor near(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  SALLYPORT_CHECK(::connect(near.get(), any, size) == 0);
  Descriptor far(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  SALLYPORT_CHECK(far.is_open() && set_non_blocking(near.get()).has_value());
  return {std::move(near), std::move(far)};
}

struct Ends {
  explicit Ends(const Executor& executor, bool is_tcp = false) {
    auto pair = is_tcp ? Result<std::pair<Descriptor, Descriptor>>(make_tcp_pair()) : make_socket_pair();
    SALLYPORT_CHECK(pair.has_value());
    near = std::make_unique<PolledDescriptor>(executor, std::move(pair->first));
    far = std::move(pair->second);
  }
  void say(std::string_view words) const {
    EXPECT_EQ(::send(far.get(), words.data(), words.size(), MSG_NOSIGNAL), static_cast<ssize_t>(words.size()));
  }
  ssize_t read(std::size_t room) const {
    Bytes into(room);
    return ::recv(near->get(), into.data(), room, MSG_DONTWAIT);
  }
  std::unique_ptr<PolledDescriptor> near;
  Descriptor far;
};

// Many of whom somebody waits to read.
struct Crowd {
  Crowd(const Executor& executor, std::size_t count) : watchers(count) {
    for (auto& watcher : watchers) {
      all.emplace_back(executor);
      all.back().near->watch(watcher, Direction::read);
    }
  }
  void say_all() const {
    for (const auto& each : all) each.say("x");
  }
  std::deque<Noting> watchers;
  std::deque<Ends> all;
};

class PollerTest : public ::testing::Test {
 protected:
  void turn() { io_.run_for(milliseconds(5)); }
  Io io_;
};

TEST_F(PollerTest, TellsOfWhatIsThereAndOfWhatComes) {
  Ends ends(io_.executor());
  Noting watcher;
  ends.say("before");
  ends.near->watch(watcher, Direction::read);
  turn();
  EXPECT_EQ(watcher.ready, 1);
  EXPECT_EQ(ends.read(3), 3);
  ends.near->watch(watcher, Direction::read);
  turn();
  EXPECT_EQ(watcher.ready, 2) << "three bytes were left";
  EXPECT_EQ(ends.read(64), 3);
  ends.near->set_blocking(Direction::read);
  ends.near->watch(watcher, Direction::read);
  turn();
  EXPECT_EQ(watcher.ready, 2);
  EXPECT_TRUE(ends.near->is_blocking(Direction::read));
  ends.say("after");
  turn();
  EXPECT_EQ(watcher.ready, 3);
  EXPECT_FALSE(ends.near->is_blocking(Direction::read));
}

TEST_F(PollerTest, WhatCameWhileNobodyWaitedIsTold) {
  Ends ends(io_.executor());
  Noting other;
  Ends awake(io_.executor());
  awake.near->watch(other, Direction::read);
  EXPECT_LT(ends.read(1), 0);
  ends.near->set_blocking(Direction::read);
  ends.say("x");
  awake.say("x");
  turn();  // the loop is told of both
  EXPECT_EQ(other.ready, 1);
  Noting watcher;
  ends.near->watch(watcher, Direction::read);
  turn();
  EXPECT_EQ(watcher.ready, 1);
}

TEST_F(PollerTest, TheEndThatCameWithTheLastBytesIsTold) {
  Ends ends(io_.executor());
  Noting watcher;
  ends.near->watch(watcher, Direction::read);
  ends.say("last");
  EXPECT_EQ(::shutdown(ends.far.get(), SHUT_WR), 0);
  turn();
  EXPECT_EQ(watcher.ready, 1);
  EXPECT_TRUE(ends.near->has_hung_up());
  EXPECT_EQ(ends.read(64), 4);
  ends.near->set_blocking(Direction::read);  // says who read less than there was room for
  ends.near->watch(watcher, Direction::read);
  turn();
  EXPECT_EQ(watcher.ready, 2);
  EXPECT_EQ(ends.read(64), 0);
}

TEST_F(PollerTest, WhoIsToldMayCloseWhatWasToldOfAsWell) {
  Crowd crowd(io_.executor(), 8);
  for (std::size_t i = 0; i < 8; ++i) {
    crowd.watchers[i].then = [&crowd, i] {
      for (std::size_t k = 0; k < 8; ++k) {
        if (k != i) crowd.all[k].near.reset();
      }
    };
  }
  crowd.say_all();
  turn();
  int told = 0, closed = 0;
  for (const auto& each : crowd.watchers) {
    told += each.ready;
    closed += each.closed;
  }
  EXPECT_EQ(told, 1);
  EXPECT_EQ(closed, 7);
}

TEST_F(PollerTest, WhoIsToldMayCloseItsOwn) {
  Ends ends(io_.executor());
  Noting reads, writes;
  ends.near->watch(reads, Direction::read);
  ends.near->watch(writes, Direction::write);
  reads.then = writes.then = [&ends] { ends.near.reset(); };
  ends.say("x");
  turn();
  EXPECT_EQ(reads.ready + writes.ready, 1);
  EXPECT_EQ(reads.closed + writes.closed, 1);
}

TEST_F(PollerTest, MoreThanOneTurnIsToldOf) {
  constexpr std::size_t kCount = kMaxEventsPerTurn * 3 + 1;
  const Crowd crowd(io_.executor(), kCount);
  crowd.say_all();
  io_.run_for(milliseconds(100));
  for (const auto& each : crowd.watchers) EXPECT_EQ(each.ready, 1);
}

TEST_F(PollerTest, ACopyOfWhatWasClosedIsNotToldOf) {
  Ends ends(io_.executor());
  const Descriptor copy(::fcntl(ends.near->get(), F_DUPFD_CLOEXEC, 0));
  Noting watcher;
  ends.near->watch(watcher, Direction::read);
  ends.near.reset();
  EXPECT_EQ(watcher.closed, 1);
  ends.say("x");
  turn();
  EXPECT_EQ(watcher.ready, 0);
}

TEST_F(PollerTest, WhatIsGivenAwayStaysOpen) {
  Ends ends(io_.executor());
  Noting watcher;
  ends.near->watch(watcher, Direction::read);
  const Descriptor given = ends.near->release();
  EXPECT_EQ(watcher.closed, 1);
  EXPECT_FALSE(ends.near->is_open());
  ends.say("x");
  std::uint8_t byte = 0;
  EXPECT_EQ(::recv(given.get(), &byte, 1, MSG_DONTWAIT), 1);
}

TEST_F(PollerTest, AFileIsRefused) {
  Descriptor file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file.is_open());
  const PolledDescriptor polled(io_.executor(), std::move(file));
  EXPECT_FALSE(polled.is_open());
}

TEST(Poller, TheLoopStaysWhileSomebodyWaitsAndNoLonger) {
  Io io;
  Ends ends(io.executor());
  {
    Noting watcher;
    ends.near->watch(watcher, Direction::read);
    io.post([&ends] { ends.say("x"); });
    io.run();  // ends, since nobody waits any more
    EXPECT_EQ(watcher.ready, 1);
    EXPECT_EQ(ends.read(1), 1);
    ends.near->watch(watcher, Direction::read);
  }
  io.restart();
  io.run();  // its wait ended with it
}

TEST(Poller, WhoWaitsIsToldOfTheEndOfTheLoop) {
  std::optional<Io> io(std::in_place);
  Ends first(io->executor());
  Ends second(io->executor());
  struct Owner final : Watcher {
    explicit Owner(Ends& owned) : ends(&owned) {}
    void on_ready() override {}
    void on_closed() override { ++closed; }
    void on_loop_end() override {
      ++loop_ended;
      ends->near.reset();
    }
    Ends* ends;
    int closed = 0, loop_ended = 0;
  };
  Owner reads(first), writes(first), alone(second);
  first.near->watch(reads, Direction::read);
  first.near->watch(writes, Direction::write);
  second.near->watch(alone, Direction::read);
  io.reset();
  EXPECT_EQ(reads.loop_ended + writes.loop_ended, 1) << "the first lets go of the descriptor, which the second is told";
  EXPECT_EQ(reads.closed + writes.closed, 1);
  EXPECT_EQ(alone.loop_ended, 1);
}

TEST_F(PollerTest, UrgentBytesAloneWakeNobody) {
  Ends ends(io_.executor(), true);
  Noting watcher;
  watcher.then = [&] {
    std::uint8_t byte = 0;
    if (::recv(ends.near->get(), &byte, 1, MSG_PEEK) < 0) ends.near->set_blocking(Direction::read);
    ends.near->watch(watcher, Direction::read);
  };
  ends.near->watch(watcher, Direction::read);
  EXPECT_EQ(::send(ends.far.get(), "x", 1, MSG_OOB), 1);
  turn();
  EXPECT_LE(watcher.ready, 1) << "a stranger with one byte would keep the loop busy";
  ends.say("y");
  turn();
  EXPECT_GE(watcher.ready, 1);
}

TEST_F(PollerTest, OthersAreToldThoughOneThrows) {
  Crowd crowd(io_.executor(), 4);
  for (auto& each : crowd.watchers) each.then = [] { throw std::runtime_error("what was told"); };
  crowd.say_all();
  int thrown = 0;
  for (int i = 0; i < 8; ++i) {
    try {
      turn();
    } catch (const std::runtime_error&) {
      ++thrown;
    }
  }
  EXPECT_EQ(thrown, 4);
  for (const auto& each : crowd.watchers) EXPECT_EQ(each.ready, 1);
}

// ---- nobody waits for what is there

// A few connections on which everything happens in an order that dice throw. What waits is ever told: once all is
// quiet, nobody waits whose descriptor poll(2) finds ready.
class Dice {
 public:
  Dice(Io& io, std::uint32_t seed) : io_(io), random_(seed) {
    for (auto& line : lines_) renew(line);
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      step(lines_[random_() % lines_.size()]);
      if (random_() % 4 == 0) io_.run_for(milliseconds(0));
    }
    io_.run_for(milliseconds(3));
    for (auto& line : lines_) {
      for (const Direction direction : {Direction::read, Direction::write}) expect_told(line, direction);
    }
  }

 private:
  struct Line {
    std::optional<Ends> ends;
    std::array<Noting, 2> waiting;  // by direction
    std::array<bool, 2> waits{};
  };

  static std::size_t index(Direction direction) { return direction == Direction::read ? 0 : 1; }

  void renew(Line& line) {
    line.waits = {};
    line.ends.reset();
    line.ends.emplace(io_.executor(), random_() % 2 == 0);
    for (const std::size_t i : {0U, 1U}) line.waiting[i].then = [&line, i] { line.waits[i] = false; };
  }

  void wait(Line& line, Direction direction) {
    const std::size_t i = index(direction);
    if (line.waits[i]) return;
    line.waits[i] = true;
    line.ends->near->watch(line.waiting[i], direction);
  }

  // As SocketStream and Splice do: tells what it saw.
  void read(Line& line, std::size_t room) {
    if (line.ends->near->is_blocking(Direction::read)) return;
    const ssize_t got = line.ends->read(room);
    if (got < 0 || static_cast<std::size_t>(got) < room) line.ends->near->set_blocking(Direction::read);
  }

  void write(Line& line, std::size_t size) {
    const Bytes piece(size);
    if (::send(line.ends->near->get(), piece.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return;
    if (would_block(errno)) line.ends->near->set_blocking(Direction::write);
  }

  void step(Line& line) {
    const Bytes piece(1 + random_() % 200'000);
    Bytes room(300'000);
    switch (random_() % 12) {
      case 0:
      case 1:
        static_cast<void>(
            ::send(line.ends->far.get(), piece.data(), 1 + piece.size() % 7, MSG_DONTWAIT | MSG_NOSIGNAL));
        break;
      case 2:
        static_cast<void>(::send(line.ends->far.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
        break;
      case 3:
        static_cast<void>(::recv(line.ends->far.get(), room.data(), room.size(), MSG_DONTWAIT));
        break;
      case 4:
        static_cast<void>(::recv(line.ends->far.get(), room.data(), 1 + piece.size() % 100, MSG_DONTWAIT));
        break;
      case 5:
        read(line, 1 + random_() % 8);
        break;
      case 6:
        read(line, 300'000);
        break;
      case 7:
        write(line, piece.size());
        break;
      case 8:
        wait(line, Direction::write);
        break;
      case 9:
        if (random_() % 6 == 0) static_cast<void>(::shutdown(line.ends->far.get(), SHUT_WR));
        if (random_() % 12 == 0) {
          reset_at_close(line.ends->far.get());
          line.ends->far.close();
        }
        break;
      case 10:
        if (random_() % 12 != 0) break;
        if (random_() % 2 == 0) reset_at_close(line.ends->far.get());
        renew(line);
        break;
      default:
        wait(line, Direction::read);
        break;
    }
  }

  void expect_told(const Line& line, Direction direction) {
    if (!line.waits[index(direction)]) return;
    const auto events = static_cast<short>(direction == Direction::read ? POLLIN | POLLRDHUP : POLLOUT);
    pollfd poll{.fd = line.ends->near->get(), .events = events, .revents = 0};
    EXPECT_EQ(::poll(&poll, 1, 0), 0) << "somebody waits to " << (direction == Direction::read ? "read" : "write")
                                      << " what poll(2) finds ready: " << poll.revents;
  }

  Io& io_;
  std::mt19937 random_;
  std::array<Line, 5> lines_;
};

TEST(Poller, NobodyWaitsForWhatIsThere) {
  for (std::uint32_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    Io io;
    Dice dice(io, seed);
    for (int round = 0; round < 4; ++round) dice.run(60);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace sallyport::net
