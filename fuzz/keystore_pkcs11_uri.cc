// The place of a key in a token: what is accepted has all four of its parts.
#include "keystore/pkcs11.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const auto uri = keystore::parse_pkcs11_uri(as_text(ByteView(data, size)));
  if (!uri) return 0;
  SALLYPORT_CHECK(!uri->token.empty() && !uri->object.empty() && !uri->module.empty());
  SALLYPORT_CHECK(uri->token.find('\0') == std::string::npos);
  return 0;
}
