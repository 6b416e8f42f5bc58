// Form bodies and percent-encoding: bounded, and stable when encoded again.
#include <cstdint>
#include <cstdlib>

#include "http/message.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = as_text(ByteView(data, size));
  const auto form = http::parse_form(text);
  if (form && form->size() > http::kMaxFormFields) std::abort();
  const auto decoded = http::percent_decode(text);
  if (decoded) {
    const auto again = http::percent_decode(http::percent_encode(*decoded));
    if (!again || *again != *decoded) std::abort();
  }
  return 0;
}
