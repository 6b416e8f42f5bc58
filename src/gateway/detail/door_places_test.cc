#include "gateway/detail/door_places.h"

#include <gtest/gtest.h>

#include <vector>

namespace sallyport::gateway {
namespace {

constexpr Instant kAtTheDoor{seconds(1'000)};

net::PeerInfo device_at(const std::string& host, std::uint64_t number) {
  net::PeerInfo peer{.address = {.host = host, .port = 443}};
  peer.tls_chain.push_back(to_bytes(std::to_string(number)));
  return peer;
}

std::vector<DoorPlaces::Place> fill(const std::function<DoorPlaces::Place()>& admit) {
  std::vector<DoorPlaces::Place> held;
  do held.push_back(admit());
  while (held.back());
  held.pop_back();
  return held;
}

TEST(DoorPlaces, AFleetBehindOneAddressStaysAndOneMoreComes) {
  constexpr std::uint64_t kFleet = 10'000;
  DoorPlaces places{DoorLimits{}};
  std::vector<DoorPlaces::Place> held;
  for (std::uint64_t device = 0; device < kFleet; ++device) {
    for (int connection = 0; connection < 2; ++connection) {
      held.push_back(places.admit(device_at("192.0.2.1", device), kAtTheDoor));
      ASSERT_TRUE(held.back()) << device;
    }
  }
  EXPECT_TRUE(places.admit(device_at("192.0.2.1", kFleet), kAtTheDoor));
}

TEST(DoorPlaces, ADeviceHasAFewWhereverItComesFrom) {
  DoorPlaces places{DoorLimits{}};
  std::uint64_t host = 0;
  const auto admit = [&] { return places.admit(device_at(fmt::format("192.0.2.{}", host++), 1), kAtTheDoor); };
  const auto held = fill(admit);
  EXPECT_EQ(held.size(), DoorLimits{}.certified_per_certificate);
  EXPECT_TRUE(places.admit(device_at("192.0.2.1", 2), kAtTheDoor));
}

TEST(DoorPlaces, StrangersWhoStallLeaveRoomToWhereDevicesAre) {
  constexpr DoorLimits kLimits{};
  DoorPlaces places{kLimits};
  {
    const auto been_here = places.admit(device_at("192.0.2.1", 1), kAtTheDoor);
  }
  std::vector<DoorPlaces::Place> held;
  for (int source = 0; source < 100; ++source) {
    const auto admit = [&] { return places.admit_handshake(fmt::format("198.51.100.{}", source), kAtTheDoor); };
    auto of_one = fill(admit);
    EXPECT_LE(of_one.size(), kLimits.handshakes_per_source);
    for (auto& place : of_one) held.push_back(std::move(place));
  }
  EXPECT_EQ(held.size(), kLimits.handshakes);
  const auto fleet = fill([&] { return places.admit_handshake("192.0.2.1", kAtTheDoor); });
  EXPECT_EQ(fleet.size(), kLimits.known_handshakes_per_source);
  EXPECT_FALSE(places.admit_handshake("192.0.2.1", kAtTheDoor + kKnownDeviceSourceLife)) << "known no longer";
}

}  // namespace
}  // namespace sallyport::gateway
