// Input: the choice of a parser u8, then the text, number or certificate it reads.
#include <cstdint>

#include "pki/certificate.h"
#include "pki/crl.h"
#include "pki/profile.h"
#include "pki/serial_number.h"
#include "pki/verify.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  if (size == 0) return 0;
  const std::string_view text = as_text({data + 1, size - 1});
  switch (data[0] % 6) {
    case 0:
      static_cast<void>(pki::parse_control_kind(text));
      break;
    case 1: {
      const auto serial = pki::SerialNumber::parse_hex(text);
      if (serial) SALLYPORT_CHECK(pki::SerialNumber::parse_hex(serial->hex()).has_value());
      break;
    }
    case 2:
      static_cast<void>(pki::parse_certificates_pem(text));
      break;
    case 3:
      static_cast<void>(pki::parse_profile_id(static_cast<std::uint8_t>(size)));
      break;
    case 4:
      static_cast<void>(pki::parse_revocation_reason(size));
      break;
    default: {
      const std::vector<Bytes> sent(size % 9, to_bytes(ByteView(data + 1, size - 1)));
      static_cast<void>(pki::parse_chain(sent));
      break;
    }
  }
  return 0;
}
