#include "authority/status_hosts.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "authority/leases.h"

namespace sallyport::authority {
namespace {

constexpr UnixTime kNow{1'800'000'000};

records::StatusReport report(const std::string& host, std::uint64_t number = 40) {
  records::StatusReport out;
  out.host = host;
  out.snapshot_number = number;
  out.snapshot_issued_at = kNow - kDay;
  return out;
}

StatusHost only(const StatusHosts& hosts, UnixTime now) {
  const auto all = hosts.list(now);
  EXPECT_EQ(all.size(), 1U);
  return all.empty() ? StatusHost{} : all.front();
}

TEST(StatusHosts, AHostAnswersWhileItsLeaseLasts) {
  StatusHosts hosts;
  hosts.confirmed(1, 41, true, kNow);
  ASSERT_TRUE(hosts.report(1, report("a"), kNow));
  EXPECT_EQ(only(hosts, kNow).number, 41U) << "what was confirmed before the first report counts";
  EXPECT_EQ(only(hosts, kNow + seconds(5)).state(kNow + seconds(5)), HostState::answering);
  EXPECT_EQ(only(hosts, kNow).snapshot_age(kNow + seconds(5)), seconds(0));
  EXPECT_EQ(only(hosts, kNow).state(kNow + seconds(6)), HostState::without_lease);
  EXPECT_EQ(only(hosts, kNow).snapshot_age(kNow + seconds(90)), seconds(90));
  hosts.confirmed(1, 42, true, kNow + seconds(100));
  EXPECT_EQ(only(hosts, kNow).state(kNow + seconds(101)), HostState::answering);
}

TEST(StatusHosts, AConfirmationWithoutALeaseIsNone) {
  StatusHosts hosts;
  ASSERT_TRUE(hosts.report(1, report("a"), kNow));
  hosts.confirmed(1, 39, false, kNow);
  const auto host = only(hosts, kNow);
  EXPECT_EQ(host.state(kNow), HostState::without_lease);
  EXPECT_FALSE(host.leased_at);
  EXPECT_EQ(host.snapshot_age(kNow), kDay) << "as old as the state itself, for want of anything better";
}

TEST(StatusHosts, WhoConfirmsWithoutAReportIsNoHost) {
  StatusHosts hosts;
  hosts.confirmed(1, 41, true, kNow);
  EXPECT_TRUE(hosts.list(kNow).empty());
  EXPECT_FALSE(hosts.gone(1, kNow));
  ASSERT_TRUE(hosts.report(1, report("a"), kNow));
  EXPECT_EQ(only(hosts, kNow).state(kNow), HostState::without_lease) << "the lease ended with the connection";
}

TEST(StatusHosts, AHostThatHasGoneIsShownForAWeek) {
  StatusHosts hosts;
  hosts.confirmed(1, 41, true, kNow);
  ASSERT_TRUE(hosts.report(1, report("a"), kNow));
  EXPECT_TRUE(hosts.gone(1, kNow + seconds(1)));
  EXPECT_EQ(only(hosts, kNow).state(kNow + seconds(1)), HostState::gone) << "though its lease may last";
  EXPECT_EQ(hosts.list(kNow + kStatusHostStays).size(), 1U);
  EXPECT_TRUE(hosts.list(kNow + kStatusHostStays + seconds(2)).empty());
}

TEST(StatusHosts, TheNewestConnectionSpeaksForAHost) {
  StatusHosts hosts;
  ASSERT_TRUE(hosts.report(1, report("a"), kNow));
  ASSERT_TRUE(hosts.report(2, report("a", 50), kNow));
  EXPECT_FALSE(hosts.gone(1, kNow)) << "the old connection takes nothing with it";
  EXPECT_FALSE(only(hosts, kNow).gone_at);
  EXPECT_EQ(only(hosts, kNow).report.snapshot_number, 50U);
  hosts.confirmed(1, 99, true, kNow);
  EXPECT_NE(only(hosts, kNow).number, 99U);
}

TEST(StatusHosts, AreBoundedInNumber) {
  StatusHosts hosts;
  for (std::size_t i = 0; i < kMaxStatusHosts; ++i) ASSERT_TRUE(hosts.report(i, report(fmt::format("h{}", i)), kNow));
  const auto refused = hosts.report(99, report("one-more"), kNow);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::overloaded);
  EXPECT_TRUE(hosts.report(100, report("h3"), kNow)) << "one that is known may come back";
  hosts.gone(5, kNow);
  hosts.gone(4, kNow + seconds(1));
  EXPECT_TRUE(hosts.report(99, report("one-more"), kNow + seconds(2))) << "in the place of the first that went";
  EXPECT_EQ(hosts.list(kNow).size(), kMaxStatusHosts);
  const auto is_h5 = [](const StatusHost& host) { return host.report.host == "h5"; };
  EXPECT_FALSE(std::ranges::any_of(hosts.list(kNow + seconds(2)), is_h5));
}

TEST(StatusHosts, AConnectionSpeaksForOneHost) {
  StatusHosts hosts;
  ASSERT_TRUE(hosts.report(1, report("a"), kNow));
  const auto refused = hosts.report(1, report("b"), kNow);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unauthorized);
  EXPECT_TRUE(hosts.report(1, report("a"), kNow));
  EXPECT_EQ(only(hosts, kNow).report.host, "a");
}

}  // namespace
}  // namespace sallyport::authority
