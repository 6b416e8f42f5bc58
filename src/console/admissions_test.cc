#include "console/admissions.h"

#include <gtest/gtest.h>

#include <vector>

namespace sallyport::console {
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
}  // namespace sallyport::console
