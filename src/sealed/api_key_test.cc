#include "sealed/api_key.h"

#include <gtest/gtest.h>

namespace sallyport::sealed {
namespace {

constexpr UnixTime kKeyNow{1'800'000'000};

std::string text_of(const ApiKey& key) {
  return std::string(as_text(to_text(key).expose()));
}

TEST(ApiKeys, ReadBackAsTheyWereWritten) {
  SeededRandom random(1);
  // An id may look like the marks around it.
  for (const std::string_view id : {"default", "a", "x_y_z", "_", "spk1_a", "abcdefghijklmnopqrstuvwxyz012345"}) {
    const ApiKey key = draw_api_key(parse_key_id(id).value(), random);
    const auto read = parse_api_key(text_of(key));
    ASSERT_TRUE(read) << id;
    EXPECT_EQ(read->id, key.id);
    EXPECT_TRUE(read->secret.equals(key.secret.expose()));
  }
}

TEST(ApiKeys, EveryMistypedCharacterIsTold) {
  SeededRandom random(2);
  const std::string good = text_of(draw_api_key(KeyId("pump"), random));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'a' ? 'b' : 'a';
    EXPECT_FALSE(parse_api_key(bad)) << i;
    EXPECT_FALSE(parse_api_key(good.substr(0, i))) << i;
  }
  EXPECT_FALSE(parse_api_key(good + "a"));
  EXPECT_FALSE(parse_api_key(" " + good));
}

TEST(ApiKeys, AnErrorDoesNotRepeatTheKey) {
  SeededRandom random(3);
  std::string bad = text_of(draw_api_key(KeyId("pump"), random));
  const std::string secret = bad.substr(10, 43);
  bad.back() = bad.back() == 'a' ? 'b' : 'a';
  EXPECT_EQ(parse_api_key(bad).error().detail.find(secret.substr(0, 8)), std::string::npos);
}

TEST(ApiKeys, ANodesKeyIsOfNoUseAtAnother) {
  SeededRandom random(4);
  const ApiKey key = draw_api_key(KeyId("pump"), random);
  const NodeKey here = derive_node_key(key.secret, NodeName("pump-7"));
  EXPECT_FALSE(here.equals(derive_node_key(key.secret, NodeName("pump-8")).expose()));
  EXPECT_FALSE(here.equals(key.secret.expose()));
  EXPECT_TRUE(here.equals(derive_node_key(key.secret, NodeName("pump-7")).expose()));
}

TEST(ApiKeys, HintsChangeEveryPeriodAndWithTheNode) {
  SeededRandom random(5);
  const ApiKey key = draw_api_key(KeyId("pump"), random);
  const NodeKey here = derive_node_key(key.secret, NodeName("pump-7"));
  EXPECT_EQ(hint_at(here, kKeyNow), hint_at(here, kKeyNow + kHintPeriod - seconds(1)));
  EXPECT_NE(hint_at(here, kKeyNow), hint_at(here, kKeyNow + kHintPeriod));
  EXPECT_EQ(hint_at(here, kKeyNow, 1), hint_at(here, kKeyNow + kHintPeriod));
  EXPECT_NE(hint_at(here, kKeyNow), hint_without_clock(here));
  EXPECT_NE(hint_at(here, kKeyNow), hint_at(derive_node_key(key.secret, NodeName("pump-8")), kKeyNow));
}

}  // namespace
}  // namespace sallyport::sealed
