// A certificate that parses is one whose bytes are all accounted for.
#include "pki/certificate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sallyport::ByteView input(data, size);
  const auto certificate = sallyport::pki::parse_certificate(input);
  if (!certificate) return 0;
  SALLYPORT_CHECK(sallyport::equal(certificate->der(), input));
  SALLYPORT_CHECK(certificate->serial().content().size() <= sallyport::pki::kMaxSerialOctets);
  SALLYPORT_CHECK(certificate->validity().not_before <= certificate->validity().not_after);
  return 0;
}
