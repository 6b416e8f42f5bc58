// Parses a ledger file; its sound part, written again record by record, is the same bytes.
#include <cstdint>

#include "factory/ledger_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const ByteView bytes(data, size);
  const auto file = factory::parse_ledger_file(bytes);
  if (!file || file->sound_size == 0) return 0;
  Bytes again = to_bytes(factory::kLedgerMagic);
  for (const auto& record : file->records) append(again, factory::encode_ledger_record(record, again.size()));
  SALLYPORT_CHECK(equal(again, bytes.first(static_cast<std::size_t>(file->sound_size))));
  return 0;
}
