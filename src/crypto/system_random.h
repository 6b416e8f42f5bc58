// The operating system's randomness through OpenSSL's generator.
#pragma once

#include "base/random.h"

namespace sallyport::crypto {

// Thread-safe. A generator that fails ends the process.
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

}  // namespace sallyport::crypto
