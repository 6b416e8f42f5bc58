#include "pki/est.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const ByteView input(data, size);
  const auto certificates = pki::parse_certs_only(input);
  if (certificates) SALLYPORT_CHECK(pki::parse_certs_only(pki::encode_certs_only(*certificates)).has_value());
  const auto body = pki::decode_est_body(as_text(input));
  if (!body) return 0;
  const auto again = pki::decode_est_body(pki::encode_est_body(*body));
  if (again) SALLYPORT_CHECK(equal(*again, *body));
  return 0;
}
