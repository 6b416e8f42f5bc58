// A request that parses is written and read again as the same.
#include "pki/ocsp.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::pki;
  const auto request = parse_ocsp_request({data, size});
  if (!request) return 0;
  const auto again = parse_ocsp_request(encode_ocsp_request(*request));
  SALLYPORT_CHECK(again && again->ids == request->ids && again->nonce == request->nonce);
  return 0;
}
