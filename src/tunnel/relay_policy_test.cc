// Displacement, rendezvous, admission and reconnection.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tunnel/admission.h"
#include "tunnel/displacement.h"
#include "tunnel/limits.h"
#include "tunnel/reconnect.h"
#include "tunnel/rendezvous.h"

namespace sallyport::tunnel {
namespace {

constexpr Instant kStart{hours(1)};

BootId boot(std::uint8_t number) {
  return BootId({number});
}

TEST(DisplacementPolicy, NewerConnectionTakesThePlace) {
  DisplacementPolicy policy;
  const auto first = policy.on_hello(boot(1), kStart);
  EXPECT_EQ(first.verdict, Verdict::admit);
  const auto second = policy.on_hello(boot(1), kStart + seconds(1));
  EXPECT_EQ(second.verdict, Verdict::displace);
  EXPECT_GT(second.generation, first.generation);
  EXPECT_EQ(policy.current(), second.generation);
  // What the displaced one does no longer counts.
  EXPECT_FALSE(policy.on_gone(first.generation));
  EXPECT_EQ(policy.current(), second.generation);
  EXPECT_FALSE(policy.on_gone(second.generation));
  EXPECT_FALSE(policy.current());
}

TEST(DisplacementPolicy, FourthAlternationRaisesTheAlarmOnce) {
  DisplacementPolicy policy;
  int alarms = 0;
  std::vector<Verdict> verdicts;
  for (int i = 0; i < 1'000; ++i) {
    const auto judgement = policy.on_hello(boot(i % 2 == 0 ? 1 : 2), kStart + milliseconds(i * 10));
    alarms += judgement.raise_alarm ? 1 : 0;
    verdicts.push_back(judgement.verdict);
    if (judgement.verdict == Verdict::probe_incumbent) {
      EXPECT_EQ(policy.on_incumbent_answered(), judgement.generation);
    }
  }
  EXPECT_EQ(alarms, 1);
  EXPECT_EQ(verdicts[0], Verdict::admit);
  for (std::size_t i = 1; i <= kMaxAlternations; ++i) EXPECT_EQ(verdicts[i], Verdict::displace) << i;
  EXPECT_EQ(verdicts[kMaxAlternations + 1], Verdict::probe_incumbent);
  EXPECT_TRUE(policy.alarm(kStart + seconds(10)));
}

TEST(DisplacementPolicy, AlternationsFarApartAreNoFight) {
  DisplacementPolicy policy;
  for (int i = 0; i < 100; ++i) {
    const auto judgement = policy.on_hello(boot(i % 2 == 0 ? 1 : 2), kStart + seconds(20 * i));
    EXPECT_FALSE(judgement.raise_alarm) << i;
  }
}

TEST(DisplacementPolicy, AgentThatStartsOverAndOverIsNoClone) {
  DisplacementPolicy policy;
  for (std::uint8_t i = 0; i < 100; ++i) {
    const auto judgement = policy.on_hello(boot(i), kStart + seconds(i));
    EXPECT_FALSE(judgement.raise_alarm) << i;
    EXPECT_EQ(judgement.verdict, i == 0 ? Verdict::admit : Verdict::displace);
  }
}

// A policy in alarm whose incumbent has boot id 2.
DisplacementPolicy in_alarm(Instant now) {
  DisplacementPolicy policy;
  for (int i = 0; i < 5; ++i) policy.on_hello(boot(i % 2 == 0 ? 1 : 2), now);
  policy.on_incumbent_answered();
  return policy;
}

TEST(DisplacementPolicy, InAlarmTheIncumbentStaysUnlessItMissesItsPing) {
  DisplacementPolicy policy = in_alarm(kStart);
  const Generation incumbent = policy.current().value();
  const auto rival = policy.on_hello(boot(1), kStart + seconds(1));
  EXPECT_EQ(rival.verdict, Verdict::probe_incumbent);
  EXPECT_EQ(policy.on_hello(boot(3), kStart + seconds(2)).verdict, Verdict::refuse);
  EXPECT_EQ(policy.current(), incumbent);
  EXPECT_EQ(policy.on_gone(incumbent), rival.generation);
  EXPECT_EQ(policy.current(), rival.generation);
}

TEST(DisplacementPolicy, InAlarmTheIncumbentItselfMayReconnect) {
  DisplacementPolicy policy = in_alarm(kStart);
  EXPECT_EQ(policy.on_hello(boot(2), kStart + seconds(1)).verdict, Verdict::displace);
}

TEST(DisplacementPolicy, RivalThatLeavesMakesRoomForTheNext) {
  DisplacementPolicy policy = in_alarm(kStart);
  const auto rival = policy.on_hello(boot(1), kStart + seconds(1));
  EXPECT_FALSE(policy.on_gone(rival.generation));
  EXPECT_EQ(policy.on_hello(boot(1), kStart + seconds(2)).verdict, Verdict::probe_incumbent);
}

TEST(DisplacementPolicy, AlarmEndsAfterQuietAndThenNothingIsKept) {
  DisplacementPolicy policy = in_alarm(kStart);
  EXPECT_TRUE(policy.alarm(kStart + kCloneAlarmHold - milliseconds(1)));
  EXPECT_FALSE(policy.alarm(kStart + kCloneAlarmHold));
  EXPECT_EQ(policy.on_hello(boot(1), kStart + kCloneAlarmHold).verdict, Verdict::displace);
  policy.on_gone(policy.current().value());
  EXPECT_FALSE(policy.idle(kStart + kCloneAlarmHold));
  EXPECT_TRUE(policy.idle(kStart + kCloneAlarmHold + kAlternationWindow));
}

class RendezvousTest : public ::testing::Test {
 protected:
  std::vector<Ticket> issue(SessionId session, std::size_t count) {
    std::vector<Ticket> tickets;
    for (std::size_t i = 0; i < count; ++i) tickets.push_back(draw_ticket(WorkerSlot(1), random_));
    rendezvous_.issue(session, tickets);
    return tickets;
  }

