#include "mqtt/packet.h"

#include <gtest/gtest.h>

namespace sallyport::mqtt {
namespace {

constexpr std::size_t kTestMaxPacket = 1'000;

// What becomes of one whole packet: absent with the reason in `why`.
std::optional<Inbound> read_one(const Bytes& bytes, Version version, std::string* why = nullptr) {
  const auto header = parse_fixed_header(bytes, version, kTestMaxPacket);
  if (!header || !*header) {
    if (why != nullptr) *why = header ? "more" : header.error().detail;
    return std::nullopt;
  }
  auto body = ByteView(bytes).subspan((*header)->header_size);
  EXPECT_EQ(body.size(), (*header)->body_size);
  auto packet = parse_inbound(**header, body, version);
  if (!packet && why != nullptr) *why = packet.error().detail;
  if (!packet) return std::nullopt;
  return *std::move(packet);
}

bool is_refused(const Bytes& bytes, Version version) {
  return !read_one(bytes, version).has_value();
}

Bytes packet(std::uint8_t first, Bytes body) {
  Bytes out{first, static_cast<std::uint8_t>(body.size())};
  append(out, body);
  return out;
}

TEST(Packet, EncodesConnectAsTheStandardHasIt) {
  ConnectPacket connect{
      .version = Version::v3_1_1,
      .client_id = "id",
      .keep_alive = seconds(60),
      .user_name = "u",
      .password = SecretBytes("p"),
      .will = Will{.topic = Topic("w"), .payload = to_bytes("x"), .qos = Qos::at_least_once, .retain = true}};
  const Bytes old{0x10, 26,  0, 4, 'M', 'Q', 'T', 'T', 4, 0xee, 0,   60, 0, 2,
                  'i',  'd', 0, 1, 'w', 0,   1,   'x', 0, 1,    'u', 0,  1, 'p'};
  EXPECT_EQ(to_bytes(encode_connect(connect).expose()), old);
  ConnectPacket plain{.version = Version::v5, .client_id = "id", .keep_alive = seconds(60), .max_packet = 0x01020304};
  const Bytes five{0x10, 20, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 5, 0x27, 1, 2, 3, 4, 0, 2, 'i', 'd'};
  EXPECT_EQ(to_bytes(encode_connect(plain).expose()), five);
}

TEST(Packet, EncodesPublishWithExpiryInVersion5Alone) {
  const PublishOptions options{.qos = Qos::at_least_once, .retain = true, .expiry = seconds(7)};
  const Bytes five{0x33, 13, 0, 1, 't', 1, 2, 5, 2, 0, 0, 0, 7, 'h', 'i'};
  const Bytes old{0x33, 7, 0, 1, 't', 1, 2, 'h', 'i'};
  EXPECT_EQ(encode_publish(Version::v5, Topic("t"), as_bytes("hi"), options, 0x102), five);
  EXPECT_EQ(encode_publish(Version::v3_1_1, Topic("t"), as_bytes("hi"), options, 0x102), old);
  const Bytes body(200, 'x');
  const Bytes longer = encode_publish(Version::v3_1_1, Topic("t"), body, {.qos = Qos::at_most_once}, 0);
  EXPECT_EQ(longer[0], 0x30);
  EXPECT_EQ((longer[1] & 0x7f) + 128 * longer[2], 203);
}

TEST(Packet, EncodesSubscribeAndUnsubscribe) {
  EXPECT_EQ(encode_subscribe(Version::v3_1_1, 9, TopicFilter("a")), (Bytes{0x82, 6, 0, 9, 0, 1, 'a', 1}));
  EXPECT_EQ(encode_subscribe(Version::v5, 9, TopicFilter("a")), (Bytes{0x82, 7, 0, 9, 0, 0, 1, 'a', 1}));
  EXPECT_EQ(encode_unsubscribe(Version::v5, 9, TopicFilter("a")), (Bytes{0xa2, 6, 0, 9, 0, 0, 1, 'a'}));
}

TEST(Packet, KnowsALengthAboveTheLimitBeforeTheBody) {
  const Bytes huge{0x30, 0xff, 0xff, 0xff, 0x7f};
  const auto header = parse_fixed_header(huge, Version::v5, kMaxPacketBytes);
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().code, Errc::overloaded);
  EXPECT_NE(header.error().detail.find("268435460 bytes"), std::string::npos) << header.error().detail;
  EXPECT_FALSE(parse_fixed_header(Bytes{0x90, 0xff, 0xff, 0xff, 0x7f}, Version::v5, kMaxPacketBytes));
  EXPECT_FALSE(parse_fixed_header(Bytes{0xe0, 0x81, 0x80, 0x01}, Version::v5, kMaxPacketBytes));
}

TEST(Packet, AsksForMoreUntilTheLengthIsThere) {
  for (const Bytes& part : {Bytes{}, Bytes{0x30}, Bytes{0x30, 0x80}, Bytes{0x30, 0x80, 0x80}}) {
    const auto header = parse_fixed_header(part, Version::v5, kTestMaxPacket);
    ASSERT_TRUE(header);
    EXPECT_FALSE(header->has_value());
  }
  EXPECT_FALSE(parse_fixed_header(Bytes{0x30, 0x80, 0x80, 0x80, 0x80}, Version::v5, kTestMaxPacket)) << "five bytes";
  EXPECT_FALSE(parse_fixed_header(Bytes{0x30, 0x83, 0x00}, Version::v5, kTestMaxPacket)) << "not the shortest form";
}

TEST(Packet, RefusesWhatNoBrokerMaySend) {
  for (const unsigned type : {0U, 1U, 5U, 6U, 7U, 8U, 10U, 12U, 15U}) {
    EXPECT_FALSE(parse_fixed_header(Bytes{static_cast<std::uint8_t>(type << 4U), 2}, Version::v5, kTestMaxPacket))
        << type;
  }
  EXPECT_FALSE(parse_fixed_header(Bytes{0xe0, 0}, Version::v3_1_1, kTestMaxPacket)) << "DISCONNECT in 3.1.1";
  EXPECT_FALSE(parse_fixed_header(Bytes{0x21, 2}, Version::v3_1_1, kTestMaxPacket)) << "flags";
  EXPECT_FALSE(parse_fixed_header(Bytes{0x20, 3}, Version::v3_1_1, kTestMaxPacket)) << "CONNACK of 3 bytes";
  EXPECT_FALSE(parse_fixed_header(Bytes{0xd0, 1}, Version::v5, kTestMaxPacket)) << "PINGRESP with a body";
  EXPECT_FALSE(parse_fixed_header(Bytes{0x34, 9}, Version::v5, kTestMaxPacket)) << "QoS 2";
  EXPECT_FALSE(parse_fixed_header(Bytes{0x36, 9}, Version::v5, kTestMaxPacket)) << "QoS 3";
  EXPECT_FALSE(parse_fixed_header(Bytes{0x38, 9}, Version::v5, kTestMaxPacket)) << "a duplicate of QoS 0";
  EXPECT_FALSE(parse_fixed_header(Bytes{0x90, 3}, Version::v5, kTestMaxPacket)) << "SUBACK without a code";
  EXPECT_FALSE(parse_fixed_header(Bytes{0x90, 4}, Version::v3_1_1, kTestMaxPacket)) << "SUBACK with two codes";
}

TEST(Packet, ReadsPublishWithItsFlags) {
  const auto read = read_one(packet(0x3b, {0, 3, 'a', '/', 'b', 0, 9, 0, 'h', 'i'}), Version::v5);
  ASSERT_TRUE(read);
  const auto& message = std::get<PublishPacket>(*read);
  EXPECT_EQ(message.topic, "a/b");
  EXPECT_EQ(as_text(message.payload), "hi");
  EXPECT_TRUE(message.retained && message.duplicate);
  EXPECT_EQ(message.id, 9);
  const auto empty = read_one(packet(0x30, {0, 1, 'a'}), Version::v3_1_1);
  ASSERT_TRUE(empty);
  EXPECT_TRUE(std::get<PublishPacket>(*empty).payload.empty());
}

TEST(Packet, RefusesAPublishWithoutTopicIdentifierOrProperties) {
  EXPECT_TRUE(is_refused(packet(0x30, {0, 0, 0}), Version::v5)) << "empty topic";
  EXPECT_TRUE(is_refused(packet(0x30, {0, 9, 'a'}), Version::v5)) << "topic past the end";
  EXPECT_TRUE(is_refused(packet(0x30, {0, 1, '#', 0}), Version::v5)) << "wildcard";
  EXPECT_TRUE(is_refused(packet(0x30, {0, 1, 0, 0}), Version::v5)) << "NUL";
  EXPECT_TRUE(is_refused(packet(0x32, {0, 1, 'a', 0, 0, 0}), Version::v5)) << "identifier 0";
  EXPECT_TRUE(is_refused(packet(0x32, {0, 1, 'a', 0}), Version::v3_1_1)) << "no identifier";
  EXPECT_TRUE(is_refused(packet(0x30, {0, 1, 'a'}), Version::v5)) << "no properties";
  EXPECT_TRUE(is_refused(packet(0x30, {0, 1, 'a', 9}), Version::v5)) << "properties past the end";
}

TEST(Packet, RefusesATopicAliasWhichWouldBeMemoryOfOurs) {
  std::string why;
  EXPECT_FALSE(read_one(packet(0x30, {0, 1, 'a', 3, 0x23, 0, 1}), Version::v5, &why));
  EXPECT_NE(why.find("topic alias"), std::string::npos) << why;
}

TEST(Packet, RefusesPropertiesThatAreUnknownForeignOrTwice) {
  EXPECT_TRUE(is_refused(packet(0x30, {0, 1, 'a', 1, 0x7f}), Version::v5)) << "unknown";
  EXPECT_TRUE(is_refused(packet(0x30, {0, 1, 'a', 2, 0xff, 0x01}), Version::v5)) << "identifier above 63";
  EXPECT_TRUE(is_refused(packet(0x30, {0, 1, 'a', 3, 0x21, 0, 1}), Version::v5)) << "of CONNACK";
  EXPECT_TRUE(is_refused(packet(0x30, {0, 1, 'a', 4, 0x01, 0, 0x01, 0}), Version::v5)) << "twice";
  EXPECT_TRUE(is_refused(packet(0x30, {0, 1, 'a', 2, 0x01, 2}), Version::v5)) << "a flag of 2";
  EXPECT_TRUE(is_refused(packet(0x30, {0, 1, 'a', 3, 0x26, 0, 1}), Version::v5)) << "half a pair";
  EXPECT_TRUE(is_refused(packet(0x20, {0, 0, 3, 0x21, 0, 0}), Version::v5)) << "receive maximum 0";
  EXPECT_FALSE(is_refused(packet(0x30, {0, 1, 'a', 10, 0x26, 0, 0, 0, 0, 0x26, 0, 0, 0, 0}), Version::v5));
}

TEST(Packet, ReadsWhatConnAckTells) {
  const auto read =
      read_one(packet(0x20, {1, 0, 15, 0x21, 0, 7, 0x27, 0, 0, 4, 0, 0x13, 0, 30, 0x25, 0, 0x24, 0}), Version::v5);
  ASSERT_TRUE(read);
  const auto& answer = std::get<ConnAck>(*read);
  EXPECT_TRUE(answer.session_present);
  EXPECT_EQ(answer.receive_maximum, 7);
  EXPECT_EQ(answer.maximum_packet, 1'024U);
  EXPECT_EQ(answer.server_keep_alive, 30);
  EXPECT_FALSE(answer.retain_available);
  EXPECT_FALSE(answer.takes_qos_1);
}

TEST(Packet, RefusesAConnAckThatContradictsItself) {
  EXPECT_TRUE(is_refused(packet(0x20, {1, 5}), Version::v3_1_1)) << "refused with a session";
  EXPECT_TRUE(is_refused(packet(0x20, {2, 0}), Version::v3_1_1)) << "reserved flags";
  EXPECT_TRUE(is_refused(packet(0x20, {0, 0, 0, 0}), Version::v5)) << "something after the properties";
}

TEST(Packet, ReadsAcknowledgementsInTheirShortForms) {
  EXPECT_EQ(std::get<PubAck>(*read_one(packet(0x40, {0, 5}), Version::v5)).code, 0);
  EXPECT_EQ(std::get<PubAck>(*read_one(packet(0x40, {0, 5, 0x10}), Version::v5)).code, 0x10);
  const auto refused = read_one(packet(0x90, {0, 5, 6, 0x1f, 0, 3, 'n', 'o', '!', 0x87}), Version::v5);
  ASSERT_TRUE(refused);
  EXPECT_EQ(std::get<SubAck>(*refused).code, 0x87);
  EXPECT_EQ(std::get<SubAck>(*refused).reason, "no!");
  EXPECT_EQ(std::get<SubAck>(*read_one(packet(0x90, {0, 5, 0x80}), Version::v3_1_1)).code, 0x80);
  EXPECT_EQ(std::get<UnsubAck>(*read_one(packet(0xb0, {0, 5}), Version::v3_1_1)).id, 5);
  EXPECT_EQ(std::get<DisconnectPacket>(*read_one(packet(0xe0, {}), Version::v5)).code, 0);
  EXPECT_EQ(std::get<DisconnectPacket>(*read_one(packet(0xe0, {0x8e}), Version::v5)).code, 0x8e);
}

TEST(Packet, RefusesAcknowledgementsOfNothingAndWithMoreThanOneCode) {
  EXPECT_TRUE(is_refused(packet(0x40, {0, 0}), Version::v3_1_1));
  EXPECT_TRUE(is_refused(packet(0x90, {0, 5, 0, 1, 1}), Version::v5));
  EXPECT_TRUE(is_refused(packet(0x40, {0, 5, 0, 0, 0}), Version::v5));
  EXPECT_TRUE(is_refused(packet(0xe0, {0, 3, 0x26, 0, 0}), Version::v5));
}

}  // namespace
}  // namespace sallyport::mqtt
