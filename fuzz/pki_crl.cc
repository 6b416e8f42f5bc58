// Every entry of a list that parses is found again; what is accepted as our own is accepted as anybody's.
#include "pki/crl.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto own = sallyport::pki::parse_crl({data, size});
  const auto crl = sallyport::pki::parse_foreign_crl({data, size});
  if (!crl) return 0;
  for (const auto& entry : crl->entries())
    SALLYPORT_CHECK(crl->find(crl->issuer(), entry.serial) == crl->find(entry.serial));
  if (own) SALLYPORT_CHECK(own->entries().size() == crl->entries().size());
  return 0;
}
