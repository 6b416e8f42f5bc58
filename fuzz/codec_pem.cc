// Parses any input; every block that is accepted must be written as PEM that parses to the same block.

#include <cstdlib>

#include "codec/pem.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto blocks = codec::parse_pem(as_text({data, size}));
  if (!blocks) return 0;
  for (const codec::PemBlock& block : *blocks) {
    const auto again = codec::parse_single_pem(codec::encode_pem(block.label, block.content), block.label);
    if (!again || *again != block.content) std::abort();
  }
  return 0;
}
