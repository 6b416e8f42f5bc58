// Bundles: one encoding per value.
#include <cstdint>
#include <cstdlib>

#include "sealed/bundle.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto bundle = sealed::parse_bundle(input);
  if (bundle && !equal(sealed::encode_bundle(*bundle), input)) std::abort();
  return 0;
}
