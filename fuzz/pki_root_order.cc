// Nothing opens without a root; a payload that parses is written back as it was.
#include "pki/root_order.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const ByteView input(data, size);
  SALLYPORT_CHECK(!pki::open_root_order(input, {}));
  const auto order = pki::parse_root_order(input);
  if (order) SALLYPORT_CHECK(equal(pki::encode_root_order(*order), input));
  return 0;
}
