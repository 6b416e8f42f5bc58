// What path validation may cost, whatever certificates it is given.
#pragma once

#include <cstddef>

namespace sallyport::pki {

// Counts, per path validation, the revocation checks on top included. Chosen so that the worst case stays far below
// what one honest handshake costs a hundred times over, and no sound chain comes near.
inline constexpr std::size_t kMaxSignatureChecks = 100;
inline constexpr std::size_t kMaxNameComparisons = 250'000;
inline constexpr std::size_t kMaxPathSteps = 2'000;  // certificates tried as somebody's issuer

// What one validation has spent. Not thread-safe.
struct Work {
  std::size_t signatures = 0;
  std::size_t comparisons = 0;
  std::size_t steps = 0;

  // Each counts one more and says whether that is still within the limit.
  bool spend_signature() { return ++signatures <= kMaxSignatureChecks; }
  bool spend_comparison() { return ++comparisons <= kMaxNameComparisons; }
  bool spend_step() { return ++steps <= kMaxPathSteps; }
  bool is_spent() const {
    return signatures > kMaxSignatureChecks || comparisons > kMaxNameComparisons || steps > kMaxPathSteps;
  }
};

}  // namespace sallyport::pki
