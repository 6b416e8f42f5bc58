// A certificate that parses is one whose bytes are all accounted for, and does so whatever key is known beforehand.
#include "pki/certificate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sallyport::ByteView input(data, size);
  static const sallyport::crypto::PublicKey other = sallyport::crypto::PrivateKey::generate().public_key();
  const auto certificate = sallyport::pki::parse_certificate(input);
  SALLYPORT_CHECK(sallyport::pki::parse_certificate_of(other, input).has_value() == certificate.has_value());
  if (!certificate) return 0;
  const auto again = sallyport::pki::parse_certificate_of(certificate->public_key(), input);
  SALLYPORT_CHECK(again && again->public_key() == certificate->public_key());
  SALLYPORT_CHECK(sallyport::equal(certificate->der(), input));
  SALLYPORT_CHECK(certificate->serial().content().size() <= sallyport::pki::kMaxSerialOctets);
  SALLYPORT_CHECK(certificate->validity().not_before <= certificate->validity().not_after);
  return 0;
}
