#include "tunnel/direct.h"

#include <gtest/gtest.h>

#include "tunnel/detail/test_vectors.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

using testing::kDevice;
using testing::kZone;
using testing::read_vectors;

std::string direct_example(std::string_view title) {
  for (const auto& vector : read_vectors("direct.txt")) {
    if (vector.title == title) return vector.fields.at("message");
  }
  return {};
}

TEST(Direct, SaysTheBytesOfTheSpecification) {
  EXPECT_EQ(codec::encode_hex(encode_direct_ask({DirectPurpose::open, {0xC0, 0xFF, 0xEE}})), direct_example("open"));
  EXPECT_EQ(codec::encode_hex(encode_direct_ask({DirectPurpose::renew, {0xC0, 0xFF, 0xEF}})), direct_example("renew"));
  EXPECT_EQ(codec::encode_hex(Bytes{encode_direct_answer(std::nullopt)}), direct_example("accepted"));
  EXPECT_EQ(codec::encode_hex(Bytes{encode_direct_answer(RefuseCode::consent_denied)}),
            direct_example("consent_denied"));
  std::ifstream document(SALLYPORT_SOURCE_DIR "/docs/protocol/tunnel.md");
  const std::string text((std::istreambuf_iterator<char>(document)), {});
  for (const auto* title : {"open", "renew"})
    EXPECT_NE(text.find(direct_example(title)), std::string::npos) << "docs/protocol/tunnel.md does not show this";
}

TEST(Direct, ReadsHeadsAndNothingElse) {
  const auto head = parse_direct_head(Bytes{2, 0x40, 0x00});
  ASSERT_TRUE(head);
  EXPECT_EQ(head->purpose, DirectPurpose::renew);
  EXPECT_EQ(head->grant_size, kMaxSealedGrant);
  const Bytes wrong[] = {{}, {1, 0}, {1, 0, 1, 0}, {0, 0, 1}, {3, 0, 1}, {1, 0, 0}, {1, 0x40, 0x01}};
  for (const Bytes& bytes : wrong) EXPECT_FALSE(parse_direct_head(bytes)) << codec::encode_hex(bytes);
}

TEST(Direct, ReadsAnswersThatADeviceGives) {
  EXPECT_EQ(parse_direct_answer(0).value(), std::nullopt);
  for (int code = 2; code <= 8; ++code) {
    const auto answer = parse_direct_answer(static_cast<std::uint8_t>(code));
    ASSERT_TRUE(answer && *answer);
    EXPECT_EQ(encode_direct_answer(*answer), code);
  }
  for (const std::uint8_t other : Bytes{1, 9, 255}) EXPECT_FALSE(parse_direct_answer(other)) << +other;
}

TEST(Direct, FindsTheLabelsOfOneDeviceAlone) {
  const std::string label = "abcdefghij234567";
  const std::string own = kDevice.get() + "." + kZone.get();
  EXPECT_EQ(find_label(DnsName(label + "." + own), kDevice, kZone).value().get(), label);
  const std::string others[] = {own,
                                kZone.get(),
                                label + ".zyxwvutsrq." + kZone.get(),
                                label + "." + kDevice.get() + ".elsewhere.example",
                                "x." + label + "." + own,
                                label.substr(1) + "." + own,
                                "abcdefghij234561." + own,
                                "relay." + own};
  for (const std::string& other : others) EXPECT_FALSE(find_label(DnsName(other), kDevice, kZone)) << other;
}

}  // namespace
}  // namespace sallyport::tunnel
