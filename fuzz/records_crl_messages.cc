// Input: one byte that says which message, then its fields.
#include <cstdint>

#include "records/crl_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::records;
  if (size == 0) return 0;
  const sallyport::ByteView fields(data + 1, size - 1);
  if (data[0] % 2 == 0) {
    const auto request = parse_crl_request(fields);
    if (request && !parse_crl_request(encode(*request))) __builtin_trap();
  } else {
    const auto portion = parse_crl_portion(fields);
    if (portion && !parse_crl_portion(encode(*portion))) __builtin_trap();
  }
  return 0;
}
