// Every entry of a list that parses is found again.
#include "pki/crl.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto crl = sallyport::pki::parse_crl({data, size});
  if (!crl) return 0;
  for (const auto& entry : crl->entries()) SALLYPORT_CHECK(crl->find(entry.serial) == &entry);
  return 0;
}
