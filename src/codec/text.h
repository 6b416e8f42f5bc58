// Bytes as text: hexadecimal, base64 and base32 (RFC 4648). Decoders are strict: one spelling for one value.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sallyport::codec {

// The value of a hexadecimal digit of either case.
std::optional<unsigned> hex_digit(char c);
// Lower-case hexadecimal, two digits a byte.
std::string encode_hex(ByteView bytes);
// Accepts upper and lower case. Fails with Errc::malformed on an odd length or another character.
Result<Bytes> decode_hex(std::string_view text);

// RFC 4648 §4, with padding.
std::string encode_base64(ByteView bytes);
// Fails with Errc::malformed on white space, missing padding, trailing bits that are not zero.
Result<Bytes> decode_base64(std::string_view text);

// RFC 4648 §5, without padding.
std::string encode_base64url(ByteView bytes);
Result<Bytes> decode_base64url(std::string_view text);

// RFC 4648 §6 in lower case, without padding: what names, labels and claim codes are written in.
std::string encode_base32(ByteView bytes);
Result<Bytes> decode_base32(std::string_view text);

// "3f9a 00c1 …": a fingerprint for people, in groups of four digits.
std::string encode_fingerprint(ByteView bytes);

// ASCII letters alone; every other byte stays.
std::string lower_case(std::string_view text);
// The beginning of a UTF-8 text, `most` bytes at most, cut between characters. Borrows.
std::string_view cut_utf8(std::string_view text, std::size_t most);

}  // namespace sallyport::codec
