#include "codec/msgpack.h"

#include <gtest/gtest.h>

#include "codec/detail/vectors.h"

namespace sallyport::codec {
namespace {

Json packed_json_of(const Json& vector) {
  return parse_json(text_of(vector, "json")).value_or(Json("the vector's JSON does not parse"));
}

TEST(Msgpack, WritesWhatPythonWritesAndReadsIt) {
  for (const Json& vector : load_vectors("msgpack.json")) {
    SCOPED_TRACE(text_of(vector, "name"));
    const auto parsed = parse_msgpack(bytes_of(vector, "packed"));
    ASSERT_TRUE(parsed) << parsed.error().detail;
    EXPECT_EQ(*parsed, packed_json_of(vector));
    if (vector.find("long_form") != nullptr) continue;
    // Members are written in the order of their keys; Python keeps the order in which they were put in.
    EXPECT_EQ(write_msgpack(*parsed).size(), bytes_of(vector, "packed").size());
    if (text_of(vector, "name") == "a call") continue;
    EXPECT_EQ(encode_hex(write_msgpack(*parsed)), text_of(vector, "packed"));
  }
}

TEST(Msgpack, WritesLongTextsAndArraysAsPython) {
  for (const Json& vector : load_vectors("msgpack_large.json")) {
    const std::string name = text_of(vector, "name");
    SCOPED_TRACE(name);
    const bool is_array = name.starts_with("array");
    const std::size_t count = name.ends_with("65535") ? 65'535 : 65'536;
    const Json value = is_array ? Json(Json::Array(count, Json(0))) : Json(std::string(count, 'x'));
    const Bytes packed = write_msgpack(value);
    EXPECT_EQ(static_cast<std::int64_t>(packed.size()), vector.integer_at("size").value_or(-1));
    EXPECT_EQ(encode_hex(ByteView(packed).first(8)), text_of(vector, "beginning"));
    EXPECT_EQ(parse_msgpack(packed, {.values = count + 1}).value_or(Json()), value);
  }
}

TEST(Msgpack, RefusesWhatJsonHasNotAndWhatIsNoValue) {
  for (const Json& vector : load_vectors("msgpack_refused.json")) {
    const auto parsed = parse_msgpack(bytes_of(vector, "packed"));
    ASSERT_FALSE(parsed) << text_of(vector, "name");
    EXPECT_EQ(parsed.error().code, Errc::malformed) << text_of(vector, "name") << ": " << parsed.error().detail;
  }
}

TEST(Msgpack, EveryBeginningOfAValueIsRefused) {
  const Json value = Json::Object{{"method", Json("test")}, {"params", Json::Array{Json(1.5), Json(1 << 20), Json()}}};
  const Bytes packed = write_msgpack(value);
  for (std::size_t size = 0; size < packed.size(); ++size) {
    EXPECT_FALSE(parse_msgpack(ByteView(packed).first(size))) << size;
  }
}

TEST(Msgpack, LimitsHoldToTheByteTheLevelAndTheValue) {
  Bytes nested(32, 0x91);
  nested.push_back(0xC0);
  EXPECT_TRUE(parse_msgpack(nested));
  nested.insert(nested.begin(), 0x91);
  EXPECT_EQ(parse_msgpack(nested).error().code, Errc::overloaded);
  Bytes maps;
  for (int i = 0; i < 33; ++i) append(maps, Bytes{0x81, 0xA1, 'k'});
  maps.push_back(0xC0);
  EXPECT_EQ(parse_msgpack(maps).error().code, Errc::overloaded);

  const Bytes three = write_msgpack(Json::Array{Json(1), Json(2)});
  EXPECT_TRUE(parse_msgpack(three, {.values = 3}));
  EXPECT_EQ(parse_msgpack(three, {.values = 2}).error().code, Errc::overloaded);
  EXPECT_TRUE(parse_msgpack(three, {.size = 3}));
  EXPECT_EQ(parse_msgpack(three, {.size = 2}).error().code, Errc::overloaded);
}

TEST(Msgpack, ManyValuesOfNothingEndAtTheirLimit) {
  Bytes wide{0xDD, 0x00, 0x01, 0x00, 0x00};
  wide.insert(wide.end(), 65'536, 0x90);
  EXPECT_EQ(parse_msgpack(wide).error().code, Errc::overloaded);
}

TEST(Msgpack, TextsThatAreNotUtf8AndNumbersWithoutAValueAreNeverWritten) {
  EXPECT_DEATH(write_msgpack(Json(std::string("\xFF"))), "");
  EXPECT_DEATH(write_msgpack(Json(std::numeric_limits<double>::infinity())), "");
}

}  // namespace
}  // namespace sallyport::codec
