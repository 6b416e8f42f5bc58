#include "telemetry/batch.h"

#include <gtest/gtest.h>

#include "codec/text.h"

namespace sallyport::telemetry {
namespace {

StreamIncarnation incarnation(std::uint8_t fill) {
  std::array<std::uint8_t, 16> bytes;
  bytes.fill(fill);
  return StreamIncarnation(bytes);
}

Item item(std::uint64_t sequence, std::string topic = "t", std::string payload = "1") {
  return {.sequence = sequence,
          .time = SampleTime(milliseconds(1'700'000'000'123)),
          .topic = std::move(topic),
          .payload = to_bytes(payload)};
}

Batch batch_of(std::vector<Item> items) {
  return {.stream = StreamName("default"), .incarnation = incarnation(7), .dropped = 5, .items = std::move(items)};
}

Sample sample(std::string topic, std::string payload) {
  return {.time = SampleTime(seconds(1)), .topic = std::move(topic), .payload = to_bytes(payload)};
}

TEST(Batch, SurvivesEncodingAndParsing) {
  const Batch batch = batch_of({item(1), item(2, "", R"({"x":[1,2]})"), item(9, "a/b", "")});
  const auto parsed = parse_batch(encode_batch(batch));
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(*parsed, batch);
}

TEST(Batch, HasTheBytesOfTheFormat) {
  const std::string want =
      "01"
      "0764656661756c74"
      "07070707070707070707070707070707"
      "0000000000000005"
      "0001"
      "0000000000000003"
      "0000018bcfe5687b"
      "0174"
      "000001"
      "31";
  EXPECT_EQ(codec::encode_hex(encode_batch(batch_of({item(3)}))), want);
}

TEST(Batch, IsRefusedAtEveryTruncation) {
  const Bytes whole = encode_batch(batch_of({item(1), item(2)}));
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(parse_batch(ByteView(whole).first(length))) << length;
}

TEST(Batch, IsRefusedWithTrailingBytes) {
  Bytes bytes = encode_batch(batch_of({item(1)}));
  bytes.push_back(0);
  EXPECT_FALSE(parse_batch(bytes));
}

struct BadBatch {
  const char* what;
  std::size_t offset;
  std::uint8_t value;
};

TEST(Batch, IsRefusedWithOneByteWrong) {
  const Bytes good = encode_batch(batch_of({item(1), item(2)}));
  constexpr BadBatch kCases[] = {
      {"version 0", 0, 0},
      {"version 2", 0, 2},
      {"an empty stream name", 1, 0},
      {"a stream name longer than the rest", 1, 255},
      {"a stream name with a capital", 2, 'D'},
      {"a stream name that begins with a dot", 2, '.'},
      {"a count of drops over the limit", 25, 0x80},
      {"a sequence over the limit", 35, 0x80},
      {"a count over the limit", 33, 0xFF},
      {"a count of more items than follow", 34, 3},
      {"a count of fewer items than follow", 34, 1},
      {"sequence zero", 42, 0},
      {"a sequence that does not rise", 42, 2},
      {"a time after the year 9999", 43, 0x80},
      {"a space in a topic", 52, ' '},
      {"a payload length over the limit", 53, 0x02},
  };
  for (const auto& bad : kCases) {
    Bytes bytes = good;
    ASSERT_LT(bad.offset, bytes.size());
    bytes[bad.offset] = bad.value;
    const auto parsed = parse_batch(bytes);
    ASSERT_FALSE(parsed) << bad.what;
    EXPECT_EQ(parsed.error().code, Errc::malformed) << bad.what;
  }
}

TEST(Batch, OfNoItemsIsRefused) {
  Bytes bytes = encode_batch(batch_of({item(1)}));
  bytes.resize(35);
  bytes[34] = 0;
  EXPECT_FALSE(parse_batch(bytes));
}

TEST(Batch, OverTheByteLimitIsRefusedUnread) {
  EXPECT_FALSE(parse_batch(Bytes(kMaxBatchBytes + 1, 0x01)));
}

TEST(Batch, OfTheLargestItemFits) {
  const Batch batch = batch_of({item(1, std::string(kMaxTopic, 't'), std::string(kMaxPayload, '1'))});
  const Bytes bytes = encode_batch(batch);
  EXPECT_LE(bytes.size(), kBatchOverhead + encoded_size(batch.items[0]));
  EXPECT_TRUE(parse_batch(bytes));
}

TEST(Acknowledgement, SurvivesEncodingAndParsing) {
  const Acknowledgement acknowledgement{.incarnation = incarnation(9), .committed = 1ULL << 40U};
  const Bytes bytes = encode_acknowledgement(acknowledgement);
  EXPECT_EQ(bytes.size(), 25U);
  EXPECT_EQ(parse_acknowledgement(bytes).value(), acknowledgement);
}

TEST(Acknowledgement, IsRefusedWhenNotExactlyItself) {
  const Bytes whole = encode_acknowledgement({.incarnation = incarnation(9), .committed = 1});
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(parse_acknowledgement(ByteView(whole).first(length))) << length;
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_FALSE(parse_acknowledgement(longer));
  Bytes newer = whole;
  newer[0] = 2;
  EXPECT_FALSE(parse_acknowledgement(newer));
}

TEST(StreamName, FollowsItsGrammar) {
  for (const char* good : {"a", "default", "plc-1.temperature_2", "0"}) EXPECT_TRUE(parse_stream_name(good)) << good;
  for (const char* bad : {"", "A", "a b", "-a", "a-", ".", "a/b", "ä", "a\n"})
    EXPECT_FALSE(parse_stream_name(bad)) << bad;
  EXPECT_TRUE(parse_stream_name(std::string(kMaxStreamName, 'a')));
  EXPECT_FALSE(parse_stream_name(std::string(kMaxStreamName + 1, 'a')));
}

TEST(Sample, MayHoldAnyJsonValue) {
  for (const char* good : {"1", "\"x\"", "null", "[1,2,3]", R"({"t":21.5})", "  {}  "})
    EXPECT_TRUE(check_sample(sample("a/b", good))) << good;
}

TEST(Sample, IsRefusedWhenMalformed) {
  for (const char* bad : {"", "{", "1 2", "NaN", "{\"a\":1,\"a\":2}", "\"\xFF\""})
    EXPECT_FALSE(check_sample(sample("t", bad))) << bad;
  for (const char* topic : {"a b", "a\n", "\x7F", "ü"}) EXPECT_FALSE(check_sample(sample(topic, "1"))) << topic;
  EXPECT_FALSE(check_sample(sample(std::string(kMaxTopic + 1, 't'), "1")));
  Sample ancient = sample("t", "1");
  ancient.time = SampleTime(milliseconds(-1));
  EXPECT_FALSE(check_sample(ancient));
}

TEST(Sample, IsRefusedOverItsLimits) {
  const auto large = check_sample(sample("t", "\"" + std::string(kMaxPayload, 'x') + "\""));
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Errc::overloaded);
  EXPECT_FALSE(
      check_sample(sample("t", std::string(kMaxPayloadDepth + 1, '[') + std::string(kMaxPayloadDepth + 1, ']'))));
}

}  // namespace
}  // namespace sallyport::telemetry
