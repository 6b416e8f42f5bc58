#include "agent/ready_connections.h"

#include "agent/settings.h"

#include <gtest/gtest.h>

#include "net/descriptor.h"
#include "net/run.h"

namespace sallyport::agent {
namespace {

constexpr seconds kPatient{5};

tunnel::Ticket ticket_number(std::uint8_t number) {
  tunnel::Ticket ticket;
  ticket.bytes.fill(number);
  return ticket;
}

// A relay as far as these connections see it: it gives tickets and holds the other ends.
class ReadyTest : public ::testing::Test {
 protected:
  std::shared_ptr<ReadyConnections> make(std::size_t most = kMostReady) {
    return std::make_shared<ReadyConnections>(
        tasks, time, most,
        ReadyConnections::Source{.take_ticket = [this]() -> std::optional<tunnel::Ticket> {
                                   if (tickets == 0) return std::nullopt;
                                   --tickets;
                                   return ticket_number(++given);
                                 },
                                 .dial = [this](tunnel::Ticket ticket) { return dial(*this, ticket); },
                                 .lost = [this](const tunnel::Ticket& ticket) { lost.push_back(ticket); }});
  }
  static net::Task<Result<net::StreamPtr>> dial(ReadyTest& self, tunnel::Ticket ticket) {
    while (self.is_slow) co_await net::sleep_for(milliseconds(1));
    if (self.is_closed) co_return fail(Errc::unavailable, "test: nobody there");
    CO_TRY(auto pair, net::make_socket_pair());
    CO_TRY(self.far[ticket], net::adopt_socket(self.io.executor(), std::move(pair.second)));
    co_return net::adopt_socket(self.io.executor(), std::move(pair.first));
  }
  template <class Condition>
  static net::Task<void> wait_for(Condition condition) {
    const net::Deadline deadline(kPatient);
    while (!condition() && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
    EXPECT_TRUE(condition());
  }
  template <class Condition>
  void run_until(Condition condition) {
    io.restart();
    net::run(io, wait_for(condition));
  }
  static net::Task<void> note_taken(std::shared_ptr<ReadyConnections> from, tunnel::Ticket ticket, net::StreamPtr& out,
                                    bool& done) {
    out = co_await ReadyConnections::take(std::move(from), ticket);
    done = true;
  }
  net::StreamPtr take(const std::shared_ptr<ReadyConnections>& from, const tunnel::Ticket& ticket) {
    net::StreamPtr out;
    bool done = false;
    io.restart();
    net::run(io, note_taken(from, ticket, out, done));
    EXPECT_TRUE(done);
    return out;
  }

  net::Io io;
  net::TaskGroup tasks{io.executor()};
  ManualClock clock{UnixTime(1'780'315'200)};
  DeviceTime time{clock, true, UnixTime()};
  std::size_t tickets = 100;
  std::uint8_t given = 0;
  bool is_slow = false;
  bool is_closed = false;
  std::map<tunnel::Ticket, net::StreamPtr> far;
  std::vector<tunnel::Ticket> lost;
};

TEST_F(ReadyTest, ThereAreNoneBeforeTheFirstUserAndMoreForEachWhoHadToWait) {
  const auto ready = make();
  EXPECT_EQ(given, 0);
  for (const std::size_t wanted : {1U, 2U, 4U, 6U, 6U}) {
    ready->user_came(false);
    run_until([&] { return ready->size() == wanted; });
  }
  ready->user_came(true);
  run_until([&] { return !ready->will_refill(); });
  EXPECT_EQ(given, kMostReady);
}

TEST_F(ReadyTest, WhatIsTakenIsReplacedWithTheNextUser) {
  const auto ready = make();
  ready->user_came(false);
  run_until([&] { return ready->size() == 1; });
  EXPECT_NE(take(ready, ticket_number(1)), nullptr);
  EXPECT_EQ(take(ready, ticket_number(1)), nullptr);
  ready->user_came(true);
  run_until([&] { return ready->size() == 1; });
  EXPECT_EQ(given, 2);
}

TEST_F(ReadyTest, UsersWhoComeTogetherAreServedBeforeOthersAreDialledFor) {
  const auto ready = make();
  ready->user_came(false);
  ready->user_came(false);
  ready->user_came(false);
  EXPECT_EQ(given, 0);
  run_until([&] { return ready->size() == 4; });
  EXPECT_EQ(given, 4);
}

TEST_F(ReadyTest, OneThatIsStillBeingDialledIsWaitedFor) {
  const auto ready = make();
  is_slow = true;
  ready->user_came(false);
  net::StreamPtr taken;
  bool done = false;
  run_until([&] { return given == 1; });
  tasks.spawn(note_taken(ready, ticket_number(1), taken, done), "test.take");
  io.restart();
  net::run(io, net::yield());
  EXPECT_FALSE(done);
  is_slow = false;
  run_until([&] { return done; });
  EXPECT_NE(taken, nullptr);
}

TEST_F(ReadyTest, OneThatHasBrokenIsNotGiven) {
  const auto ready = make();
  ready->user_came(false);
  run_until([&] { return ready->size() == 1; });
  far.at(ticket_number(1))->close();
  EXPECT_EQ(take(ready, ticket_number(1)), nullptr);
}

TEST_F(ReadyTest, OneThatBreaksIsReplaced) {
  const auto ready = make();
  ready->user_came(false);
  run_until([&] { return ready->size() == 1; });
  far.at(ticket_number(1))->close();
  run_until([&] { return given == 2 && ready->size() == 1; });
  EXPECT_EQ(lost, std::vector{ticket_number(1)});
}

TEST_F(ReadyTest, TheyAreGivenUpWhenNobodyComes) {
  const auto ready = make();
  ready->user_came(false);
  run_until([&] { return ready->size() == 1; });
  clock.advance(std::chrono::duration_cast<seconds>(kReadyAfterUser));
  run_until([&] { return ready->size() == 0; });
  EXPECT_EQ(lost.size(), 1U);
  EXPECT_EQ(given, 1);
}

TEST_F(ReadyTest, WhereNoneCanBeDialledNoneIsTried) {
  const auto ready = make();
  is_closed = true;
  ready->user_came(false);
  run_until([&] { return lost.size() == 1; });
  ready->user_came(true);
  run_until([&] { return !ready->will_refill(); });
  EXPECT_EQ(given, 1);
}

TEST_F(ReadyTest, TheBucketBoundsHowManyAreDialled) {
  const auto ready = make();
  while (given < kReadyBurst) {
    const std::uint8_t before = given;
    ready->user_came(false);
    run_until([&] { return !ready->will_refill(); });
    ASSERT_GT(given, before);
    for (std::uint8_t number = 1; number <= given; ++number) static_cast<void>(take(ready, ticket_number(number)));
  }
  ready->user_came(false);
  run_until([&] { return !ready->will_refill(); });
  EXPECT_EQ(given, kReadyBurst);
}

TEST_F(ReadyTest, WhereNoneIsWantedNoneIsDialled) {
  const auto ready = make(0);
  ready->user_came(false);
  run_until([&] { return !ready->will_refill(); });
  EXPECT_EQ(given, 0);
}

TEST_F(ReadyTest, WithoutATicketNothingIsDialled) {
  tickets = 0;
  const auto ready = make();
  ready->user_came(false);
  run_until([&] { return !ready->will_refill(); });
  EXPECT_EQ(ready->size(), 0U);
}

TEST_F(ReadyTest, AfterTheSessionsEndThereIsNone) {
  const auto ready = make();
  ready->user_came(false);
  run_until([&] { return ready->size() == 1; });
  is_slow = true;
  ready->user_came(false);
  run_until([&] { return given == 2; });
  ready->close();
  is_slow = false;
  ready->user_came(false);
  run_until([&] { return far.size() == 2; });
  EXPECT_EQ(ready->size(), 0U);
}

}  // namespace
}  // namespace sallyport::agent
