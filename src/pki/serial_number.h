// Certificate serial numbers (RFC 5280 §4.1.2.2).
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/random.h"

namespace sallyport::pki {

// RFC 5280 §4.1.2.2: "Conforming CAs MUST NOT use serialNumber values longer than 20 octets."
inline constexpr std::size_t kMaxSerialOctets = 20;
// What we draw: 127 bits, of which nobody can guess one.
inline constexpr std::size_t kSerialOctets = 16;

// A positive INTEGER of 1 to 20 content octets, kept as those octets: minimal, big-endian, sign octet included. A value
// of 24 bytes without an allocation, since CRLs hold a million of them.
class SerialNumber {
 public:
  // The number one, so that containers work; no certificate of ours has it.
  SerialNumber() : size_(1) { octets_[0] = 1; }
  // Draws 16 octets of which the first is 01 to 7F. Never derived from anything; uniqueness is the record's to enforce.
  static SerialNumber draw(Random& random);
  // Fails with Errc::malformed on zero, a negative or non-minimal INTEGER, and more than 20 octets.
  static Result<SerialNumber> from_content(ByteView integer_content);
  // Parses what hex() writes.
  static Result<SerialNumber> parse_hex(std::string_view text);

  ByteView content() const { return {octets_.data(), size_}; }
  // Lower-case hexadecimal of the content octets.
  std::string hex() const;
  // Whether it has the form that draw() gives, which every certificate of ours must have.
  bool is_drawn_form() const;

  friend bool operator==(const SerialNumber& a, const SerialNumber& b) { return equal(a.content(), b.content()); }
  // By numeric value.
  friend std::strong_ordering operator<=>(const SerialNumber& a, const SerialNumber& b);

 private:
  std::array<std::uint8_t, kMaxSerialOctets> octets_{};
  std::uint8_t size_;
};

}  // namespace sallyport::pki

template <>
struct std::hash<sallyport::pki::SerialNumber> {
  std::size_t operator()(const sallyport::pki::SerialNumber& serial) const {
    return std::hash<std::string_view>{}(sallyport::as_text(serial.content()));
  }
};
