// Entries of the log, and what agents get of them.
#include "tlog/entry.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto entry = tlog::parse_log_entry(input);
  if (!entry) return 0;
  SALLYPORT_CHECK(equal(tlog::encode_log_entry(*entry), input));
  const Bytes head = tlog::encode_entry_head(*entry);
  SALLYPORT_CHECK(head.size() <= size && equal(head, input.first(head.size())));
  return 0;
}
