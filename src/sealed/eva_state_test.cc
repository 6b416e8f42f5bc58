#include "sealed/eva_state.h"

#include <gtest/gtest.h>

#include "codec/msgpack.h"
#include "codec/zlib.h"
#include "sealed/detail/eva_test_support.h"

namespace sallyport::sealed::eva {
namespace {

using codec::Json;

ItemState lamp_state() {
  return {.status = 1,
          .value = Json("on"),
          .set_time = 1600000000.5,
          .event_id = EventId{.boot = 12, .nanoseconds = 345'678'901'234},
          .unit = UnitState{.new_status = 0, .new_value = Json(), .action_enabled = true}};
}

Item lamp() {
  return {.type = ItemType::unit, .group = "hall/lamps", .id = "l1"};
}

TEST(EvaState, ItemsAreReadAsTheyAreWritten) {
  const Space space = parse_space("s").value();
  EXPECT_EQ(to_oid(lamp()), "unit:hall/lamps/l1");
  EXPECT_EQ(parse_oid("unit:hall/lamps/l1").value(), lamp());
  EXPECT_EQ(item_topic(space, lamp()), "s/unit/hall/lamps/l1");
  EXPECT_EQ(item_topic(Space(), lamp()), "unit/hall/lamps/l1");
  EXPECT_EQ(parse_item_topic(space, "s/unit/hall/lamps/l1").value(), lamp());
  EXPECT_EQ(parse_item_topic(Space(), "sensor/env/t")->type, ItemType::sensor);
  EXPECT_EQ(bulk_topic(space, "all"), "s/state/all");
}

TEST(EvaState, ItemsOfOtherFormsAreRefused) {
  for (const std::string_view oid : {"", "unit", "unit:", "unit:a", "unit:/a", "unit:a/", "unit:a//b", "lamp:a/b",
                                     "unit/a/b", "unit:a/+", "unit:#/b", "unit:a b/c", ":a/b"}) {
    EXPECT_FALSE(parse_oid(oid)) << oid;
  }
  const Space space = parse_space("s").value();
  for (const std::string_view topic :
       {"", "s", "unit/a/b", "s/unit", "s/unit/a", "s/unit/a/", "s/unit//b", "s/state/all", "s/unit/a/b/status",
        "s/unit/a/b/value", "s/unit/a/b/control", "s/unit/a/b/action", "s/controller/uc/a", "t/unit/a/b"}) {
    EXPECT_FALSE(parse_item_topic(space, topic)) << topic;
  }
}

TEST(EvaState, AnnouncementsAreReadAsTheyAreWritten) {
  const StateAnnouncement announcement{.time = 1600000001.5, .from = plant(), .state = lamp_state()};
  const std::string written = write_state(announcement);
  EXPECT_EQ(written, R"({"action_enabled":true,"c":"uc/plant1","ieid":[12,345678901234],"nstatus":0,"nvalue":null,)"
                     R"("set_time":1600000000.5,"status":1,"t":1600000001.5,"value":"on"})");
  const auto read = parse_state(written);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(*read, announcement);
}

TEST(EvaState, EvasDevelopmentFormAndAbsentMembersAreRead) {
  const auto read = parse_state("{\n    \"status\": 0,\n    \"t\": null,\n    \"value\": 21.5\n}");
  ASSERT_TRUE(read) << read.error().detail;
  ASSERT_TRUE(*read);
  EXPECT_FALSE((*read)->time);
  EXPECT_FALSE((*read)->state.unit);
  EXPECT_EQ((*read)->state.value, Json(21.5));
}

TEST(EvaState, NoBytesAreAnItemThatIsGone) {
  const auto read = parse_state("");
  ASSERT_TRUE(read);
  EXPECT_FALSE(*read);
}

TEST(EvaState, AnnouncementsOfOtherFormsAreRefused) {
  for (const std::string_view text : {" ",
                                      "1",
                                      "[]",
                                      "{}",
                                      R"({"status":1})",
                                      R"({"value":1})",
                                      R"({"status":"1","value":1})",
                                      R"({"status":1.5,"value":1})",
                                      R"({"status":1,"value":[1]})",
                                      R"({"status":1,"value":{"a":1}})",
                                      R"({"status":1,"value":1,"t":"now"})",
                                      R"({"status":1,"value":1,"c":"plant1"})",
                                      R"({"status":1,"value":1,"c":1})",
                                      R"({"status":1,"value":1,"ieid":[1]})",
                                      R"({"status":1,"value":1,"ieid":[1,2,3]})",
                                      R"({"status":1,"value":1,"ieid":[1,0.5]})",
                                      R"({"status":1,"value":1,"ieid":5})",
                                      R"({"status":1,"value":1,"nstatus":1})",
                                      R"({"status":1,"value":1,"nstatus":1,"nvalue":1})",
                                      R"({"status":1,"value":1,"nstatus":1,"nvalue":1,"action_enabled":1})",
                                      R"({"status":1,"value":1,"set_time":true})"}) {
    EXPECT_FALSE(parse_state(text)) << text;
  }
  EXPECT_EQ(parse_state(R"({"status":1,"value":")" + std::string(65'536, 'x') + "\"}").error().code, Errc::overloaded);
}

TEST(EvaState, BulksAreReadAsTheyAreWrittenInBothForms) {
  BulkState bulk{.time = 2.5, .from = plant(), .items = {}};
  bulk.items.emplace_back(lamp(), lamp_state());
  bulk.items.emplace_back(Item{.type = ItemType::lvar, .group = "g", .id = "v"},
                          ItemState{.status = 1, .value = Json(3)});
  for (const Bytes& payload : {to_bytes(write_bulk_json(bulk)), write_bulk_packed(bulk)}) {
    const auto read = parse_bulk(payload);
    ASSERT_TRUE(read) << read.error().detail;
    EXPECT_EQ(*read, bulk);
  }
}

TEST(EvaState, BulksOfOtherFormsAreRefused) {
  for (const std::string_view text : {"", "{}", "[]", R"({"d":1})", R"({"d":[1]})", R"({"d":[{"status":1,"value":1}]})",
                                      R"({"d":[{"oid":"x","status":1,"value":1}]})", R"({"d":[{"oid":"unit:a/b"}]})",
                                      R"({"t":"x","d":[]})", R"({"c":"x","d":[]})", "\x02"}) {
    EXPECT_FALSE(parse_bulk(as_bytes(text))) << text;
  }
  for (const Bytes& payload : {Bytes{0x00}, Bytes{0x00, 0x03}, Bytes{0x00, 0x02, 0x80}, Bytes{0x00, 0x03, 0x80}}) {
    EXPECT_EQ(parse_bulk(payload).error().code, Errc::malformed);
  }
}

TEST(EvaState, BulkThatIsABombOrHasTooManyItemsIsRefused) {
  const auto packed = [](const Bytes& plain) { return Writer().u8(0).u8(3).bytes(codec::deflate_zlib(plain)).take(); };
  EXPECT_EQ(parse_bulk(packed(Bytes(std::size_t{16} << 20U))).error().code, Errc::overloaded);
  BulkState many{.time = std::nullopt, .from = std::nullopt, .items = {}};
  for (std::size_t i = 0; i <= kMostBulkItems; ++i) many.items.emplace_back(lamp(), ItemState{.status = 1});
  const Limits wide{.body = {.values = 1U << 20U}};
  EXPECT_EQ(parse_bulk(write_bulk_packed(many), wide).error().code, Errc::overloaded);
  many.items.pop_back();
  EXPECT_TRUE(parse_bulk(write_bulk_packed(many), wide));
}

}  // namespace
}  // namespace sallyport::sealed::eva
