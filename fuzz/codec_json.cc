// Parses any input; what is accepted must be written as JSON that parses to the same value.

#include <cstdlib>

#include "codec/json.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = codec::parse_json(as_text({data, size}));
  if (!parsed) return 0;
  const std::string written = parsed->write();
  const codec::JsonLimits wide{.size = written.size()};  // escapes may have grown the text
  const auto again = codec::parse_json(written, wide);
  if (!again || !(*again == *parsed) || again->write() != written) std::abort();
  return 0;
}