  SeededRandom random_{11};
  Rendezvous rendezvous_{{.users_per_device = 3, .users = 4, .ready_per_device = 2, .ready = 3}};
  const SessionId device_{1}, other_{2};
};

TEST_F(RendezvousTest, UserAndDialBackMeetOnce) {
  issue(device_, 2);
  const auto claim = rendezvous_.claim(device_, UserId(1), kStart).value();
  EXPECT_FALSE(claim.joined);
  EXPECT_EQ(rendezvous_.arrive(claim.ticket, DataId(1))->joined, UserId(1));
  EXPECT_EQ(rendezvous_.arrive(claim.ticket, DataId(2)).error().code, Errc::not_found);
  EXPECT_EQ(rendezvous_.users_waiting(), 0U);
  EXPECT_EQ(rendezvous_.known_tickets(), 1U);
}

TEST_F(RendezvousTest, ReadyConnectionIsTakenAtOnceAndOnce) {
  const auto tickets = issue(device_, 2);
  EXPECT_FALSE(rendezvous_.arrive(tickets[0], DataId(7))->joined);
  EXPECT_EQ(rendezvous_.arrive(tickets[0], DataId(8)).error().code, Errc::conflict);
  const auto claim = rendezvous_.claim(device_, UserId(1), kStart).value();
  EXPECT_EQ(claim.ticket, tickets[0]);
  EXPECT_EQ(claim.joined, DataId(7));
  EXPECT_FALSE(rendezvous_.claim(device_, UserId(2), kStart)->joined);
  EXPECT_EQ(rendezvous_.arrive(tickets[0], DataId(9)).error().code, Errc::not_found);
}

TEST_F(RendezvousTest, TicketsOfOneDeviceServeNoOther) {
  const auto mine = issue(device_, 1);
  issue(other_, 1);
  rendezvous_.arrive(mine[0], DataId(1)).value();
  const auto claim = rendezvous_.claim(other_, UserId(1), kStart).value();
  EXPECT_FALSE(claim.joined);
  EXPECT_NE(claim.ticket, mine[0]);
}

TEST_F(RendezvousTest, LimitsHold) {
  issue(device_, 5);
  issue(other_, 5);
  EXPECT_EQ(rendezvous_.claim(SessionId(9), UserId(1), kStart).error().code, Errc::not_found);
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(rendezvous_.claim(device_, UserId(i), kStart));
  EXPECT_EQ(rendezvous_.claim(device_, UserId(4), kStart).error().code, Errc::overloaded);
  ASSERT_TRUE(rendezvous_.claim(other_, UserId(4), kStart));
  EXPECT_EQ(rendezvous_.claim(other_, UserId(5), kStart).error().code, Errc::overloaded);
  const auto more = issue(SessionId(3), 5);
  ASSERT_TRUE(rendezvous_.arrive(more[0], DataId(1)));
  ASSERT_TRUE(rendezvous_.arrive(more[1], DataId(2)));
  EXPECT_EQ(rendezvous_.arrive(more[2], DataId(3)).error().code, Errc::overloaded);
  // Refused for want of room, not spent.
  ASSERT_TRUE(rendezvous_.data_gone(DataId(2)));
  ASSERT_TRUE(rendezvous_.arrive(more[2], DataId(4)));
}

TEST_F(RendezvousTest, DeviceWithoutTicketsIsOverloaded) {
  issue(device_, 1);
  ASSERT_TRUE(rendezvous_.claim(device_, UserId(1), kStart));
  EXPECT_EQ(rendezvous_.claim(device_, UserId(2), kStart).error().code, Errc::overloaded);
}

TEST_F(RendezvousTest, LateUsersAreToldAndTheirTicketsAreVoid) {
  issue(device_, 2);
  const auto claim = rendezvous_.claim(device_, UserId(1), kStart).value();
  EXPECT_EQ(rendezvous_.next_deadline(), kStart + kUserWaitDeadline);
  EXPECT_TRUE(rendezvous_.on_tick(kStart + kUserWaitDeadline - milliseconds(1)).empty());
  const auto late = rendezvous_.on_tick(kStart + kUserWaitDeadline);
  ASSERT_EQ(late.size(), 1U);
  EXPECT_EQ(late[0].user, UserId(1));
  EXPECT_EQ(late[0].ticket, claim.ticket);
  EXPECT_EQ(rendezvous_.arrive(claim.ticket, DataId(1)).error().code, Errc::not_found);
  EXPECT_FALSE(rendezvous_.next_deadline());
}

TEST_F(RendezvousTest, WhoGoesTakesHisTicketAlong) {
  issue(device_, 3);
  const auto hung_up = rendezvous_.claim(device_, UserId(1), kStart).value();
  EXPECT_EQ(rendezvous_.user_gone(UserId(1)), hung_up.ticket);
  EXPECT_FALSE(rendezvous_.user_gone(UserId(1)));
  const auto refused = rendezvous_.claim(device_, UserId(2), kStart).value();
  EXPECT_EQ(rendezvous_.refuse(refused.ticket), UserId(2));
  EXPECT_FALSE(rendezvous_.refuse(refused.ticket));
  EXPECT_EQ(rendezvous_.known_tickets(), 1U);
}

TEST_F(RendezvousTest, EndOfASessionVoidsAllOfIt) {
  const auto tickets = issue(device_, 3);
  issue(other_, 1);
  rendezvous_.claim(device_, UserId(1), kStart).value();
  std::size_t arrived = 0;
  for (const Ticket& ticket : tickets) {
    const auto arrival = rendezvous_.arrive(ticket, DataId(++arrived));
    if (arrived == 1 && arrival->joined) continue;
    if (arrived == 2) break;
  }
  const auto orphans = rendezvous_.end_session(device_);
  EXPECT_EQ(orphans.users.size() + orphans.data.size(), 2U + (orphans.users.empty() ? 0U : 1U));
  for (const Ticket& ticket : tickets) EXPECT_EQ(rendezvous_.arrive(ticket, DataId(50)).error().code, Errc::not_found);
  EXPECT_EQ(rendezvous_.known_tickets(), 1U);
  EXPECT_EQ(rendezvous_.users_waiting(), 0U);
  EXPECT_EQ(rendezvous_.ready(), 0U);
  EXPECT_TRUE(rendezvous_.on_tick(kStart + hours(1)).empty());
}

TEST(Backoff, GrowsWithJitterToItsLimitAndStartsAnewAfterAStableConnection) {
  SeededRandom random(3);
  Backoff backoff;
  milliseconds longest{0};
  std::set<std::int64_t> distinct;
  for (int i = 0; i < 200; ++i) {
    const auto delay = backoff.on_lost(std::nullopt, kStart, random);
    EXPECT_GE(delay, milliseconds(1'000));
    EXPECT_LE(delay, milliseconds(300'000));
    longest = std::max(longest, delay);
    distinct.insert(delay.count());
  }
  EXPECT_GT(longest, milliseconds(200'000));
  EXPECT_GT(distinct.size(), 150U);
  backoff.on_connected(kStart);
  EXPECT_LE(backoff.on_lost(std::nullopt, kStart + seconds(60), random), milliseconds(3'000));
}

TEST(Backoff, ShortConnectionDoesNotStartAnew) {
  SeededRandom random(3);
  Backoff backoff({.least = milliseconds(1'000), .most = milliseconds(1'000'000)});
  milliseconds sum{0};
  for (int i = 0; i < 50; ++i) {
    backoff.on_connected(kStart);
    sum += backoff.on_lost(std::nullopt, kStart + seconds(59), random);
  }
  EXPECT_GT(sum, seconds(600));
}

TEST(Backoff, ObeysTheRelay) {
  SeededRandom random(3);
  Backoff backoff;
  for (int i = 0; i < 100; ++i) {
    const auto delay = backoff.on_lost(
        GoAwayFrame{.reason = GoAwayReason::restarting, .come_back_in = milliseconds(20'000)}, kStart, random);
    EXPECT_GE(delay, milliseconds(20'000));
    EXPECT_LE(delay, milliseconds(22'000));
  }
}

TEST(ComeBackIn, SpreadsAFleetOverWhatTheRelayCanServe) {
  SeededRandom random(3);
  std::vector<std::size_t> per_second(21);
  for (int i = 0; i < 10'000; ++i) {
    const auto delay = draw_come_back_in(10'000, 500, random);
    ASSERT_GE(delay, milliseconds(1'000));
    ASSERT_LE(delay, milliseconds(21'000));
    ++per_second[static_cast<std::size_t>((delay.count() - 1'000) / 1'000)];
  }
  for (std::size_t i = 0; i < 20; ++i) EXPECT_LT(per_second[i], 650U) << i;
  EXPECT_LE(draw_come_back_in(100'000'000, 1, random), kMaxComeBackIn);
}

TEST(TokenBucket, RefillsAtItsRateUpToItsBurst) {
  TokenBucket bucket(3, 2.0);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.take(kStart));
  EXPECT_FALSE(bucket.take(kStart));
  EXPECT_FALSE(bucket.take(kStart - seconds(100)));
  EXPECT_TRUE(bucket.take(kStart + milliseconds(500)));
  EXPECT_FALSE(bucket.take(kStart + milliseconds(500)));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.take(kStart + hours(1)));
  EXPECT_FALSE(bucket.take(kStart + hours(1)));
  bucket.grant(1);
  EXPECT_TRUE(bucket.take(kStart + hours(1)));
}

TEST(HandshakeAdmission, WindowFollowsWhatTheMachineCanDo) {
  HandshakeAdmission admission({.least = 4, .most = 20, .start = 10});
  std::size_t begun = 0;
  while (admission.begin(kStart)) ++begun;
  EXPECT_EQ(begun, 10U);
  Instant now = kStart + milliseconds(20);
  for (int i = 0; i < 10; ++i) admission.on_success(kStart, now);
  for (int round = 0; round < 1'000; ++round) {
    ASSERT_TRUE(admission.begin(now));
    admission.on_success(now, now + milliseconds(20));
    now += milliseconds(20);
  }
  EXPECT_EQ(admission.window(), 20U);
  const auto slow_one = [&] {
    ASSERT_TRUE(admission.begin(now));
    now += milliseconds(900);
    admission.on_success(now - milliseconds(900), now);
  };
  slow_one();
  EXPECT_EQ(admission.window(), 14U);
  slow_one();  // one congestion, one decrease
  EXPECT_EQ(admission.window(), 14U);
  for (int i = 1; i < 20; ++i) {
    now += seconds(1);
    slow_one();
  }
  EXPECT_EQ(admission.window(), 4U);
  ASSERT_TRUE(admission.begin(now));
  admission.on_over(now, now);
  EXPECT_EQ(admission.window(), 4U);
  EXPECT_EQ(admission.under_way(), 0U);
}

TEST(HandshakeAdmission, PeersThatKeepUsWaitingKeepNobodyOut) {
  HandshakeAdmission admission({.least = 2, .most = 10, .start = 4});
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(admission.begin(kStart));
  EXPECT_FALSE(admission.begin(kStart + milliseconds(999)));
  const Instant later = kStart + milliseconds(1'000);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(admission.begin(later));
  EXPECT_FALSE(admission.begin(later));
  EXPECT_EQ(admission.under_way(), 8U);
  const Instant latest = kStart + seconds(9);
  ASSERT_TRUE(admission.begin(latest));
  ASSERT_TRUE(admission.begin(latest));
  EXPECT_FALSE(admission.begin(latest)) << "the most that there may be of both";
  for (int i = 0; i < 4; ++i) admission.on_over(kStart, latest);
  for (int i = 0; i < 4; ++i) admission.on_over(later, latest);
  EXPECT_EQ(admission.window(), 4U) << "who stalls is no sign of load";
  EXPECT_EQ(admission.under_way(), 2U);
  admission.on_success(latest, latest + milliseconds(1));
  admission.on_over(latest, latest + milliseconds(1));
  EXPECT_EQ(admission.under_way(), 0U);
}

TEST(ConnectionCaps, CountPerSourceAndPerNameAndForget) {
  ConnectionCaps caps({.total = 5, .per_source = 3, .per_name_and_source = 2});
  const Source a = source_of_v4({192, 0, 2, 1});
  const Source b = source_of_v4({192, 0, 2, 2});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(caps.enter(a));
  EXPECT_FALSE(caps.enter(a));
  EXPECT_TRUE(caps.enter(b));
  EXPECT_TRUE(caps.enter(b));
  EXPECT_FALSE(caps.enter(b));
  EXPECT_EQ(caps.total(), 5U);
  caps.leave(a);
  EXPECT_TRUE(caps.enter(b));
  const DnsName name("k3v7q2x5ma.relay.devices.localhost");
  EXPECT_TRUE(caps.enter_name(a, name));
  EXPECT_TRUE(caps.enter_name(a, name));
  EXPECT_FALSE(caps.enter_name(a, name));
  EXPECT_TRUE(caps.enter_name(b, name));
  caps.leave_name(a, name);
  EXPECT_TRUE(caps.enter_name(a, name));
}

TEST(Source, IsTheSubnetOfAnIpv6Address) {
  std::array<std::uint8_t, 16> first = {0x20, 1, 0xD, 0xB8, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9};
  std::array<std::uint8_t, 16> same_subnet = first;
  same_subnet[15] = 1;
  std::array<std::uint8_t, 16> other_subnet = first;
  other_subnet[7] = 2;
  EXPECT_EQ(source_of_v6(first), source_of_v6(same_subnet));
  EXPECT_NE(source_of_v6(first), source_of_v6(other_subnet));
  EXPECT_EQ(source_of_v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 1}), source_of_v4({192, 0, 2, 1}));
  EXPECT_NE(source_of_v4({192, 0, 2, 1}), source_of_v4({192, 0, 2, 2}));
}

}  // namespace
}  // namespace sallyport::tunnel
