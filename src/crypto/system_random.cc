#include "crypto/system_random.h"

#include <algorithm>

#include <openssl/rand.h>

namespace sallyport::crypto {

void SystemRandom::fill(std::span<std::uint8_t> out) {
  constexpr std::size_t kMaxChunk = 1U << 20U;
  while (!out.empty()) {
    const std::size_t chunk = std::min(out.size(), kMaxChunk);
    SALLYPORT_CHECK(RAND_priv_bytes(out.data(), static_cast<int>(chunk)) == 1);
    out = out.subspan(chunk);
  }
}

}  // namespace sallyport::crypto
