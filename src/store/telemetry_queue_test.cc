#include "store/telemetry_queue.h"

#include <gtest/gtest.h>

#include <future>

#include "store/detail/sqlite.h"
#include "store/detail/test_folder.h"

namespace sallyport::store {
namespace {

using telemetry::Acknowledgement;
using telemetry::Sample;
using telemetry::StreamName;

const StreamName kStream("default");
const StreamName kOther("other");

std::vector<Sample> samples(std::size_t count, std::string_view payload = "1") {
  std::vector<Sample> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back({.time = telemetry::SampleTime(seconds(100 + i)), .topic = "t", .payload = to_bytes(payload)});
  return out;
}

// A JSON text that takes `size` bytes.
std::string text_of(std::size_t size) {
  return '"' + std::string(size - 2, 'x') + '"';
}

class TelemetryQueueTest : public testing::Test {
 protected:
  void open(TelemetryQueueSettings settings = {}) {
    queue_.reset();
    auto opened = open_telemetry_queue(folder_.file("queue.db"), std::move(settings), random_);
    ASSERT_TRUE(opened) << opened.error().detail;
    queue_ = std::move(*opened);
  }
  std::vector<std::uint64_t> peeked(telemetry::BatchLimits limits = {}) {
    std::vector<std::uint64_t> sequences;
    const auto batch = queue_->peek(limits).value();
    if (!batch) return sequences;
    for (const auto& item : batch->items) sequences.push_back(item.sequence);
    return sequences;
  }
  Acknowledgement acknowledgement(std::uint64_t committed) {
    return {.incarnation = queue_->peek({}).value()->incarnation, .committed = committed};
  }
  void change_file(const std::string& sql) {
    queue_.reset();
    auto database = Database::open(folder_.file("queue.db"), Database::Open::existing).value();
    ASSERT_TRUE(database.execute(sql));
  }

  TestFolder folder_;
  SeededRandom random_{3};
  std::unique_ptr<telemetry::TelemetryQueue> queue_;
};

TEST_F(TelemetryQueueTest, GivesBackWhatWasAppended) {
  open();
  EXPECT_FALSE(queue_->peek({}).value().has_value());
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(3, R"({"v":1})")));
  const auto batch = queue_->peek({}).value();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->stream, kStream);
  EXPECT_EQ(batch->dropped, 0U);
  ASSERT_EQ(batch->items.size(), 3U);
  EXPECT_EQ(batch->items[2].sequence, 3U);
  EXPECT_EQ(batch->items[2].time, telemetry::SampleTime(seconds(102)));
  EXPECT_EQ(batch->items[2].topic, "t");
  EXPECT_EQ(as_text(batch->items[2].payload), R"({"v":1})");
  EXPECT_EQ(queue_->peek({}).value(), batch) << "peek removes nothing";
}

TEST_F(TelemetryQueueTest, KeepsItemsNumbersAndIncarnationWhenReopened) {
  open();
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(3)));
  const auto before = queue_->peek({}).value();
  open();
  EXPECT_EQ(queue_->peek({}).value(), before);
  ASSERT_TRUE(queue_->remove_through_and_wait(acknowledgement(3)));
  open();
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(1)));
  EXPECT_EQ(peeked(), (std::vector<std::uint64_t>{4})) << "numbers go on after everything was removed";
}

TEST_F(TelemetryQueueTest, RemovesOnlyWhatWasAcknowledgedAndIdempotently) {
  open();
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(5)));
  const auto up_to_2 = acknowledgement(2);
  ASSERT_TRUE(queue_->remove_through_and_wait(up_to_2));
  ASSERT_TRUE(queue_->remove_through_and_wait(up_to_2));
  EXPECT_EQ(peeked(), (std::vector<std::uint64_t>{3, 4, 5}));
  ASSERT_TRUE(queue_->remove_through_and_wait({.incarnation = telemetry::StreamIncarnation({1}), .committed = 5}));
  EXPECT_EQ(peeked().size(), 3U) << "a foreign incarnation removes nothing";
  EXPECT_EQ(queue_->state()->items, 3U);
}

TEST_F(TelemetryQueueTest, BatchesWithinItsLimitsButNeverNothing) {
  open();
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(10, text_of(1'000))));
  EXPECT_EQ(peeked({.items = 4}).size(), 4U);
  EXPECT_EQ(peeked({.bytes = 3 * 1'100}).size(), 3U);
  EXPECT_EQ(peeked({.bytes = 1}).size(), 1U);
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(40, text_of(60'000))));
  const auto batch = queue_->peek({}).value();
  EXPECT_LE(telemetry::encode_batch(*batch).size(), telemetry::kMaxBatchBytes);
}

TEST_F(TelemetryQueueTest, SendsTheStreamThatWaitsLongest) {
  open();
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(2)));
  ASSERT_TRUE(queue_->append_and_wait(kOther, samples(2)));
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(2)));
  EXPECT_EQ(queue_->peek({})->value().stream, kStream);
  ASSERT_TRUE(queue_->remove_through_and_wait(acknowledgement(2)));
  const auto next = queue_->peek({}).value();
  EXPECT_EQ(next->stream, kOther);
  EXPECT_EQ(next->items[0].sequence, 1U) << "each stream counts for itself";
}

TEST_F(TelemetryQueueTest, RefusesAllOrNothingWhenFull) {
  open({.limits = {.items = 5}, .when_full = {}});
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(4)));
  const auto refused = queue_->append_and_wait(kStream, samples(2));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::overloaded);
  EXPECT_EQ(queue_->state()->items, 4U);
  EXPECT_EQ(queue_->state()->refused, 2U);
  EXPECT_TRUE(queue_->append_and_wait(kStream, samples(1)));
  ASSERT_TRUE(queue_->remove_through_and_wait(acknowledgement(5)));
  EXPECT_TRUE(queue_->append_and_wait(kStream, samples(5)));
  EXPECT_EQ(peeked(), (std::vector<std::uint64_t>{6, 7, 8, 9, 10})) << "what was refused took no number";
}

