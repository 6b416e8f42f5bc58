// Certificates of anybody: what can be read of them is printable, and the names are those of the whole parser where
// that takes the certificate too.
#include <cstdint>

#include "pki/certificate.h"
#include "pki/foreign_names.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto names = pki::parse_foreign_names(input);
  if (const auto whole = pki::parse_certificate(input)) {
    SALLYPORT_CHECK(names.has_value() && names->issuer == whole->issuer() && names->subject == whole->subject());
  }
  if (!names) return 0;
  for (const auto& name : {names->issuer, names->subject}) {
    for (const char c : name.text()) SALLYPORT_CHECK(static_cast<unsigned char>(c) >= 0x20);
  }
  return 0;
}
