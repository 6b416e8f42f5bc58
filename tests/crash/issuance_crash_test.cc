// Crashes at every point of issuance (hostile cases D2 and D4, promises P3 and P4): no certificate without a record, no
// quota drift, no acknowledged revocation undone, whatever of the unsynced writes survived.
#include <gtest/gtest.h>

#include <cstdio>

#include "issuance.h"

namespace sallyport::crash {
namespace {

void report(const char* what, const Explored& explored) {
  std::printf("%s: %zu crash points, %zu different states, %zu openings\n", what, explored.points, explored.states,
              explored.openings);
  for (const std::string& broken : explored.broken) ADD_FAILURE() << broken;
}

TEST(D2CrashAtEveryPointOfIssuance, LeavesNoCertificateWithoutARecordAndNoQuotaDrift) {
  Issuance issuance;
  const History history = issuance.record();
  ASSERT_FALSE(testing::Test::HasFailure());
  std::size_t refused = 0;
  for (const Ask& ask : history.asks) refused += ask.refusal ? 1U : 0U;
  ASSERT_EQ(refused, Issuance::kDevices - Issuance::kQuota) << "exactly as many connect as the quota allows";
  const std::size_t wanted = wanted_states(10'000, 100'000);
  const Explored explored =
      explore(history.recording, wanted, 20'261'121, [&](const Image& left, std::size_t point, std::uint64_t seed) {
        return issuance.examine(history, left, point, seed);
      });
  report("issuance", explored);
  EXPECT_GE(explored.states, wanted);
}

}  // namespace
}  // namespace sallyport::crash
