// A stream name that parses is the text that was read.
#include <cstdint>

#include "telemetry/batch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const std::string_view text = as_text({data, size});
  if (const auto name = telemetry::parse_stream_name(text)) SALLYPORT_CHECK(name->get() == text);
  return 0;
}
