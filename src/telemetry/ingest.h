// The gateway's decision about a batch: what of it is new. Pure.
#pragma once

#include <cstdint>

#include "telemetry/batch.h"

namespace sallyport::telemetry {

// What is remembered of one incarnation of one device's stream. All zero before its first batch.
struct IngestPosition {
  std::uint64_t committed = 0;  // greatest sequence stored
  std::uint64_t missing = 0;    // sequences below it that never came
  std::uint64_t dropped = 0;    // greatest count of given-up items that the device told

  friend bool operator==(const IngestPosition&, const IngestPosition&) = default;
};

struct IngestDecision {
  std::size_t duplicates = 0;  // the first items of the batch that are stored already; the rest is new
  std::uint64_t missing = 0;   // sequences that this batch steps over
  IngestPosition after;        // to be stored in the transaction that stores the new items
};

// Items up to `before.committed` are duplicates whatever they hold; those after it are new, and numbers between them
// that are absent are missing for ever: a later batch that brings them finds them below `committed`.
IngestDecision decide_ingest(const IngestPosition& before, const Batch& batch);

}  // namespace sallyport::telemetry
