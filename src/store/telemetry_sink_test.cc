#include "store/telemetry_sink.h"

#include <gtest/gtest.h>

#include <future>

#include "store/detail/test_folder.h"
#include "store/telemetry_queue.h"
#include "telemetry/upload_session.h"

namespace sallyport::store {
namespace {

using telemetry::Batch;
using telemetry::SampleTime;
using telemetry::StreamIncarnation;
using telemetry::StreamName;

const DeviceName kDevice("abcdefghij");
const DeviceName kOtherDevice("zzzzzzzzzz");
const StreamName kSinkStream("default");

Batch batch_of(std::vector<std::uint64_t> sequences, std::uint8_t incarnation = 1, StreamName stream = kSinkStream) {
  Batch batch{.stream = std::move(stream), .incarnation = StreamIncarnation({incarnation}), .dropped = 0, .items = {}};
  for (const auto sequence : sequences) {
    const auto value = std::to_string(sequence);
    batch.items.push_back({.sequence = sequence,
                           .time = SampleTime(seconds(1'000 + sequence)),
                           .topic = "t",
                           .payload = to_bytes(value)});
  }
  return batch;
}

class TelemetrySinkTest : public testing::Test {
 protected:
  std::vector<std::uint64_t> stored(const DeviceName& device = kDevice, SampleTime from = {}) {
    std::vector<std::uint64_t> sequences;
    for (const auto& found : sink_->query(device, kSinkStream, from, 1'000).value())
      sequences.push_back(found.item.sequence);
    return sequences;
  }

  TestFolder folder_;
  std::unique_ptr<telemetry::TelemetrySink> sink_ = open_telemetry_sink(folder_.file("telemetry.db")).value();
};

using Sequences = std::vector<std::uint64_t>;

TEST_F(TelemetrySinkTest, StoresAndAcknowledges) {
  const auto answer = sink_->commit_and_wait(kDevice, batch_of({1, 2, 3}));
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->committed, 3U);
  EXPECT_EQ(answer->incarnation, StreamIncarnation({1}));
  const auto found = sink_->query(kDevice, kSinkStream, {}, 10).value();
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[1].item, batch_of({2}).items[0]);
}

TEST_F(TelemetrySinkTest, LeavesRoomForWhatElseIsWritten) {
  sink_.reset();
  std::filesystem::space_info disk{.capacity = 2'000, .free = 99, .available = 99};
  sink_ = open_telemetry_sink(folder_.file("telemetry.db"), {}, [&] { return disk; }).value();
  const auto refused = sink_->commit_and_wait(kDevice, batch_of({1}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::overloaded);
  EXPECT_TRUE(refused.error().detail.contains("the disk is full; make room")) << refused.error().detail;
  std::promise<Result<telemetry::Acknowledgement>> later;
  sink_->commit(kDevice, batch_of({1}), [&](const auto& answer) { later.set_value(answer); });
  EXPECT_EQ(later.get_future().get().error().code, Errc::overloaded);
  EXPECT_TRUE(stored().empty());
  disk.available = 100;
  EXPECT_TRUE(sink_->commit_and_wait(kDevice, batch_of({1})));
  EXPECT_EQ(telemetry_reserve(100), 5U);
  EXPECT_EQ(telemetry_reserve(std::uint64_t{1} << 50U), kTelemetryReserve);
}

TEST_F(TelemetrySinkTest, WhatItForgotIsRoomForWhatComes) {
  sink_.reset();
  constexpr std::uintmax_t kReserve = 1U << 20U;
  std::filesystem::space_info disk{.capacity = kReserve * 20, .free = kReserve, .available = kReserve};
  sink_ = open_telemetry_sink(folder_.file("telemetry.db"), {}, [&] { return disk; }).value();
  auto large = batch_of({1, 2, 3, 4, 5, 6, 7, 8});
  for (auto& item : large.items) item.payload = to_bytes("\"" + std::string(30'000, 'x') + "\"");
  ASSERT_TRUE(sink_->commit_and_wait(kDevice, large));
  disk.available = kReserve - 100'000;
  EXPECT_EQ(sink_->commit_and_wait(kDevice, batch_of({9})).error().code, Errc::overloaded);
  ASSERT_EQ(sink_->remove_before_and_wait(SampleTime(seconds(2'000)), 100).value(), 8U);
  EXPECT_TRUE(sink_->commit_and_wait(kDevice, batch_of({9})));
  disk.available = kReserve / 8;
  EXPECT_EQ(sink_->commit_and_wait(kDevice, batch_of({10})).error().code, Errc::overloaded)
      << "nothing is left to write with";
}

TEST_F(TelemetrySinkTest, StoresNothingTwice) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(sink_->commit_and_wait(kDevice, batch_of({1, 2, 3}))->committed, 3U);
  EXPECT_EQ(sink_->commit_and_wait(kDevice, batch_of({2, 3, 4}))->committed, 4U);
  EXPECT_EQ(sink_->commit_and_wait(kDevice, batch_of({1}))->committed, 4U)
      << "an old batch is answered with all there is";
  EXPECT_EQ(stored(), (Sequences{1, 2, 3, 4}));
}

TEST_F(TelemetrySinkTest, RemembersAfterReopening) {
  ASSERT_TRUE(sink_->commit_and_wait(kDevice, batch_of({1, 2})));
  sink_.reset();
  sink_ = open_telemetry_sink(folder_.file("telemetry.db")).value();
  EXPECT_EQ(sink_->commit_and_wait(kDevice, batch_of({1, 2, 3}))->committed, 3U);
  EXPECT_EQ(stored(), (Sequences{1, 2, 3}));
}

TEST_F(TelemetrySinkTest, KeepsDevicesStreamsAndIncarnationsApart) {
  ASSERT_TRUE(sink_->commit_and_wait(kDevice, batch_of({1, 2})));
  ASSERT_TRUE(sink_->commit_and_wait(kOtherDevice, batch_of({1})));
  ASSERT_TRUE(sink_->commit_and_wait(kDevice, batch_of({1}, 2)));
  ASSERT_TRUE(sink_->commit_and_wait(kDevice, batch_of({1}, 3, StreamName("other"))));
  EXPECT_EQ(stored(), (Sequences{1, 1, 2}));
  EXPECT_EQ(stored(kOtherDevice), (Sequences{1}));
  EXPECT_EQ(sink_->streams(kDevice)->size(), 2U);
  EXPECT_EQ(sink_->streams(kOtherDevice)->size(), 1U);
  EXPECT_TRUE(sink_->streams(DeviceName("nobodynobo"))->empty());
}

TEST_F(TelemetrySinkTest, CountsWhatNeverCame) {
  auto batch = batch_of({4, 7});
  batch.dropped = 3;
  ASSERT_TRUE(sink_->commit_and_wait(kDevice, batch));
  const auto streams = sink_->streams(kDevice).value();
  ASSERT_EQ(streams.size(), 1U);
  EXPECT_EQ(streams[0].items, 2U);
  EXPECT_EQ(streams[0].missing, 5U);
  EXPECT_EQ(streams[0].dropped, 3U);
  EXPECT_EQ(streams[0].newest, SampleTime(seconds(1'007)));
}

TEST_F(TelemetrySinkTest, SurvivesTheGreatestNumbers) {
  for (std::uint8_t incarnation = 1; incarnation <= 3; ++incarnation) {
    auto batch = batch_of({1}, incarnation);
    batch.items[0].sequence = telemetry::kMaxSequence;
    batch.dropped = telemetry::kMaxSequence;
    EXPECT_EQ(sink_->commit_and_wait(kDevice, batch)->committed, telemetry::kMaxSequence);
  }
  EXPECT_TRUE(sink_->streams(kDevice)) << "sums of them saturate";
}

TEST_F(TelemetrySinkTest, RefusesAnIncarnationUnderAnotherStream) {
  ASSERT_TRUE(sink_->commit_and_wait(kDevice, batch_of({1})));
  EXPECT_EQ(sink_->commit_and_wait(kDevice, batch_of({2}, 1, StreamName("other"))).error().code, Errc::conflict);
  EXPECT_EQ(sink_->streams(kDevice)->size(), 1U) << "the refused batch left nothing behind";
}

TEST_F(TelemetrySinkTest, BoundsStreamsOfADevice) {
  for (std::size_t i = 0; i < telemetry::kMaxStreamsPerDevice; ++i)
    ASSERT_TRUE(sink_->commit_and_wait(kDevice,
                                       batch_of({1}, static_cast<std::uint8_t>(i), StreamName(fmt::format("s{}", i)))));
  EXPECT_EQ(sink_->commit_and_wait(kDevice, batch_of({1}, 255, StreamName("more"))).error().code, Errc::overloaded);
  EXPECT_TRUE(sink_->commit_and_wait(kOtherDevice, batch_of({1})));
}

TEST_F(TelemetrySinkTest, AnswersChartsByTimeAndTailsByOrder) {
  auto late = batch_of({1, 2, 3});
  late.items[0].time = SampleTime(seconds(5'000));
  ASSERT_TRUE(sink_->commit_and_wait(kDevice, late));
  EXPECT_EQ(stored(), (Sequences{2, 3, 1}));
  EXPECT_EQ(stored(kDevice, SampleTime(seconds(1'003))), (Sequences{3, 1}));
  EXPECT_EQ(sink_->query(kDevice, kSinkStream, {}, 2)->size(), 2U);
  const auto tail = sink_->newest(kDevice, kSinkStream, 2).value();
  ASSERT_EQ(tail.size(), 2U);
  EXPECT_EQ(tail[0].item.sequence, 2U);
  EXPECT_EQ(tail[1].item.sequence, 3U);
  EXPECT_LT(tail[0].position, tail[1].position);
}

TEST_F(TelemetrySinkTest, ForgetsItemsButNotThatItHadThem) {
  ASSERT_TRUE(sink_->commit_and_wait(kDevice, batch_of({1, 2, 3, 4})));
  EXPECT_EQ(sink_->remove_before_and_wait(SampleTime(seconds(1'004)), 2).value(), 2U);
  EXPECT_EQ(sink_->remove_before_and_wait(SampleTime(seconds(1'004)), 2).value(), 1U);
  EXPECT_EQ(sink_->remove_before_and_wait(SampleTime(seconds(1'004)), 2).value(), 0U);
  std::promise<Result<std::uint64_t>> told;
  sink_->remove_before(SampleTime(seconds(1'004)), 2, [&](Result<std::uint64_t> removed) { told.set_value(removed); });
  EXPECT_EQ(told.get_future().get().value(), 0U);
  EXPECT_EQ(stored(), (Sequences{4}));
  EXPECT_EQ(sink_->streams(kDevice).value()[0].items, 1U);
  EXPECT_EQ(sink_->commit_and_wait(kDevice, batch_of({1, 2, 3, 4}))->committed, 4U);
  EXPECT_EQ(stored(), (Sequences{4}));
}

// Queue, session and sink together, over a line that loses and repeats.
TEST_F(TelemetrySinkTest, ReceivesEachItemOfAQueueOnce) {
  SeededRandom random(11);
  auto queue = open_telemetry_queue(folder_.file("queue.db"), {}, random).value();
  std::vector<telemetry::Sample> samples;
  for (int i = 0; i < 500; ++i)
    samples.push_back({.time = SampleTime(seconds(i)), .topic = "", .payload = to_bytes(std::string_view("1"))});
  ASSERT_TRUE(queue->append_and_wait(kSinkStream, samples));
  telemetry::UploadSession session({.batch = {.items = 20}}, random);
  Instant now{};
  std::vector<telemetry::UploadAction> actions = session.on_appended(now);
  while (!session.idle()) {
    ASSERT_FALSE(actions.empty());
    telemetry::UploadActions more;
    for (const auto& action : std::exchange(actions, {})) {
      if (const auto* read = std::get_if<telemetry::ReadQueue>(&action)) {
        more = session.on_read(queue->peek(read->limits).value(), now);
      } else if (const auto* send = std::get_if<telemetry::SendBatch>(&action)) {
        const auto answer = sink_->commit_and_wait(kDevice, telemetry::parse_batch(send->batch).value()).value();
        more = random.below(2) == 0 ? session.on_failure(now) : session.on_acknowledgement(answer, now);
      } else if (const auto* remove = std::get_if<telemetry::RemoveItems>(&action)) {
        ASSERT_TRUE(queue->remove_through_and_wait(remove->through));
        more = session.on_removed(now);
      } else if (actions.empty()) {
        now = std::get<telemetry::WakeAt>(action).at;
        more = session.on_tick(now);
      }
      actions.insert(actions.end(), more.begin(), more.end());
      more.clear();
    }
  }
  EXPECT_EQ(queue->state()->items, 0U);
  const auto streams = sink_->streams(kDevice).value();
  EXPECT_EQ(streams[0].items, 500U);
  EXPECT_EQ(streams[0].missing, 0U);
}

}  // namespace
}  // namespace sallyport::store
