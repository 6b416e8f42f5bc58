#include "status/presigned.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const ByteView input(data, size);
  const auto presigned = status::parse_presigned(input);
  if (presigned) SALLYPORT_CHECK(equal(status::encode_presigned(*presigned), input));
  return 0;
}
