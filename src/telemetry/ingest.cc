#include "telemetry/ingest.h"

#include <algorithm>

namespace sallyport::telemetry {

IngestDecision decide_ingest(const IngestPosition& before, const Batch& batch) {
  const auto first_new = std::ranges::find_if(
      batch.items, [&](std::uint64_t sequence) { return sequence > before.committed; }, &Item::sequence);
  IngestDecision decision;
  decision.duplicates = static_cast<std::size_t>(first_new - batch.items.begin());
  decision.after = before;
  decision.after.dropped = std::max(before.dropped, batch.dropped);
  const std::size_t fresh = batch.items.size() - decision.duplicates;
  if (fresh == 0) return decision;
  const std::uint64_t last = batch.items.back().sequence;
  decision.missing = last - before.committed - fresh;
  decision.after.committed = last;
  decision.after.missing = before.missing + decision.missing;
  return decision;
}

}  // namespace sallyport::telemetry
