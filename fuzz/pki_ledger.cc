#include "pki/ledger.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sallyport::ByteView input(data, size);
  const auto ledger = sallyport::pki::parse_ledger_export(input);
  if (ledger) SALLYPORT_CHECK(sallyport::equal(sallyport::pki::encode_ledger_export(*ledger), input));
  const auto entry = sallyport::pki::parse_ledger_entry(input);
  if (entry) SALLYPORT_CHECK(sallyport::equal(sallyport::pki::encode_ledger_entry(*entry), input));
  return 0;
}
