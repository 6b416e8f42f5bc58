// Parses a snapshot manifest; what parses is written again in the same bytes.
#include <cstdint>

#include "pki/snapshot_manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const ByteView payload(data, size);
  auto manifest = pki::parse_snapshot_manifest(payload);
  if (manifest) SALLYPORT_CHECK(equal(pki::encode_snapshot_manifest(*manifest), payload));
  return 0;
}
