// PEM armour (RFC 7468), strict form.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sallyport::codec {

struct PemBlock {
  std::string label;  // "CERTIFICATE"
  Bytes content;
};

inline constexpr std::size_t kMaxPemText = 1U << 20U;

// Returns the blocks of `text` in order; text outside blocks is skipped as RFC 7468 §2 allows. Fails with
// Errc::malformed on a block that does not end, a wrong label at its end, bad base64, a line but the last that has not
// 64 characters, an empty block, headers, or more than kMaxPemText of text.
Result<std::vector<PemBlock>> parse_pem(std::string_view text);
// Returns the content of the only block, which must have `label`.
Result<Bytes> parse_single_pem(std::string_view text, std::string_view label);
std::string encode_pem(std::string_view label, ByteView content);

}  // namespace sallyport::codec
