#include "codec/text.h"

#include <array>
#include <optional>

namespace sallyport::codec {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::uint8_t kNoDigit = 0xFF;
using DigitTable = std::array<std::uint8_t, 256>;

constexpr DigitTable digits_of(std::string_view alphabet) {
  DigitTable out{};
  out.fill(kNoDigit);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    out[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return out;
}

// An alphabet of 2^bits characters, written from the most significant bit on.
struct Base {
  std::string_view name;
  unsigned bits = 0;
  std::string_view alphabet;
  DigitTable digits;
};

constexpr Base kBase32Form{.name = "base32", .bits = 5, .alphabet = kBase32, .digits = digits_of(kBase32)};
constexpr Base kBase64Form{.name = "base64", .bits = 6, .alphabet = kBase64, .digits = digits_of(kBase64)};
constexpr Base kBase64UrlForm{.name = "base64url", .bits = 6, .alphabet = kBase64Url, .digits = digits_of(kBase64Url)};

std::string encode_unpadded(const Base& base, ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() * 8 + base.bits - 1) / base.bits + 3);
  const unsigned mask = (1U << base.bits) - 1;
  unsigned buffer = 0;
  unsigned held = 0;
  for (const std::uint8_t byte : bytes) {
    buffer = ((buffer << 8U) | byte) & 0xFFFFU;
    for (held += 8; held >= base.bits; held -= base.bits) {
      out += base.alphabet[(buffer >> (held - base.bits)) & mask];
    }
  }
  if (held > 0) out += base.alphabet[(buffer << (base.bits - held)) & mask];
  return out;
}

Result<Bytes> decode_unpadded(const Base& base, std::string_view text) {
  Bytes out;
  out.reserve(text.size() * base.bits / 8);
  unsigned buffer = 0;
  unsigned held = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::uint8_t digit = base.digits[static_cast<unsigned char>(text[i])];
    if (digit == kNoDigit) return failf(Errc::malformed, "{}: character {} is not of the alphabet", base.name, i);
    buffer = ((buffer << base.bits) | digit) & 0xFFFFU;
    held += base.bits;
    if (held < 8) continue;
    held -= 8;
    out.push_back(static_cast<std::uint8_t>(buffer >> held));
  }
  if (held >= base.bits)
    return failf(Errc::malformed, "{}: {} characters encode no whole bytes", base.name, text.size());
  if ((buffer & ((1U << held) - 1)) != 0) return failf(Errc::malformed, "{}: trailing bits are not zero", base.name);
  return out;
}

}  // namespace

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

std::string encode_hex(ByteView bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out += kHex[byte >> 4U];
    out += kHex[byte & 0x0FU];
  }
  return out;
}

Result<Bytes> decode_hex(std::string_view text) {
  if (text.size() % 2 != 0) return failf(Errc::malformed, "hex: {} digits, want an even number", text.size());
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto high = hex_digit(text[i]);
    const auto low = hex_digit(text[i + 1]);
    if (!high || !low) return failf(Errc::malformed, "hex: character {} is no digit", high ? i + 1 : i);
    out.push_back(static_cast<std::uint8_t>(*high << 4U | *low));
  }
  return out;
}

std::string encode_base64(ByteView bytes) {
  std::string out = encode_unpadded(kBase64Form, bytes);
  out.append((4 - out.size() % 4) % 4, '=');
  return out;
}

Result<Bytes> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return failf(Errc::malformed, "base64: {} characters, want a multiple of 4", text.size());
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  return decode_unpadded(kBase64Form, text);
}

std::string encode_base64url(ByteView bytes) {
  return encode_unpadded(kBase64UrlForm, bytes);
}
Result<Bytes> decode_base64url(std::string_view text) {
  return decode_unpadded(kBase64UrlForm, text);
}

std::string encode_base32(ByteView bytes) {
  return encode_unpadded(kBase32Form, bytes);
}
Result<Bytes> decode_base32(std::string_view text) {
  return decode_unpadded(kBase32Form, text);
}

std::string encode_fingerprint(ByteView bytes) {
  const std::string hex = encode_hex(bytes);
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 4) {
    if (i > 0) out += ' ';
    out += hex.substr(i, 4);
  }
  return out;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view cut_utf8(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80U) --most;
  return text.substr(0, most);
}

}  // namespace sallyport::codec
