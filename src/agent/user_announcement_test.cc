#include "agent/user_announcement.h"

#include <gtest/gtest.h>

namespace sallyport::agent {
namespace {

const DnsName kDoor("abcdefghijklmnop.abcdefghij.devices.example");

TEST(UserAnnouncement, NamesSourceDoorAndSession) {
  const tunnel::GrantId session(std::array<std::uint8_t, tunnel::kGrantIdSize>{0x01, 0x02, 0xFF});
  const auto header = announce_user("192.0.2.7:51000", kDoor, session);
  const auto* v4 = std::get_if<tunnel::ProxyAddressV4>(&header.address);
  ASSERT_NE(v4, nullptr);
  EXPECT_EQ(v4->source, (std::array<std::uint8_t, 4>{192, 0, 2, 7}));
  EXPECT_EQ(v4->source_port, 51'000);
  EXPECT_EQ(v4->destination, (std::array<std::uint8_t, 4>{})) << "the relay's address is not known here";
  ASSERT_EQ(header.tlvs.size(), 2U);
  EXPECT_EQ(as_text(header.tlvs[0].value), kDoor.get());
  EXPECT_EQ(as_text(header.tlvs[1].value), "0102ff00000000000000000000000000");
}

TEST(UserAnnouncement, TakesVersion6) {
  const auto header = announce_user("[2001:db8::7]:443", kDoor, tunnel::GrantId());
  const auto* v6 = std::get_if<tunnel::ProxyAddressV6>(&header.address);
  ASSERT_NE(v6, nullptr);
  EXPECT_EQ(v6->source[0], 0x20);
  EXPECT_EQ(v6->source[15], 7);
  EXPECT_EQ(v6->source_port, 443);
}

TEST(UserAnnouncement, SpeaksOfNobodyWhereTheRelayTellsNoAddress) {
  for (const char* text : {"", "192.0.2.7", "a.name.example:80", "192.0.2.7:", "::1", "[::1]"}) {
    const auto header = announce_user(text, kDoor, tunnel::GrantId());
    EXPECT_TRUE(std::holds_alternative<tunnel::ProxyLocal>(header.address)) << text;
    EXPECT_TRUE(header.tlvs.empty()) << text;
    const Bytes wire = tunnel::encode_proxy_header(header);
    EXPECT_TRUE(tunnel::parse_proxy_header(wire).has_value()) << text;
  }
}

}  // namespace
}  // namespace sallyport::agent
