#include "sealed/detail/session.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"

namespace sallyport::sealed {
namespace {

struct SessionPair {
  explicit SessionPair(std::uint64_t seed = 1)
      : random(seed),
        keys{.request = Secret<32>(random.array<32>()),
             .reply = Secret<32>(random.array<32>()),
             .request_tags = Secret<32>(random.array<32>()),
             .reply_tags = Secret<32>(random.array<32>())},
        context("pump/api/request", NodeName("pump")),
        caller(keys),
        node(std::make_unique<NodeSession>(keys, table, 3)) {}

  Bytes next(std::string_view body = "body") {
    Bytes out(body.size() + kDataBytes);
    caller.seal(context, as_bytes(body), out);
    return out;
  }
  // As a responder does it: by the tag alone.
  bool opens(const Bytes& message) {
    const auto place = table.find(read_tag(message));
    if (!place) return false;
    Bytes out(message.size() - kDataBytes);
    return node->open(context, place->request, message, out);
  }

  SeededRandom random;
  SessionKeys keys;
  SessionContext context;
  RequestTable table;
  CallerSession caller;
  std::unique_ptr<NodeSession> node;
};

TEST(Session, TheWindowReachesSixtyFourAboveTheHighestSeenAndNoFurther) {
  SessionPair pair;
  std::vector<Bytes> messages;
  for (int i = 0; i < 200; ++i) messages.push_back(pair.next());
  // Before anything was seen: 0 to 63.
  EXPECT_FALSE(pair.opens(messages[64]));
  EXPECT_TRUE(pair.opens(messages[0]));
  EXPECT_FALSE(pair.opens(messages[65]));   // W + 1
  EXPECT_TRUE(pair.opens(messages[64]));    // W
  EXPECT_TRUE(pair.opens(messages[127]));   // W - 1
  EXPECT_FALSE(pair.opens(messages[192]));  // W + 1
}

TEST(Session, TheWindowReachesSixtyFourBelowTheHighestSeenAndNoFurther) {
  SessionPair pair;
  std::vector<Bytes> messages;
  for (int i = 0; i < 200; ++i) messages.push_back(pair.next());
  for (const std::size_t i : {50U, 100U, 150U}) EXPECT_TRUE(pair.opens(messages[i]));
  EXPECT_FALSE(pair.opens(messages[85]));  // W + 1
  EXPECT_TRUE(pair.opens(messages[86]));   // W
  EXPECT_TRUE(pair.opens(messages[87]));   // W - 1
  EXPECT_FALSE(pair.opens(messages[86]));
  EXPECT_FALSE(pair.opens(messages[100]));
}

TEST(Session, InWhateverOrderEachOpensOnce) {
  SessionPair pair;
  SeededRandom order(5);
  for (int round = 0; round < 200; ++round) {
    std::vector<Bytes> messages;
    for (int i = 0; i < 40; ++i) messages.push_back(pair.next());
    for (std::size_t i = messages.size(); i > 1; --i) std::swap(messages[i - 1], messages[order.below(i)]);
    for (const Bytes& message : messages) {
      EXPECT_TRUE(pair.opens(message));
      EXPECT_FALSE(pair.opens(message));
    }
  }
  EXPECT_LE(pair.table.size(), 2 * kWindow + 1);
}

TEST(Session, AForgeryWithALiveTagTakesNothingFromIt) {
  SessionPair pair;
  const Bytes good = pair.next();
  Bytes forged = good;
  forged.back() ^= 1;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(pair.opens(forged));
  EXPECT_TRUE(pair.opens(good));
}

TEST(Session, NoTwoTagsOrNoncesOfASessionAreTheSame) {
  SessionPair pair;
  std::map<Tag, int> seen;
  for (int i = 0; i < 5'000; ++i) ++seen[read_tag(pair.next())];
  EXPECT_EQ(seen.size(), 5'000U);
  for (std::uint64_t request : {std::uint64_t{0}, std::uint64_t{1}, kInitRequest}) {
    for (std::uint32_t chunk = 0; chunk < 100; ++chunk)
      ++seen[read_tag(pair.node->seal_reply(pair.context, request, chunk, MessageTail{}, {}))];
  }
  EXPECT_EQ(seen.size(), 5'300U);
}

TEST(Session, AReplyOpensForItsRequestAndChunkAlone) {
  SessionPair pair;
  const Bytes request = pair.next();
  const MessageTail tail = tail_of(request);
  const Bytes reply = pair.node->seal_reply(pair.context, 0, 0, tail, as_bytes("answer"));
  EXPECT_TRUE(pair.caller.open_reply(pair.context, 0, 0, tail, reply));
  EXPECT_FALSE(pair.caller.open_reply(pair.context, 1, 0, tail, reply));
  EXPECT_FALSE(pair.caller.open_reply(pair.context, 0, 1, tail, reply));
  MessageTail other = tail;
  other[0] ^= 1;
  EXPECT_FALSE(pair.caller.open_reply(pair.context, 0, 0, other, reply));
}

TEST(Session, ASessionThatEndsLeavesNoTagBehind) {
  SessionPair pair;
  for (int i = 0; i < 500; ++i) pair.opens(pair.next());
  EXPECT_GT(pair.table.size(), 0U);
  pair.node.reset();
  EXPECT_EQ(pair.table.size(), 0U);
}

TEST(TagTable, FindsWhatIsThereAndNothingElseThroughAnyChurn) {
  RequestTable table;
  std::map<Tag, RequestPlace> model;
  SeededRandom random(11);
  for (int step = 0; step < 50'000; ++step) {
    // Few home slots, so that runs form, wrap around and are cut in the middle.
    const Tag tag = random.below(64) + 480 + (random.below(20) << 32U);
    const RequestPlace place{.session = static_cast<std::uint32_t>(tag % 7),
                             .request = static_cast<std::uint32_t>(tag)};
    if (random.below(2) == 0) {
      table.insert(tag, place);
      model.emplace(tag, place);
    } else {
      table.erase(tag, place);
      model.erase(tag);
    }
    const Tag asked = random.below(64) + 480 + (random.below(20) << 32U);
    const auto expected = model.find(asked);
    ASSERT_EQ(table.find(asked).has_value(), expected != model.end());
    ASSERT_EQ(table.size(), model.size());
  }
}

TEST(TagTable, OfTwoEqualTagsTheFirstStays) {
  RequestTable table;
  table.insert(5, {.session = 1, .request = 1});
  table.insert(5, {.session = 2, .request = 2});
  EXPECT_EQ(table.find(5)->session, 1U);
  table.erase(5, {.session = 2, .request = 2});
  EXPECT_TRUE(table.find(5));
  table.erase(5, {.session = 1, .request = 1});
  EXPECT_FALSE(table.find(5));
}

}  // namespace
}  // namespace sallyport::sealed
