// PROXY protocol: what parses is encoded to the same bytes (LOCAL drops its block), whatever follows.
#include <cstdint>
#include <cstdlib>

#include "tunnel/proxy_header.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto header = tunnel::parse_proxy_header(input);
  if (!header || !*header) return 0;
  if ((*header)->wire_size > size) std::abort();
  const bool local = std::holds_alternative<tunnel::ProxyLocal>((*header)->address);
  if (!local && !equal(tunnel::encode_proxy_header(**header), input.first((*header)->wire_size))) std::abort();
  const auto shorter = tunnel::parse_proxy_header(input.first((*header)->wire_size - 1));
  if (!shorter || *shorter) std::abort();
  return 0;
}
