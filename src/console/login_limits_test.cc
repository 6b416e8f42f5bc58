#include "console/login_limits.h"

#include <gtest/gtest.h>

namespace sallyport::console {
namespace {

using Outcome = LoginLimits::Outcome;

class LoginLimitsTest : public ::testing::Test {
 protected:
  ManualClock clock{UnixTime(1'800'000'000)};
  LoginLimits limits{clock};
};

std::string in_network(int host) {
  return fmt::format("2001:db8::{:x}", host + 1);
}

TEST_F(LoginLimitsTest, AnotherAddressOfOnesNetworkGivesNoOtherTries) {
  for (std::size_t i = 0; i < kLoginTries; ++i) EXPECT_TRUE(limits.begin("olga", in_network(static_cast<int>(i)))) << i;
  const auto refused = limits.begin("olga", in_network(1'000));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::overloaded);
  EXPECT_TRUE(limits.begin("olga", "2001:db8:0:1::1")) << "nobody is locked out from elsewhere";
  for (std::size_t i = kLoginTries; i < kSourceTries; ++i)
    EXPECT_TRUE(limits.begin("user-" + std::to_string(i), in_network(static_cast<int>(i)))) << i;
  EXPECT_FALSE(limits.begin("vera", in_network(2'000)));
}

TEST_F(LoginLimitsTest, WhatDidNotFailIsNotCounted) {
  for (std::size_t i = 0; i < 2 * kSourceTries; ++i) {
    ASSERT_TRUE(limits.begin("olga", "192.0.2.1")) << i;
    limits.ended("olga", "192.0.2.1", i % 2 == 0 ? Outcome::unknown : Outcome::right);
  }
}

TEST_F(LoginLimitsTest, AFloodTakesNoPlaceOfWhoeverLoggedInBefore) {
  ASSERT_TRUE(limits.begin("olga", "192.0.2.1"));
  limits.ended("olga", "192.0.2.1", Outcome::right);
  std::vector<net::Admissions::Place> flood;
  for (int network = 0; flood.size() < kMaxPasswordChecks; ++network) {
    auto place = limits.admit_check(fmt::format("2001:db8:0:{:x}::1", network));
    ASSERT_TRUE(place) << network;
    flood.push_back(*std::move(place));
  }
  EXPECT_FALSE(limits.admit_check("192.0.2.2")) << "somebody who was never here";
  EXPECT_TRUE(limits.admit_check("192.0.2.1"));
  clock.advance(kKnownSourceLife);
  EXPECT_FALSE(limits.admit_check("192.0.2.1"));
}

}  // namespace
}  // namespace sallyport::console
