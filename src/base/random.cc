#include "base/random.h"

#include <limits>

namespace sallyport {

std::uint64_t Random::below(std::uint64_t bound) {
  SALLYPORT_CHECK(bound > 0);
  const std::uint64_t limit =
      std::numeric_limits<std::uint64_t>::max() - std::numeric_limits<std::uint64_t>::max() % bound;
  for (;;) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : array<8>()) value = (value << 8U) | byte;
    if (value < limit) return value % bound;
  }
}

void SeededRandom::fill(std::span<std::uint8_t> out) {
  for (std::uint8_t& byte : out) {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    byte = static_cast<std::uint8_t>(z ^ (z >> 31U));
  }
}

}  // namespace sallyport
