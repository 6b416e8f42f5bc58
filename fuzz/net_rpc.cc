// Frames and errors of calls between roles: what is accepted is encoded to the same bytes.
#include <cstdint>
#include <cstdlib>

#include "net/rpc.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (const auto frame = net::parse_rpc_frame(input); frame && !equal(net::encode_rpc_frame(*frame), input))
    std::abort();
  if (const auto error = net::parse_rpc_error(input)) {
    const auto again = net::parse_rpc_error(net::encode_rpc_error(*error));
    if (!again || again->code != error->code || again->detail != error->detail) std::abort();
  }
  return 0;
}
