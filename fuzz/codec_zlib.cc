// Inflates any input; never more than the cap, and what is accepted must survive being deflated and inflated again.

#include <cstdlib>

#include "codec/zlib.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMost = 65'536;
  const auto inflated = codec::inflate_zlib({data, size}, kMost);
  if (!inflated) return 0;
  if (inflated->size() > kMost) std::abort();
  const auto again = codec::inflate_zlib(codec::deflate_zlib(*inflated), inflated->size());
  if (!again || *again != *inflated) std::abort();
  return 0;
}
