// Input: frame type u8, then its payload. A payload that parses is a frame that encodes and parses again.
#include <cstdint>

#include "tunnel/frames.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  if (size == 0) return 0;
  const auto frame = tunnel::parse_payload(data[0], {data + 1, size - 1});
  if (!frame) return 0;
  SALLYPORT_CHECK(tunnel::parse_frame(tunnel::encode_frame(*frame)).has_value());
  return 0;
}
