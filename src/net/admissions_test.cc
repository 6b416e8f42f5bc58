#include "net/admissions.h"

#include <gtest/gtest.h>

#include <vector>

namespace sallyport::net {
namespace {

TEST(Admissions, AreLimitedPerSourceAndInAll) {
  Admissions admissions(3, 2);
  std::vector<Admissions::Place> places;
  for (const char* source : {"a", "a", "b"}) {
    auto place = admissions.admit(source);
    ASSERT_TRUE(place);
    places.push_back(*std::move(place));
    if (places.size() == 2) EXPECT_FALSE(admissions.admit("a"));
  }
  EXPECT_FALSE(admissions.admit("c"));
  places.pop_back();
  EXPECT_TRUE(admissions.admit("c"));
  EXPECT_FALSE(admissions.admit("a"));
}

TEST(Admissions, ManyAddressesOfOneIpv6NetworkAreOneSource) {
  EXPECT_EQ(source_of("2001:db8::1"), source_of("2001:db8:0:0:ffff::2"));
  EXPECT_NE(source_of("2001:db8::1"), source_of("2001:db8:0:1::1"));
  EXPECT_EQ(source_of("192.0.2.1"), "192.0.2.1");
  EXPECT_NE(source_of("192.0.2.1"), source_of("192.0.2.2"));
  EXPECT_EQ(source_of("::ffff:192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(source_of("a.name"), "a.name");
  EXPECT_EQ(source_of(""), "");
}

TEST(Admissions, APlaceMayOutliveThem) {
  std::optional<Admissions::Place> place;
  {
    Admissions admissions(1, 1);
    place.emplace(*admissions.admit("a"));
    EXPECT_FALSE(admissions.admit("a"));
  }
  place.reset();
}

}  // namespace
}  // namespace sallyport::net
