// Input: the fields of a status report. What is taken must have one encoding.
#include <cstdint>

#include "records/status_report.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::records;
  const auto report = parse_status_report(sallyport::ByteView(data, size));
  if (!report) return 0;
  const auto again = parse_status_report(encode(*report));
  if (!again || *again != *report) __builtin_trap();
  return 0;
}
