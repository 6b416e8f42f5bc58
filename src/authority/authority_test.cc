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

TEST(LeaseBook, AChangeIsInForceWhenEveryLeasedRoleHasIt) {
  LeaseBook book;
  const Instant start{};
  book.subscribe(1, 4);
  book.subscribe(2, 4);
  EXPECT_TRUE(book.in_force(5, start)) << "nobody may admit anything without a lease";
  book.leased(1, start);
  book.leased(2, start);
  EXPECT_FALSE(book.in_force(5, start));
  book.acknowledged(1, 5);
  EXPECT_EQ(book.behind(5, start), std::vector<LeaseBook::SubscriberId>{2});
  book.acknowledged(2, 6);
  EXPECT_TRUE(book.in_force(5, start));
}

TEST(LeaseBook, ARoleThatWasCutOffCountsUntilItsLeaseHasLapsed) {
  LeaseBook book;
  const Instant start{};
  book.subscribe(1, 4);
  book.leased(1, start);
  book.disconnected(1);
  EXPECT_FALSE(book.in_force(5, start + kLeaseLife));
  EXPECT_TRUE(book.in_force(5, start + kLeaseLife + kLeaseMargin));
}

TEST(LeaseBook, ARoleThatIsBehindGetsNoLease) {
  LeaseBook book;
  book.subscribe(1, 4);
  EXPECT_TRUE(book.deserves_lease(1, 4));
  EXPECT_FALSE(book.deserves_lease(1, 5));
  book.acknowledged(1, 5);
  EXPECT_TRUE(book.deserves_lease(1, 5));
  book.disconnected(1);
  EXPECT_FALSE(book.deserves_lease(1, 5));
}

TEST(LeaseBook, AnAcknowledgementNeverGoesBack) {
  LeaseBook book;
  book.subscribe(1, 4);
  book.leased(1, Instant{});
  book.acknowledged(1, 9);
  book.acknowledged(1, 5);
  EXPECT_TRUE(book.in_force(9, Instant{}));
}

}  // namespace
}  // namespace sallyport::authority
