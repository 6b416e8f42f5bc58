#include "pki/csr.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sallyport::ByteView input(data, size);
  const auto request = sallyport::pki::parse_csr(input);
  if (request) SALLYPORT_CHECK(sallyport::equal(request->der, input));
  return 0;
}
