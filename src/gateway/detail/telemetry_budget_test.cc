#include "gateway/detail/telemetry_budget.h"

#include <gtest/gtest.h>

#include "telemetry/batch.h"

namespace sallyport::gateway {
namespace {

constexpr std::size_t kBatch = telemetry::kMaxBatchBytes;
const DeviceName kDevice("abcdefgh22");
const DeviceName kOther("abcdefgh33");
const Instant kBegin{std::chrono::hours(1)};

std::size_t taken_at_once(TelemetryBudget& budget, const DeviceName& device, bool is_claimed, Instant now) {
  std::size_t batches = 0;
  while (batches < 1'000 && budget.take(device, is_claimed, kBatch, now)) ++batches;
  return batches;
}

TEST(TelemetryBudget, ADeviceStoresSoMuchAndOthersGoOn) {
  TelemetryBudget budget;
  EXPECT_EQ(taken_at_once(budget, kDevice, true, kBegin), static_cast<std::size_t>(kClaimedTelemetry.burst) / kBatch);
  EXPECT_TRUE(budget.take(kOther, true, kBatch, kBegin));
  const auto one_batch = std::chrono::duration_cast<Instant::duration>(
      std::chrono::duration<double>(static_cast<double>(kBatch) / kClaimedTelemetry.per_second));
  EXPECT_FALSE(budget.take(kDevice, true, kBatch, kBegin + one_batch / 2));
  EXPECT_TRUE(budget.take(kDevice, true, kBatch, kBegin + one_batch + milliseconds(1)));
  EXPECT_FALSE(budget.take(kDevice, true, kBatch, kBegin + one_batch + milliseconds(2)));
}

TEST(TelemetryBudget, WhatIsNobodysStoresNextToNothing) {
  TelemetryBudget budget;
  EXPECT_EQ(taken_at_once(budget, kDevice, false, kBegin), 1U);
  EXPECT_FALSE(budget.take(kDevice, false, 4'096, kBegin + seconds(60)));
  EXPECT_TRUE(budget.take(kDevice, false, 1'024, kBegin + seconds(60)));
  EXPECT_TRUE(budget.take(kDevice, true, kBatch, kBegin + seconds(61))) << "as soon as somebody claims it";
}

TEST(TelemetryBudget, TellsWhenThereIsEnough) {
  TelemetryBudget budget;
  EXPECT_EQ(budget.wait_for(kDevice, false, kBatch, kBegin), seconds(0));
  ASSERT_TRUE(budget.take(kDevice, false, kBatch, kBegin));
  constexpr std::size_t kSmall = 16'384;
  const seconds wait = budget.wait_for(kDevice, false, kSmall, kBegin);
  EXPECT_EQ(wait, seconds(256));
  EXPECT_FALSE(budget.take(kDevice, false, kSmall, kBegin + wait - seconds(1)));
  EXPECT_EQ(budget.wait_for(kDevice, false, kSmall, kBegin + wait - seconds(1)), seconds(1));
  EXPECT_TRUE(budget.take(kDevice, false, kSmall, kBegin + wait));
  EXPECT_EQ(budget.wait_for(kDevice, false, kBatch, kBegin), kMostTelemetryWait);
  EXPECT_EQ(budget.wait_for(kDevice, true, kBatch, kBegin), seconds(0)) << "as soon as somebody claims it";
}

}  // namespace
}  // namespace sallyport::gateway
