#include "telemetry/upload_session.h"

#include <gtest/gtest.h>

#include <deque>

#include "telemetry/ingest.h"

namespace sallyport::telemetry {
namespace {

constexpr UploadPolicy kPolicy{};

Batch batch_of(std::uint64_t first, std::uint64_t last) {
  Batch batch{.stream = StreamName("s"), .incarnation = {}, .dropped = 0, .items = {}};
  for (auto s = first; s <= last; ++s)
    batch.items.push_back({.sequence = s, .time = {}, .topic = {}, .payload = {'1'}});
  return batch;
}

template <class T>
const T* find(const UploadActions& actions) {
  for (const auto& action : actions)
    if (const auto* found = std::get_if<T>(&action)) return found;
  return nullptr;
}

class UploadSessionTest : public testing::Test {
 protected:
  // Brings the session to where items 1 to 3 are in flight.
  void send() {
    ASSERT_NE(find<ReadQueue>(session_.on_appended(now_)), nullptr);
    ASSERT_NE(find<SendBatch>(session_.on_read(batch_of(1, 3), now_)), nullptr);
  }
  Acknowledgement up_to(std::uint64_t committed) { return {.incarnation = {}, .committed = committed}; }

  SeededRandom random_{1};
  UploadSession session_{kPolicy, random_};
  Instant now_{seconds(1'000)};
};

TEST_F(UploadSessionTest, SendsRemovesAndGoesIdle) {
  EXPECT_TRUE(session_.idle());
  send();
  EXPECT_FALSE(session_.idle());
  const auto removed = session_.on_acknowledgement(up_to(3), now_);
  ASSERT_NE(find<RemoveItems>(removed), nullptr);
  EXPECT_EQ(find<RemoveItems>(removed)->through.committed, 3U);
  EXPECT_NE(find<ReadQueue>(session_.on_removed(now_)), nullptr);
  EXPECT_TRUE(session_.on_read(std::nullopt, now_).empty());
  EXPECT_TRUE(session_.idle());
}

TEST_F(UploadSessionTest, SendsWhatItRead) {
  session_.on_appended(now_);
  const auto sent = session_.on_read(batch_of(1, 3), now_);
  EXPECT_EQ(parse_batch(find<SendBatch>(sent)->batch).value(), batch_of(1, 3));
}

TEST_F(UploadSessionTest, RemovesOnlyWhatWasCommitted) {
  send();
  const auto removed = session_.on_acknowledgement(up_to(2), now_);
  EXPECT_EQ(find<RemoveItems>(removed)->through.committed, 2U);
}

TEST_F(UploadSessionTest, RemovesNothingForAForeignIncarnation) {
  send();
  Acknowledgement foreign = up_to(3);
  foreign.incarnation = StreamIncarnation({1});
  EXPECT_TRUE(session_.on_acknowledgement(foreign, now_).empty());
}

TEST_F(UploadSessionTest, RemovesNothingForAnOldAcknowledgement) {
  session_.on_appended(now_);
  session_.on_read(batch_of(10, 12), now_);
  EXPECT_TRUE(session_.on_acknowledgement(up_to(9), now_).empty());
  EXPECT_NE(find<RemoveItems>(session_.on_acknowledgement(up_to(12), now_)), nullptr);
}

TEST_F(UploadSessionTest, RemovesOnceForARepeatedAcknowledgement) {
  send();
  EXPECT_FALSE(session_.on_acknowledgement(up_to(3), now_).empty());
  EXPECT_TRUE(session_.on_acknowledgement(up_to(3), now_).empty());
}

TEST_F(UploadSessionTest, BacksOffFromAnAcknowledgementOfWhatWasNeverSent) {
  send();
  const auto actions = session_.on_acknowledgement(up_to(4), now_);
  EXPECT_EQ(find<RemoveItems>(actions), nullptr);
  EXPECT_NE(find<WakeAt>(actions), nullptr);
}

TEST_F(UploadSessionTest, TakesSilenceForAFailure) {
  send();
  EXPECT_NE(find<WakeAt>(session_.on_tick(now_ + kPolicy.answer_limit - milliseconds(1))), nullptr);
  const auto late = session_.on_tick(now_ + kPolicy.answer_limit);
  ASSERT_NE(find<WakeAt>(late), nullptr);
  const Instant wake = find<WakeAt>(late)->at;
  EXPECT_TRUE(session_.on_acknowledgement(up_to(3), now_).empty()) << "the answer came after it was given up";
  EXPECT_NE(find<ReadQueue>(session_.on_tick(wake)), nullptr);
}

TEST_F(UploadSessionTest, WaitsWithinItsBoundsWhateverFails) {
  send();
  for (int i = 0; i < 100; ++i) {
    const auto failed = session_.on_failure(now_);
    ASSERT_NE(find<WakeAt>(failed), nullptr);
    const Instant wake = find<WakeAt>(failed)->at;
    EXPECT_GE(wake - now_, kPolicy.back_off_least);
    EXPECT_LE(wake - now_, kPolicy.back_off_most);
    EXPECT_EQ(find<ReadQueue>(session_.on_tick(wake - milliseconds(1))), nullptr);
    ASSERT_NE(find<ReadQueue>(session_.on_tick(wake)), nullptr);
    now_ = wake;
  }
}

TEST_F(UploadSessionTest, WaitsAsLongAsTheGatewayAsks) {
  send();
  const auto failed = session_.on_failure(now_, hours(1));
  EXPECT_EQ(find<WakeAt>(failed)->at, now_ + hours(1));
}

TEST_F(UploadSessionTest, SendsHalfAsMuchUntilTheGatewayTakesIt) {
  Batch large = batch_of(1, 4);
  for (Item& item : large.items) item.payload = to_bytes("\"" + std::string(25'000, 'x') + "\"");
  session_.on_appended(now_);
  std::vector<std::size_t> wanted;
  for (int i = 0; i < 5; ++i) {
    ASSERT_NE(find<SendBatch>(session_.on_read(large, now_)), nullptr);
    const auto refused = session_.on_refusal(now_, hours(1));
    now_ = find<WakeAt>(refused)->at;
    const auto again = session_.on_tick(now_);
    wanted.push_back(find<ReadQueue>(again)->limits.bytes);
  }
  const std::size_t half = encode_batch(large).size() / 2;
  EXPECT_EQ(wanted, (std::vector<std::size_t>{half, half / 2, kPolicy.least_batch_bytes, kPolicy.least_batch_bytes,
                                              kPolicy.least_batch_bytes}));
  session_.on_read(batch_of(1, 1), now_);
  session_.on_acknowledgement(up_to(1), now_);
  EXPECT_EQ(find<ReadQueue>(session_.on_removed(now_))->limits.bytes, kPolicy.batch.bytes);
}

TEST_F(UploadSessionTest, ReadsAgainWhenAnAppendRacedTheReading) {
  session_.on_appended(now_);
  EXPECT_TRUE(session_.on_appended(now_).empty());
  EXPECT_NE(find<ReadQueue>(session_.on_read(std::nullopt, now_)), nullptr);
  EXPECT_TRUE(session_.on_read(std::nullopt, now_).empty());
  EXPECT_TRUE(session_.idle());
}

TEST_F(UploadSessionTest, IgnoresEventsOutOfPlace) {
  EXPECT_TRUE(session_.on_read(batch_of(1, 1), now_).empty());
  EXPECT_TRUE(session_.on_removed(now_).empty());
  EXPECT_TRUE(session_.on_failure(now_).empty());
  EXPECT_TRUE(session_.on_tick(now_).empty());
  EXPECT_TRUE(session_.on_acknowledgement(up_to(1), now_).empty());
  EXPECT_TRUE(session_.idle());
}

// A queue, a session and a gateway joined by a line that loses, repeats and delays: everything arrives exactly once.
TEST(UploadSimulation, DeliversEverythingOnceOverABadLine) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SeededRandom random(seed);
    UploadSession session({.batch = {.items = 4}}, random);
    std::uint64_t removed = 0;
    std::uint64_t stored = 0;
    IngestPosition position;
    Instant now{};
    std::deque<UploadAction> actions;
    const auto take = [&](UploadActions more) { actions.insert(actions.end(), more.begin(), more.end()); };
    take(session.on_appended(now));
    int steps = 0;
    while (!session.idle() && ++steps < 100'000) {
      ASSERT_FALSE(actions.empty());
      const UploadAction action = actions.front();
      actions.pop_front();
      if (std::holds_alternative<ReadQueue>(action)) {
        take(session.on_read(removed == 100
                                 ? std::nullopt
                                 : std::optional(batch_of(removed + 1, std::min<std::uint64_t>(100, removed + 4))),
                             now));
      } else if (const auto* send = std::get_if<SendBatch>(&action)) {
        for (std::uint64_t copies = random.below(3); copies > 0; --copies) {
          const Batch batch = parse_batch(send->batch).value();
          const auto decision = decide_ingest(position, batch);
          stored += batch.items.size() - decision.duplicates;
          position = decision.after;
          if (random.below(2) == 0)
            take(session.on_acknowledgement({.incarnation = {}, .committed = position.committed}, now));
        }
      } else if (const auto* remove = std::get_if<RemoveItems>(&action)) {
        removed = std::max(removed, remove->through.committed);
        take(session.on_removed(now));
      } else if (const auto* wake = std::get_if<WakeAt>(&action)) {
        if (!actions.empty()) continue;
        now = std::max(now, wake->at);
        take(session.on_tick(now));
      }
    }
    EXPECT_EQ(removed, 100U) << "seed " << seed;
    EXPECT_EQ(stored, 100U) << "seed " << seed;
    EXPECT_EQ(position.missing, 0U);
  }
}

}  // namespace
}  // namespace sallyport::telemetry
