// The bound of live OCSP answers: how many P-256 signatures a core makes in a second, with the key type that the
// product signs with.
//
//   bench_sign SECONDS
//
// Prints {"per_second":…}.
#include <cstdio>
#include <cstdlib>

#include "base/time.h"
#include "crypto/key.h"

int main(int count, char** words) {
  using namespace sallyport;
  const double wanted = count == 2 ? std::atof(words[1]) : 1.0;
  auto key = crypto::PrivateKey::generate();
  const Bytes message(300, 0x30);
  const SystemClock clock;
  const Instant began = clock.monotonic();
  std::uint64_t signatures = 0;
  double took = 0;
  while (took < wanted) {
    for (int i = 0; i < 256; ++i) {
      if (!key.sign(message)) return 1;
    }
    signatures += 256;
    took = std::chrono::duration<double>(clock.monotonic() - began).count();
  }
  std::printf("{\"per_second\":%.1f}\n", static_cast<double>(signatures) / took);
  return 0;
}
