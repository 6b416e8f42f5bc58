#include "pki/signing_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sallyport::ByteView input(data, size);
  const auto request = sallyport::pki::parse_signing_request(input);
  if (request) {
    const auto again = sallyport::pki::parse_signing_request(sallyport::pki::encode_signing_request(*request));
    SALLYPORT_CHECK(again && again->index() == request->index());
  }
  const auto answer = sallyport::pki::parse_signing_answer(input);
  if (answer)
    SALLYPORT_CHECK(sallyport::pki::parse_signing_answer(sallyport::pki::encode_signing_answer(*answer)).has_value());
  return 0;
}
