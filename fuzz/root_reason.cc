// A reason that parses is written as it was read.
#include <cstdint>

#include "root/root.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const std::string_view text = as_text({data, size});
  if (const auto reason = root::parse_reason(text)) SALLYPORT_CHECK(root::reason_text(*reason) == text);
  return 0;
}
