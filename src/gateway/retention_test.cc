#include "gateway/retention.h"

#include <gtest/gtest.h>

#include <vector>

#include "net/run.h"

namespace sallyport::gateway {
namespace {

using telemetry::SampleTime;

// Knows how many old items it has, and who asked for what.
class AgeingSink final : public telemetry::TelemetrySink {
 public:
  explicit AgeingSink(std::uint64_t old) : old_(old) {}

  void commit(DeviceName, telemetry::Batch, Committed done) override { done(fail(Errc::internal, "not here")); }
  Result<telemetry::Acknowledgement> commit_and_wait(DeviceName, telemetry::Batch) override {
    return fail(Errc::internal, "not here");
  }
  Result<std::vector<telemetry::StoredItem>> query(const DeviceName&, const telemetry::StreamName&, SampleTime,
                                                   std::size_t) const override {
    return fail(Errc::internal, "not here");
  }
  Result<std::vector<telemetry::StoredItem>> newest(const DeviceName&, const telemetry::StreamName&,
                                                    std::size_t) const override {
    return fail(Errc::internal, "not here");
  }
  Result<std::vector<telemetry::StreamState>> streams(const DeviceName&) const override {
    return fail(Errc::internal, "not here");
  }
  void remove_before(SampleTime time, std::size_t limit, Removed done) override {
    asked.emplace_back(time, limit);
    if (is_broken) return done(fail(Errc::unavailable, "the disk is gone"));
    const std::uint64_t removed = std::min<std::uint64_t>(limit, old_);
    old_ -= removed;
    done(removed);
  }
  Result<std::uint64_t> remove_before_and_wait(SampleTime, std::size_t) override {
    return fail(Errc::internal, "not here");
  }

  std::vector<std::pair<SampleTime, std::size_t>> asked;
  bool is_broken = false;

 private:
  std::uint64_t old_;
};

const SampleTime kBefore{seconds(1'780'000'000)};

Result<std::uint64_t> forgotten_by(AgeingSink& sink) {
  net::Io io;
  return *net::run(io, forget_before(sink, kBefore));
}

TEST(TelemetryRetention, ForgetsAllThatIsOldInBoundedSteps) {
  AgeingSink sink(2 * kForgottenAtOnce + 7);
  EXPECT_EQ(forgotten_by(sink).value(), 2 * kForgottenAtOnce + 7);
  ASSERT_EQ(sink.asked.size(), 3U);
  for (const auto& [time, limit] : sink.asked) {
    EXPECT_EQ(time, kBefore);
    EXPECT_EQ(limit, kForgottenAtOnce);
  }
}

TEST(TelemetryRetention, AsksOnceWhereNothingIsOld) {
  AgeingSink sink(0);
  EXPECT_EQ(forgotten_by(sink).value(), 0U);
  EXPECT_EQ(sink.asked.size(), 1U);
}

TEST(TelemetryRetention, AStoreThatFailsIsNotAskedAgainInThisRound) {
  AgeingSink sink(5 * kForgottenAtOnce);
  sink.is_broken = true;
  EXPECT_EQ(forgotten_by(sink).error().code, Errc::unavailable);
  EXPECT_EQ(sink.asked.size(), 1U);
}

}  // namespace
}  // namespace sallyport::gateway
