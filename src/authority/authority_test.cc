#include <gtest/gtest.h>

#include "authority/leases.h"
#include "authority/presence.h"

namespace sallyport::authority {
namespace {

records::Presence online(const char* name) {
  records::Presence presence;
  presence.device = DeviceName(name);
  presence.online = true;
  return presence;
}

records::Presence offline(const char* name) {
  records::Presence presence;
  presence.device = DeviceName(name);
  return presence;
}

TEST(PresenceTable, OfflineOfAnotherWorkerIsIgnored) {
  PresenceTable table;
  EXPECT_TRUE(table.report(online("abcdefgh22"), 0, UnixTime(1)));
  EXPECT_FALSE(table.report(online("abcdefgh22"), 0, UnixTime(2)));
  EXPECT_TRUE(table.report(online("abcdefgh22"), 1, UnixTime(3)));
  EXPECT_FALSE(table.report(offline("abcdefgh22"), 0, UnixTime(4)));
  ASSERT_NE(table.find(DeviceName("abcdefgh22")), nullptr);
  EXPECT_TRUE(table.report(offline("abcdefgh22"), 1, UnixTime(5)));
  EXPECT_EQ(table.find(DeviceName("abcdefgh22")), nullptr);
  EXPECT_EQ(table.last_seen(DeviceName("abcdefgh22")), UnixTime(5));
}

TEST(PresenceTable, AWorkerThatDiesTakesItsDevicesAlone) {
  PresenceTable table;
  table.report(online("abcdefgh22"), 0, UnixTime(1));
  table.report(online("abcdefgh33"), 1, UnixTime(1));
  EXPECT_EQ(table.worker_gone(0, UnixTime(9)), std::vector{DeviceName("abcdefgh22")});
  EXPECT_NE(table.find(DeviceName("abcdefgh33")), nullptr);
}

TEST(PresenceTable, TheEndOfAnOldConnectionTakesNothingThatTheNextOneTold) {
  PresenceTable table;
  table.report(online("abcdefgh22"), 11, UnixTime(1));
  table.report(online("abcdefgh22"), 12, UnixTime(2));
  EXPECT_TRUE(table.worker_gone(11, UnixTime(3)).empty());
  EXPECT_NE(table.find(DeviceName("abcdefgh22")), nullptr);
}

constexpr Instant kStart{};
constexpr Instant kBefore = kStart - std::chrono::hours(1);  // when the authority began

TEST(LeaseBook, AChangeIsInForceWhenEveryLeasedRoleHasIt) {
  LeaseBook book(kBefore);
  book.subscribe(1, 4);
  book.subscribe(2, 4);
  EXPECT_TRUE(book.in_force(4, kStart)) << "nobody may admit anything without a lease";
  book.leased(1, kStart);
  book.leased(2, kStart);
  EXPECT_FALSE(book.in_force(5, kStart));
  book.acknowledged(1, 5);
  EXPECT_EQ(book.behind(5, kStart), std::vector<LeaseBook::SubscriberId>{2});
  book.acknowledged(2, 6);
  EXPECT_TRUE(book.in_force(5, kStart));
}

TEST(LeaseBook, ARoleThatWasCutOffCountsUntilItsLeaseHasLapsed) {
  LeaseBook book(kBefore);
  book.subscribe(1, 4);
  book.leased(1, kStart);
  book.disconnected(1);
  EXPECT_FALSE(book.in_force(5, kStart + kLeaseLife));
  EXPECT_TRUE(book.in_force(5, kStart + kLeaseLife + kLeaseMargin));
}

TEST(LeaseBook, LeasesOfAnEarlierRunCountUntilTheyMustHaveLapsed) {
  LeaseBook book(kStart);
  EXPECT_FALSE(book.in_force(5, kStart + kLeaseLife));
  EXPECT_TRUE(book.is_known(5, kStart + kLeaseLife));
  EXPECT_TRUE(book.in_force(5, kStart + kLeaseLife + kLeaseMargin));
}

TEST(LeaseBook, ARoleThatLagsALittleGetsALeaseAndOneThatLagsLongDoesNot) {
  LeaseBook book(kBefore);
  book.published(4, kStart);
  book.subscribe(1, 4);
  book.published(5, kStart);
  EXPECT_TRUE(book.deserves_lease(1, kStart + kCatchUpLimit / 2));
  EXPECT_FALSE(book.deserves_lease(1, kStart + kCatchUpLimit));
  book.acknowledged(1, 5);
  EXPECT_TRUE(book.deserves_lease(1, kStart + kCatchUpLimit));
  book.disconnected(1);
  EXPECT_FALSE(book.deserves_lease(1, kStart + kCatchUpLimit));
}

TEST(LeaseBook, WhoComesBackWithAnOldStateGetsNoLeaseForIt) {
  LeaseBook book(kBefore);
  book.published(5, kStart);
  book.subscribe(1, 4);
  EXPECT_FALSE(book.deserves_lease(1, kStart)) << "5 may have been in force before the authority was restarted";
  book.published(6, kStart);
  book.acknowledged(1, 5);
  EXPECT_TRUE(book.deserves_lease(1, kStart));
  EXPECT_TRUE(book.in_force(6, kStart));
  EXPECT_FALSE(book.deserves_lease(1, kStart)) << "6 is in force";
}

TEST(LeaseBook, AnAcknowledgementNeverGoesBack) {
  LeaseBook book(kBefore);
  book.subscribe(1, 4);
  book.leased(1, kStart);
  book.acknowledged(1, 9);
  book.acknowledged(1, 5);
  EXPECT_TRUE(book.in_force(9, kStart));
}

}  // namespace
}  // namespace sallyport::authority
