// A reason that parses is one word in two spellings, and is read again as it is written.
#include <algorithm>
#include <cstdint>
#include <string>

#include "root/root.h"

namespace {

// Of both spellings, key-compromise and keyCompromise.
std::string letters_of(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '-') out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const std::string_view text = as_text({data, size});
  const auto reason = root::parse_reason(text);
  if (!reason) return 0;
  const std::string_view written = root::reason_text(*reason);
  SALLYPORT_CHECK(letters_of(written) == letters_of(text));
  SALLYPORT_CHECK(root::parse_reason(written).value() == *reason);
  return 0;
}
