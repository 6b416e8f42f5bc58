// Whatever parses is within its limits and is written back as the same bytes.
#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "telemetry/batch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const ByteView input(data, size);
  const auto batch = telemetry::parse_batch(input);
  if (!batch) return 0;
  SALLYPORT_CHECK(equal(telemetry::encode_batch(*batch), input));
  return 0;
}
