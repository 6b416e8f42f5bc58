// Host and port: what is accepted is read again from its text form.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "net/address.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto address = net::parse_address(as_text(ByteView(data, size)));
  if (!address) return 0;
  const auto again = net::parse_address(net::to_string(*address));
  if (!again || !(*again == *address)) std::abort();
  return 0;
}
