// Randomness as an argument.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace sallyport {

// A source of bytes that nobody can predict. Thread-safe. crypto/system_random.h is the real one.
class Random {
 public:
  virtual ~Random() = default;
  // Fills `out` whole; a source that cannot ends the process.
  virtual void fill(std::span<std::uint8_t> out) = 0;

  Bytes bytes(std::size_t count) {
    Bytes out(count);
    fill(out);
    return out;
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    std::array<std::uint8_t, N> out;
    fill(out);
    return out;
  }
  // Returns a number below `bound`, each equally likely. `bound` must be positive.
  std::uint64_t below(std::uint64_t bound);
};

// Repeats the same sequence for the same seed (SplitMix64). For tests and simulations alone.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::uint8_t> out) override;

 private:
  std::uint64_t state_;
};

}  // namespace sallyport
