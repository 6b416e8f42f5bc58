// A record that parses is shown in one line; one without holes lets no issuer act without an account.
#include "pki/caa.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::pki;
  const auto record = parse_caa_record({data, size});
  if (!record) return 0;
  SALLYPORT_CHECK(record->text().find('\n') == std::string::npos);
  const auto issuer = parse_caa_issuer(record->value);
  const bool is_closed = find_caa_holes(std::span(&*record, 1), std::nullopt).empty();
  if (!issuer || issuer->domain.empty() || !is_closed) return 0;
  SALLYPORT_CHECK(record->value.find('=') != std::string::npos);
  SALLYPORT_CHECK(issuer->parameters.size() >= 2);
  return 0;
}
