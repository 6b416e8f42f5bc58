// What waits on a loop: its deadlines, and what becomes of it when something else ends first.
#include "net/detail/alarms.h"

#include <sys/socket.h>

#include <random>
#include <thread>
#include <vector>

#include "net/detail/readiness.h"
#include "net/detail/test_streams.h"
#include "net/task_group.h"
#include "net/timer.h"

namespace sallyport::net {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Slept {
  SteadyClock::time_point due, woken;
};

Task<void> sleep_and_note(milliseconds time, Slept& slept) {
  const Deadline deadline(time);
  slept.due = deadline.at();
  co_await sleep_until(deadline);
  slept.woken = SteadyClock::now();
}

TEST(Alarms, NobodySleepsTooShort) {
  Io io;
  std::mt19937 random(1);
  std::vector<Slept> sleepers(500);
  for (auto& each : sleepers) spawn(io.executor(), sleep_and_note(milliseconds(random() % 150), each), "test.sleep");
  io.restart();
  io.run();
  for (const auto& each : sleepers) {
    EXPECT_GE(each.woken, each.due);
    EXPECT_LT(each.woken, each.due + kSoon);
  }
}

Task<void> sleep_until_past(bool& over) {
  const Deadline past(kAtOnce);
  while (!past.passed()) co_await sleep_for(kAtOnce);
  co_await sleep_until(past);
  over = true;
}

TEST(Alarms, ADeadlineThatHasPassedIsNotWaitedFor) {
  Io io;
  bool over = false;
  run(io, sleep_until_past(over));
  EXPECT_TRUE(over);
}

Task<void> wait_long(Event& event, bool& woken) {
  woken = (co_await event.wait(seconds(3'600))).has_value();
}

TEST(Alarms, ALoopWithNothingLeftToWaitForEnds) {
  Io io;
  Event event(io.executor());
  bool woken = false;
  spawn(io.executor(), wait_long(event, woken), "test.wait");
  io.post([&] { event.set(); });
  const auto began = SteadyClock::now();
  io.run();
  EXPECT_TRUE(woken);
  EXPECT_LT(SteadyClock::now() - began, kSoon) << "it stayed for a deadline that nobody waits for";
}

Task<void> wait_for_ever(Event& event, bool& woken) {
  woken = (co_await event.wait(Deadline::never())).has_value();
}

TEST(Alarms, ALoopStaysForWhoWaitsWithoutADeadline) {
  Io io;
  Event event(io.executor());
  bool woken = false;
  spawn(io.executor(), wait_for_ever(event, woken), "test.wait");
  io.run_for(milliseconds(20));
  EXPECT_FALSE(woken);
  const std::jthread other([&] { io.post([&] { event.set(); }); });
  io.restart();
  io.run();
  EXPECT_TRUE(woken);
}

struct Counted {
  explicit Counted(int& number) : count(number) { ++count; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count; }
  int& count;
};

Task<void> sleep_counted(Deadline deadline, int& alive) {
  const Counted counted(alive);
  co_await sleep_until(deadline);
}

Task<void> wait_counted(std::shared_ptr<Event> event, Deadline deadline, int& alive) {
  const Counted counted(alive);
  static_cast<void>(co_await event->wait(deadline));
}

Task<void> read_counted(std::shared_ptr<StreamPair> pair, Deadline deadline, int& alive) {
  const Counted counted(alive);
  static_cast<void>(co_await pair->first->wait_readable(deadline));
}

TEST(Alarms, ALoopThatGoesTakesAllThatWaitOnItAlong) {
  int alive = 0;
  {
    Io io;
    const auto executor = io.executor();
    for (const auto deadline : {Deadline(seconds(60)), Deadline::never()}) {
      spawn(executor, sleep_counted(deadline, alive), "test.sleep");
      spawn(executor, wait_counted(std::make_shared<Event>(executor), deadline, alive), "test.wait");
      spawn(executor, read_counted(std::make_shared<StreamPair>(unix_pair(executor)), deadline, alive), "test.read");
    }
    io.run_for(milliseconds(10));
    EXPECT_EQ(alive, 6);
  }
  EXPECT_EQ(alive, 0);
}

TEST(Alarms, AGroupThatEndsWakesAllThatWaitInIt) {
  Io io;
  const auto executor = io.executor();
  TaskGroup group(executor);
  int alive = 0;
  for (const auto deadline : {Deadline(seconds(60)), Deadline::never()}) {
    group.spawn(sleep_counted(deadline, alive), "test.sleep");
    group.spawn(wait_counted(std::make_shared<Event>(executor), deadline, alive), "test.wait");
    group.spawn(read_counted(std::make_shared<StreamPair>(unix_pair(executor)), deadline, alive), "test.read");
  }
  io.run_for(milliseconds(10));
  EXPECT_EQ(alive, 6);
  run(io, group.stop());
  EXPECT_EQ(alive, 0);
}

// ---- the two directions of one descriptor

struct BothWays {
  std::optional<Readiness> near;
  Descriptor far;
  std::optional<Result<void>> read, written;
};

void set_up_full(BothWays& both, const Executor& executor) {
  auto ends = make_socket_pair();
  ASSERT_TRUE(ends);
  const Bytes piece(64 * 1024);
  while (::send(ends->first.get(), piece.data(), piece.size(), MSG_DONTWAIT) > 0) {
  }
  both.near.emplace(executor, std::move(ends->first));
  both.far = std::move(ends->second);
}

Task<void> wait_in(BothWays& both, Direction direction, Deadline deadline) {
  auto& into = direction == Direction::read ? both.read : both.written;
  into = co_await both.near->wait(direction, deadline);
}

Task<void> until(const std::optional<Result<void>>& outcome) {
  const Deadline deadline(kSoon);
  while (!outcome && !deadline.passed()) co_await sleep_for(kAtOnce);
}

TEST(Readiness, TheDeadlineOfOneDirectionDoesNotEndTheOther) {
  Io io;
  BothWays both;
  set_up_full(both, io.executor());
  spawn(io.executor(), wait_in(both, Direction::read, milliseconds(5)), "test.read");
  spawn(io.executor(), wait_in(both, Direction::write, kSoon), "test.write");
  run(io, until(both.read));
  ASSERT_TRUE(both.read && !*both.read);
  EXPECT_EQ(both.read->error().code, Errc::expired);
  io.run_for(milliseconds(5));
  EXPECT_FALSE(both.written);
  Bytes room(1U << 20U);
  EXPECT_GT(::recv(both.far.get(), room.data(), room.size(), MSG_DONTWAIT), 0);
  while (::recv(both.far.get(), room.data(), room.size(), MSG_DONTWAIT) > 0) {
  }
  run(io, until(both.written));
  EXPECT_TRUE(both.written && *both.written);
}

TEST(Readiness, ClosingEndsTheWaitsOfBothDirections) {
  Io io;
  BothWays both;
  set_up_full(both, io.executor());
  spawn(io.executor(), wait_in(both, Direction::read, kSoon), "test.read");
  spawn(io.executor(), wait_in(both, Direction::write, Deadline::never()), "test.write");
  io.run_for(milliseconds(5));
  EXPECT_FALSE(both.read || both.written);
  both.near.reset();
  run(io, until(both.read));
  run(io, until(both.written));
  for (const auto* outcome : {&both.read, &both.written}) {
    ASSERT_TRUE(*outcome && !**outcome);
    EXPECT_EQ((*outcome)->error().code, Errc::unavailable);
  }
}

TEST(Readiness, WhatIsReadyAndExpiredIsReady) {
  Io io;
  BothWays both;
  set_up_full(both, io.executor());
  EXPECT_EQ(::send(both.far.get(), "x", 1, 0), 1);
  spawn(io.executor(), wait_in(both, Direction::read, milliseconds(0)), "test.read");
  run(io, until(both.read));
  EXPECT_TRUE(both.read && *both.read);
}

}  // namespace
}  // namespace sallyport::net