TEST_F(TelemetryQueueTest, RefusesOverItsBytes) {
  open({.limits = {.bytes = 10'000}, .when_full = {}});
  EXPECT_TRUE(queue_->append_and_wait(kStream, samples(9, text_of(1'000))));
  EXPECT_EQ(queue_->append_and_wait(kStream, samples(1, text_of(1'000))).error().code, Errc::overloaded);
}

TEST_F(TelemetryQueueTest, DropsTheOldestWhereAStreamOptedInAndTellsTheGap) {
  open({.limits = {.items = 5}, .when_full = {{kStream, telemetry::WhenFull::drop_oldest}}});
  ASSERT_TRUE(queue_->append_and_wait(kOther, samples(2)));
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(3)));
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(2)));
  EXPECT_EQ(queue_->state()->items, 5U);
  EXPECT_EQ(queue_->state()->dropped, 2U);
  EXPECT_EQ(queue_->append_and_wait(kStream, samples(4)).error().code, Errc::overloaded)
      << "another stream's items are never dropped";
  ASSERT_TRUE(queue_->remove_through_and_wait(acknowledgement(2)));
  const auto batch = queue_->peek({}).value();
  EXPECT_EQ(batch->stream, kStream);
  EXPECT_EQ(batch->dropped, 2U);
  EXPECT_EQ(batch->items.front().sequence, 3U);
  EXPECT_EQ(batch->items.back().sequence, 5U);
}

TEST_F(TelemetryQueueTest, RefusesMalformedSamplesWhole) {
  open();
  auto bad = samples(3);
  bad[1].payload = to_bytes(std::string_view("{"));
  EXPECT_EQ(queue_->append_and_wait(kStream, bad).error().code, Errc::malformed);
  EXPECT_EQ(queue_->append_and_wait(StreamName("Not a name"), samples(1)).error().code, Errc::malformed);
  EXPECT_EQ(queue_->append_and_wait(kStream, {}).error().code, Errc::malformed);
  EXPECT_EQ(queue_->state()->items, 0U);
}

TEST_F(TelemetryQueueTest, CompletesAppendsOnceTheyAreDurable) {
  open();
  std::promise<Result<void>> promise;
  queue_->append(kStream, samples(1), [&](Result<void> result) { promise.set_value(std::move(result)); });
  EXPECT_TRUE(promise.get_future().get());
  auto reader = Database::open(folder_.file("queue.db"), Database::Open::existing).value();
  EXPECT_EQ(reader.integer("SELECT count(*) FROM item").value(), 1);
}

TEST_F(TelemetryQueueTest, GoesOnAfterARecordThatTheDiskSpoilt) {
  open();
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(5)));
  change_file("UPDATE item SET payload = x'32' WHERE sequence IN (1, 3)");
  open();
  const auto batch = queue_->peek({}).value();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->dropped, 2U);
  EXPECT_EQ(peeked(), (std::vector<std::uint64_t>{2, 4, 5}));
  EXPECT_EQ(queue_->state()->items, 3U);
  EXPECT_EQ(queue_->state()->dropped, 2U);
  ASSERT_TRUE(queue_->remove_through_and_wait(acknowledgement(5)));
  EXPECT_EQ(queue_->state()->bytes, 0U) << "the totals stay exact";
}

TEST_F(TelemetryQueueTest, GoesOnWhenNothingOfAStreamCanBeRead) {
  open();
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(2)));
  ASSERT_TRUE(queue_->append_and_wait(kOther, samples(1)));
  change_file("UPDATE item SET time = time + 1 WHERE stream = 1");
  open();
  EXPECT_EQ(queue_->peek({})->value().stream, kOther);
}

TEST_F(TelemetryQueueTest, DrawsAnotherIncarnationWhenMadeAnew) {
  open();
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(1)));
  const auto first = acknowledgement(0).incarnation;
  queue_.reset();
  for (const char* suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(folder_.file(std::string("queue.db") + suffix));
  open();
  ASSERT_TRUE(queue_->append_and_wait(kStream, samples(1)));
  EXPECT_NE(acknowledgement(0).incarnation, first);
}

}  // namespace
}  // namespace sallyport::store
