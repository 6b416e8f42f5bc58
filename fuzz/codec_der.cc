// Walks any input as DER: whatever is accepted must be written again as the same bytes.

#include <cstdlib>

#include "codec/der.h"

using namespace sallyport;
namespace der = codec::der;

namespace {

constexpr int kMaxDepth = 40;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_values(ByteView whole) {
  const auto rewritten = [&](auto value, auto encode) { require(!value || equal(encode(*value), whole)); };
  rewritten(der::Reader(whole).boolean(), der::encode_boolean);
  rewritten(der::Reader(whole).small_unsigned(), der::encode_small_unsigned);
  rewritten(der::Reader(whole).oid(), der::encode_oid);
  rewritten(der::Reader(whole).octet_string(), der::encode_octet_string);
  rewritten(der::Reader(whole).bit_string(), der::encode_bit_string);
  rewritten(der::Reader(whole).named_bits(), der::encode_named_bits);
  rewritten(der::Reader(whole).time(), der::encode_time);
  rewritten(der::Reader(whole).generalized_time(), der::encode_generalized_time);
  const auto oid = der::Reader(whole).oid();
  require(!oid || der::Oid::of(oid->dotted()) == *oid);
}

void walk(ByteView bytes, int depth) {
  der::Reader reader(bytes);
  while (!reader.at_end()) {
    const auto element = reader.any();
    if (!element) return;
    require(equal(der::encode(element->tag, element->content), element->whole));
    check_values(element->whole);
    const bool constructed = (static_cast<unsigned>(element->tag) & 0x20U) != 0;
    if (constructed && depth < kMaxDepth) walk(element->content, depth + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  walk({data, size}, 0);
  return 0;
}
