// Whatever parses is written back as the same bytes.
#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "telemetry/batch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const ByteView input(data, size);
  const auto acknowledgement = telemetry::parse_acknowledgement(input);
  if (!acknowledgement) return 0;
  SALLYPORT_CHECK(equal(telemetry::encode_acknowledgement(*acknowledgement), input));
  return 0;
}
