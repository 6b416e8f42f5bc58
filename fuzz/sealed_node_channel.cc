// Input: the choice of a parser u8, then a request of a node to its agent, or who the device is: one encoding per
// value.
#include <cstdint>
#include <cstdlib>

#include "sealed/node_channel.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  if (data[0] % 2 == 0) {
    const auto request = sealed::parse_node_request(input);
    if (request && !equal(sealed::encode_node_request(*request), input)) std::abort();
  } else {
    const auto identity = sealed::parse_node_identity(input);
    if (identity && !equal(sealed::encode_node_identity(*identity), input)) std::abort();
  }
  return 0;
}
