#include "net/task_group.h"

#include <gtest/gtest.h>

#include "net/detail/test_streams.h"
#include "net/timer.h"

namespace sallyport::net {
namespace {

// Tells of its end, so that a test knows when what a task holds is gone.
struct Held {
  explicit Held(int& counted) : count(counted) { ++count; }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() { --count; }
  int& count;
};

Task<void> sleep_for_ever(int& alive) {
  const Held held(alive);
  for (;;) co_await sleep_for(seconds(3'600));
}

Task<void> read_for_ever(StreamPtr stream, int& alive) {
  const Held held(alive);
  std::array<std::uint8_t, 16> piece{};
  for (;;) static_cast<void>(co_await stream->read_some(piece, Deadline::never()));
}

Task<void> wait_for_ever(Event& event, int& alive) {
  const Held held(alive);
  for (;;) static_cast<void>(co_await event.wait(Deadline::never()));
}

Task<void> end_by_itself(int& ended) {
  co_await yield();
  ++ended;
}

Task<void> fail_by_itself() {
  co_await yield();
  throw std::runtime_error("of its own");
}

Task<void> stop_those_who_wait(TaskGroup& group, int& alive) {
  auto ends = co_await tcp_pair();
  auto pipe = make_pipe(group.executor());
  Event event(group.executor());
  group.spawn(sleep_for_ever(alive), "sleeps");
  group.spawn(read_for_ever(std::move(ends.first), alive), "reads from a socket");
  group.spawn(read_for_ever(std::move(pipe.first), alive), "reads from a pipe");
  group.spawn(wait_for_ever(event, alive), "waits for an event");
  co_await yield();
  EXPECT_EQ(alive, 4);
  EXPECT_EQ(group.size(), 4U);
  co_await group.stop();
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(group.size(), 0U);
}

Task<void> wait_once(Event& event, int& after) {
  static_cast<void>(co_await event.wait(Deadline::never()));
  ++after;
}

Task<void> sleep_once(int& after) {
  co_await sleep_for(seconds(3'600));
  ++after;
}

Task<void> read_once(StreamPtr stream, int& after) {
  std::array<std::uint8_t, 16> piece{};
  static_cast<void>(co_await stream->read_some(piece, Deadline::never()));
  ++after;
}

Task<void> stop_before_anything_comes(TaskGroup& group, int& after) {
  auto ends = co_await tcp_pair();
  auto pipe = make_pipe(group.executor());
  Event event(group.executor());
  group.spawn(wait_once(event, after), "waits");
  group.spawn(sleep_once(after), "sleeps");
  group.spawn(read_once(std::move(ends.first), after), "reads from a socket");
  group.spawn(read_once(std::move(pipe.first), after), "reads from a pipe");
  co_await yield();
  co_await group.stop();
}

TEST(TaskGroup, AWaitThatIsCutShortNeverLooksLikeOneThatEnded) {
  Io io;
  TaskGroup group(io.executor());
  int after = 0;
  run(io, stop_before_anything_comes(group, after));
  EXPECT_EQ(after, 0) << "a task went on behind its wait";
}

TEST(TaskGroup, WhatItsTasksHoldIsGoneWhenStopReturns) {
  Io io;
  TaskGroup group(io.executor());
  int alive = 0;
  run(io, stop_those_who_wait(group, alive));
  EXPECT_EQ(alive, 0);
}

Task<void> stop_twice(TaskGroup& group, int& alive) {
  co_await group.stop();
  group.spawn(sleep_for_ever(alive), "late");
  co_await yield();
  EXPECT_EQ(alive, 0);
  co_await group.stop();
}

TEST(TaskGroup, StartsNothingOnceItWasEnded) {
  Io io;
  TaskGroup group(io.executor());
  int alive = 0;
  run(io, stop_twice(group, alive));
  EXPECT_EQ(group.size(), 0U);
}

Task<void> let_end(TaskGroup& group, int& ended) {
  group.spawn(end_by_itself(ended), "ends");
  group.spawn(fail_by_itself(), "fails");
  const Deadline deadline(kSoon);
  while (group.size() != 0 && !deadline.passed()) co_await yield();
}

TEST(TaskGroup, ForgetsTasksThatEndByThemselves) {
  Io io;
  TaskGroup group(io.executor());
  int ended = 0;
  run(io, let_end(group, ended));
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(group.size(), 0U);
}

Task<void> stop_one(TaskGroup& one, TaskGroup& other, int& alive) {
  one.spawn(sleep_for_ever(alive), "ended");
  other.spawn(sleep_for_ever(alive), "not ended");
  co_await yield();
  co_await one.stop();
  EXPECT_EQ(alive, 1);
  co_await other.stop();
}

TEST(TaskGroup, LeavesOtherGroupsAlone) {
  Io io;
  TaskGroup one(io.executor());
  TaskGroup other(io.executor());
  int alive = 0;
  run(io, stop_one(one, other, alive));
  EXPECT_EQ(alive, 0);
}

// Both use what their caller holds.
Task<void> use_for_ever(StreamPtr& stream, int& alive) {
  const Held held(alive);
  std::array<std::uint8_t, 16> piece{};
  for (;;) {
    static_cast<void>(co_await stream->read_some(piece, Deadline::never()));
    EXPECT_NE(stream, nullptr);
  }
}

Task<void> end_at_once() {
  co_return;
}

Task<void> join_two(StreamPair ends, bool first_ends, int& alive, int& after) {
  auto first = first_ends ? end_at_once() : use_for_ever(ends.first, alive);
  co_await join(std::move(first), use_for_ever(ends.second, alive));
  co_await yield();
  ++after;
}

Task<void> stop_joined(TaskGroup& group, bool first_ends) {
  int alive = 0;
  int after = 0;
  group.spawn(join_two(make_pipe(group.executor()), first_ends, alive, after), "joined");
  co_await yield();
  EXPECT_EQ(alive, first_ends ? 1 : 2);
  co_await group.stop();
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(after, 0) << "the caller of join went on";
}

TEST(TaskGroup, EndsBothOfAJoinBeforeWhatTheyUse) {
  Io io;
  for (const bool first_ends : {false, true}) {
    TaskGroup group(io.executor());
    run(io, stop_joined(group, first_ends));
  }
}

Result<void> take_a_while() {
  return {};
}

Task<void> block(int& alive, int& after) {
  const Held held(alive);
  static_cast<void>(co_await run_blocking(take_a_while));
  co_await yield();
  ++after;
}

Task<void> stop_blocked(TaskGroup& group, int& alive, int& after) {
  group.spawn(block(alive, after), "blocks");
  co_await group.stop();
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(after, 0);
}

TEST(TaskGroup, WaitsForWhatRunsOnAnotherThread) {
  Io io;
  TaskGroup group(io.executor());
  int alive = 0;
  int after = 0;
  run(io, stop_blocked(group, alive, after));
}

}  // namespace
}  // namespace sallyport::net
