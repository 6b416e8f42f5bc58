#include "pki/permit.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sallyport::ByteView input(data, size);
  const auto permit = sallyport::pki::parse_permit(input);
  if (permit) SALLYPORT_CHECK(sallyport::equal(sallyport::pki::encode_permit(*permit), input));
  return 0;
}
