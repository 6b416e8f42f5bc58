#include "authority/grant_book.h"

#include <gtest/gtest.h>

namespace sallyport::authority {
namespace {

LiveSession session_of(const std::string& login, std::uint8_t number, std::uint32_t connections = 0) {
  LiveSession session;
  std::array<std::uint8_t, tunnel::kGrantIdSize> id{};
  id.front() = number;
  id.back() = 1;
  session.grant.id = tunnel::GrantId(id);
  session.record.login = login;
  session.record.opened = UnixTime(1'000 + number);
  session.record.connections = connections;
  return session;
}

TEST(GrantBook, SessionsThatAreBeingMadeCountForTheLimit) {
  GrantBook book;
  std::vector<GrantBook::Place> places;
  for (std::size_t i = 0; i < kMaxLiveSessionsPerUser; ++i) {
    auto place = book.admit("mara");
    ASSERT_TRUE(place) << i;
    places.push_back(*std::move(place));
  }
  EXPECT_EQ(book.admit("mara").error().code, Errc::overloaded);
  EXPECT_TRUE(book.admit("otto"));
  places.pop_back();
  EXPECT_TRUE(book.admit("mara"));
}

TEST(GrantBook, TheOldestSessionThatWasNeverUsedMakesRoom) {
  GrantBook book;
  book.add(session_of("mara", 1, 3));
  book.add(session_of("mara", 4));
  book.add(session_of("mara", 2));
  book.add(session_of("otto", 0));
  LiveSession direct = session_of("mara", 0);
  direct.is_used_directly = true;
  book.add(std::move(direct));
  ASSERT_TRUE(book.oldest_unused("mara"));
  EXPECT_EQ(*book.oldest_unused("mara"), session_of("mara", 2).grant.id);
  book.end(*book.oldest_unused("mara"), Instant{});
  book.end(*book.oldest_unused("mara"), Instant{});
  EXPECT_FALSE(book.oldest_unused("mara")) << "what is in use stays";
}

TEST(LiveSession, AddsUpWhatItsWorkersTell) {
  LiveSession session = session_of("mara", 1);
  session.count(0, {.bytes_to_device = 100, .bytes_to_user = 1'000, .connections = 1});
  session.count(1, {.bytes_to_device = 10, .bytes_to_user = 20, .connections = 2});
  session.count(0, {.bytes_to_device = 150, .bytes_to_user = 1'000, .connections = 1});
  EXPECT_EQ(session.record.bytes_to_device, 160U);
  EXPECT_EQ(session.record.bytes_to_user, 1'020U);
  EXPECT_EQ(session.record.connections, 3U);
  session.count(1, {.bytes_to_device = 10, .bytes_to_user = 20, .connections = 2});
  EXPECT_EQ(session.record.bytes_to_device, 160U) << "the same report twice";
}

TEST(LiveSession, AWorkerThatWasStartedAnewCountsFromZero) {
  LiveSession session = session_of("mara", 1);
  session.count(0, {.bytes_to_device = 100, .bytes_to_user = 1'000, .connections = 4});
  session.count(0, {.bytes_to_device = 7, .bytes_to_user = 9, .connections = 1});
  EXPECT_EQ(session.record.bytes_to_device, 107U);
  EXPECT_EQ(session.record.bytes_to_user, 1'009U);
  EXPECT_EQ(session.record.connections, 5U);
}

TEST(GrantBook, LastWordsAboutAnEndedSessionAreTakenForAWhile) {
  GrantBook book;
  book.add(session_of("mara", 1));
  const tunnel::GrantId id = session_of("mara", 1).grant.id;
  ASSERT_TRUE(book.end(id, Instant{}));
  EXPECT_EQ(book.find(id), nullptr);
  EXPECT_NE(book.find_ended(id, Instant{} + kLastWords / 2), nullptr);
  EXPECT_EQ(book.find_ended(id, Instant{} + kLastWords), nullptr);
}

}  // namespace
}  // namespace sallyport::authority
