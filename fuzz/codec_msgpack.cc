// Parses any input; what is accepted must be written as MessagePack that parses to the same value.

#include <cstdlib>

#include "codec/msgpack.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = codec::parse_msgpack({data, size});
  if (!parsed) return 0;
  const Bytes written = codec::write_msgpack(*parsed);
  const codec::JsonLimits wide{.size = 2 * size};  // numbers in single precision are written in double
  const auto again = codec::parse_msgpack(written, wide);
  if (!again || !(*again == *parsed) || codec::write_msgpack(*again) != written) std::abort();
  return 0;
}
