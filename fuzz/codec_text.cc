// Decodes any input in every form; what is accepted must be the one spelling of its value.

#include <algorithm>
#include <cstdlib>

#include "codec/text.h"

using namespace sallyport;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const std::string_view text = as_text(bytes);
  if (const auto value = codec::decode_base64(text)) require(codec::encode_base64(*value) == text);
  if (const auto value = codec::decode_base64url(text)) require(codec::encode_base64url(*value) == text);
  if (const auto value = codec::decode_base32(text)) require(codec::encode_base32(*value) == text);
  if (const auto value = codec::decode_hex(text)) require(*codec::decode_hex(codec::encode_hex(*value)) == *value);
  require(equal(*codec::decode_base64(codec::encode_base64(bytes)), bytes));
  require(equal(*codec::decode_base64url(codec::encode_base64url(bytes)), bytes));
  require(equal(*codec::decode_base32(codec::encode_base32(bytes)), bytes));
  require(equal(*codec::decode_hex(codec::encode_hex(bytes)), bytes));
  return 0;
}
