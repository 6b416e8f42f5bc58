#include "telemetry/ingest.h"

#include <gtest/gtest.h>

#include <set>

namespace sallyport::telemetry {
namespace {

Batch batch_of(std::vector<std::uint64_t> sequences, std::uint64_t dropped = 0) {
  Batch batch{.stream = StreamName("s"), .incarnation = {}, .dropped = dropped, .items = {}};
  for (const auto sequence : sequences)
    batch.items.push_back({.sequence = sequence, .time = {}, .topic = {}, .payload = {}});
  return batch;
}

struct Case {
  const char* what;
  IngestPosition before;
  std::vector<std::uint64_t> sequences;
  std::uint64_t told_dropped;
  std::size_t duplicates;
  IngestPosition after;
};

TEST(Ingest, DecidesNewDuplicateAndMissing) {
  const Case cases[] = {
      {"the first batch", {}, {1, 2, 3}, 0, 0, {3, 0, 0}},
      {"the next batch", {3, 0, 0}, {4, 5}, 0, 0, {5, 0, 0}},
      {"the same batch again", {3, 0, 0}, {1, 2, 3}, 0, 3, {3, 0, 0}},
      {"an older batch", {9, 0, 0}, {1, 2, 3}, 0, 3, {9, 0, 0}},
      {"a batch known in part", {3, 0, 0}, {2, 3, 4, 5}, 0, 2, {5, 0, 0}},
      {"a first batch after drops", {}, {11, 12}, 10, 0, {12, 10, 10}},
      {"a hole between batches", {3, 0, 0}, {6}, 2, 0, {6, 2, 2}},
      {"a hole inside a batch", {3, 1, 1}, {4, 7}, 3, 0, {7, 3, 3}},
      {"a hole among duplicates", {9, 2, 2}, {3, 8}, 2, 2, {9, 2, 2}},
      {"a hole across old and new", {9, 0, 0}, {8, 12}, 2, 1, {12, 2, 2}},
      {"a late batch that would fill a hole", {9, 4, 4}, {2, 3}, 4, 2, {9, 4, 4}},
      {"a count of drops that fell", {9, 4, 4}, {10}, 1, 0, {10, 4, 4}},
      {"the greatest sequence", {}, {~0ULL}, 0, 0, {~0ULL, ~0ULL - 1, 0}},
  };
  for (const Case& c : cases) {
    const IngestDecision decision = decide_ingest(c.before, batch_of(c.sequences, c.told_dropped));
    EXPECT_EQ(decision.duplicates, c.duplicates) << c.what;
    EXPECT_EQ(decision.after, c.after) << c.what;
    EXPECT_EQ(decision.missing, c.after.missing - c.before.missing) << c.what;
  }
}

TEST(Ingest, StoresEachItemOnceUnderAnyRepetition) {
  SeededRandom random(4);
  for (int round = 0; round < 200; ++round) {
    IngestPosition position;
    std::multiset<std::uint64_t> stored;
    std::uint64_t acknowledged = 0;
    while (acknowledged < 50) {
      const std::uint64_t last = std::min<std::uint64_t>(50, acknowledged + 1 + random.below(8));
      std::vector<std::uint64_t> sequences;
      for (std::uint64_t s = acknowledged + 1; s <= last; ++s) sequences.push_back(s);
      const Batch batch = batch_of(sequences);
      for (std::uint64_t copies = 1 + random.below(3); copies > 0; --copies) {
        const auto decision = decide_ingest(position, batch);
        for (std::size_t i = decision.duplicates; i < sequences.size(); ++i) stored.insert(sequences[i]);
        position = decision.after;
      }
      if (random.below(3) != 0) acknowledged = position.committed;  // else the answer is lost and a new batch overlaps
    }
    EXPECT_EQ(stored.size(), 50U);
    EXPECT_EQ(std::set<std::uint64_t>(stored.begin(), stored.end()).size(), 50U);
    EXPECT_EQ(position, (IngestPosition{50, 0, 0}));
  }
}

}  // namespace
}  // namespace sallyport::telemetry
