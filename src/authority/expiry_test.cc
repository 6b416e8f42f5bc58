#include "authority/expiry.h"

#include <gtest/gtest.h>

namespace sallyport::authority {
namespace {

constexpr UnixTime kMade{1'800'000'000};

Link link(LinkKind kind, seconds life) {
  return {kind, "it", kMade, kMade + life};
}

struct Rule {
  LinkKind kind;
  seconds life;
  seconds due_after;
};

class Links : public testing::TestWithParam<Rule> {};

TEST_P(Links, AreDueAtTheirTimeAndNotASecondBefore) {
  const auto& [kind, life, due_after] = GetParam();
  const Link one = link(kind, life);
  EXPECT_EQ(one.due_at(), kMade + due_after);
  EXPECT_EQ(one.stage(kMade), Stage::in_time);
  EXPECT_EQ(one.stage(kMade + due_after - seconds(1)), Stage::in_time);
  EXPECT_EQ(one.stage(kMade + due_after), Stage::due);
  EXPECT_EQ(one.stage(kMade + life - seconds(1)), Stage::due);
  EXPECT_EQ(one.stage(kMade + life), Stage::ended);
  EXPECT_FALSE(one.remedy().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Links,
    testing::Values(Rule{LinkKind::root_crl, 90 * kDay, 60 * kDay}, Rule{LinkKind::root_crl, 36 * kDay, 24 * kDay},
                    Rule{LinkKind::ocsp_signer, 24 * kDay, 20 * kDay}, Rule{LinkKind::control, 30 * kDay, 25 * kDay},
                    Rule{LinkKind::server, 30 * kDay, 25 * kDay}, Rule{LinkKind::role, 30 * kDay, 25 * kDay},
                    Rule{LinkKind::root, 7'300 * kDay, 6'570 * kDay}, Rule{LinkKind::root, 1'000 * kDay, 800 * kDay},
                    Rule{LinkKind::ca, 3'650 * kDay, 3'285 * kDay}, Rule{LinkKind::ca, 1'000 * kDay, 800 * kDay},
                    Rule{LinkKind::site_ca, 200 * kDay, 140 * kDay}, Rule{LinkKind::permit, 365 * kDay, 305 * kDay},
                    Rule{LinkKind::permit, 30 * kDay, 20 * kDay}));

TEST(Links, StopTheServiceUnlessTheyAreAFactorys) {
  EXPECT_TRUE(link(LinkKind::root_crl, kDay).stops_the_service());
  EXPECT_TRUE(link(LinkKind::ocsp_signer, kDay).stops_the_service());
  EXPECT_FALSE(link(LinkKind::permit, kDay).stops_the_service());
  EXPECT_FALSE(link(LinkKind::site_ca, kDay).stops_the_service());
}

TEST(Links, OfAVpnServerAreAPersonsToRenew) {
  const Link vpn{LinkKind::server, "vpn.gateway.devices.example", kMade, kMade + 90 * kDay};
  EXPECT_EQ(vpn.stage(kMade + 60 * kDay - seconds(1)), Stage::in_time);
  EXPECT_EQ(vpn.stage(kMade + 60 * kDay), Stage::due) << "at two thirds, since nobody renews it by itself";
  EXPECT_NE(vpn.remedy().find("export openvpn-server --name vpn.gateway.devices.example"), std::string::npos);
  EXPECT_FALSE(vpn.stops_the_service()) << "a VPN that ends is that VPN's end alone";
  EXPECT_TRUE(link(LinkKind::server, kDay).stops_the_service());
}

TEST(ExpiryWatch, SaysNothingOfWhatIsInTime) {
  ExpiryWatch watch;
  const std::array links = {link(LinkKind::root_crl, 90 * kDay)};
  EXPECT_TRUE(watch.to_say(links, kMade + 59 * kDay).empty());
}

TEST(ExpiryWatch, SaysEachStageOnceAndThenOnceADay) {
  ExpiryWatch watch;
  const std::array links = {link(LinkKind::root_crl, 90 * kDay)};
  const UnixTime due = kMade + 60 * kDay;
  EXPECT_EQ(watch.to_say(links, due).size(), 1U);
  EXPECT_TRUE(watch.to_say(links, due + kExpiryRound).empty()) << "it was said an hour ago";
  EXPECT_EQ(watch.to_say(links, due + kDay).size(), 1U) << "a day later it is said again";
  EXPECT_EQ(watch.to_say(links, kMade + 90 * kDay).size(), 1U);
  EXPECT_TRUE(watch.to_say(links, kMade + 90 * kDay + kExpiryRound).empty());
}

TEST(ExpiryWatch, SaysTheEndAtOnceThoughItWasSaidToBeDueAnHourBefore) {
  ExpiryWatch watch;
  const std::array links = {link(LinkKind::server, 30 * kDay)};
  EXPECT_EQ(watch.to_say(links, kMade + 30 * kDay - kExpiryRound).size(), 1U);
  EXPECT_EQ(watch.to_say(links, kMade + 30 * kDay).size(), 1U);
}

TEST(ExpiryWatch, ForgetsWhatWasReplaced) {
  ExpiryWatch watch;
  const UnixTime due = kMade + 60 * kDay;
  EXPECT_EQ(watch.to_say(std::array{link(LinkKind::root_crl, 90 * kDay)}, due).size(), 1U);
  const std::array replaced = {Link{LinkKind::root_crl, "it", due, due + 90 * kDay}};
  EXPECT_TRUE(watch.to_say(replaced, due + seconds(1)).empty());
  EXPECT_EQ(watch.to_say(replaced, due + 60 * kDay).size(), 1U) << "the next one is due in its turn";
}

TEST(ExpiryWatch, TellsTwoOfOneKindApart) {
  ExpiryWatch watch;
  Link first = link(LinkKind::permit, 30 * kDay);
  Link second = first;
  second.name = "other";
  EXPECT_EQ(watch.to_say(std::array{first}, kMade + 25 * kDay).size(), 1U);
  EXPECT_EQ(watch.to_say(std::array{first, second}, kMade + 25 * kDay + kExpiryRound).size(), 1U);
}

TEST(ExpiryWatch, SaysOnceADayThatDevicesAreLate) {
  ExpiryWatch watch;
  EXPECT_FALSE(watch.is_devices_turn({.in_time = 9}, kMade));
  EXPECT_TRUE(watch.is_devices_turn({.in_time = 8, .due = 1}, kMade));
  EXPECT_FALSE(watch.is_devices_turn({.in_time = 8, .due = 1}, kMade + kExpiryRound));
  EXPECT_TRUE(watch.is_devices_turn({.in_time = 8, .ended = 1}, kMade + kDay));
  EXPECT_FALSE(watch.is_devices_turn({.in_time = 9}, kMade + 3 * kDay));
  EXPECT_TRUE(watch.is_devices_turn({.in_time = 8, .due = 1}, kMade + 3 * kDay + kExpiryRound))
      << "others than those that have come by";
}

}  // namespace
}  // namespace sallyport::authority
