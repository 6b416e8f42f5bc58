// Input: the body of an entry form as a browser posts it.
#include <cstdint>

#include "tunnel/entry_gate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static_cast<void>(sallyport::tunnel::parse_entry_form({data, size}));
  return 0;
}
