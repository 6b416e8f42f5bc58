#include "pki/serial_number.h"

#include "codec/text.h"

namespace sallyport::pki {

SerialNumber SerialNumber::draw(Random& random) {
  SerialNumber out;
  out.size_ = kSerialOctets;
  random.fill(std::span(out.octets_).first(kSerialOctets));
  for (out.octets_[0] &= 0x7FU; out.octets_[0] == 0; out.octets_[0] &= 0x7FU)
    random.fill(std::span(out.octets_).first(1));
  return out;
}

Result<SerialNumber> SerialNumber::from_content(ByteView content) {
  if (content.empty()) return fail(Errc::malformed, "serial number: empty, want 1 to 20 octets");
  if (content.size() > kMaxSerialOctets) {
    return failf(Errc::malformed, "serial number: {} octets, want at most {}", content.size(), kMaxSerialOctets);
  }
  if (content[0] >= 0x80) return fail(Errc::malformed, "serial number: negative, want positive");
  if (content[0] == 0) {
    if (content.size() == 1) return fail(Errc::malformed, "serial number: zero, want positive");
    if (content[1] < 0x80) return fail(Errc::malformed, "serial number: not minimal");
  }
  SerialNumber out;
  out.octets_[0] = 0;
  std::ranges::copy(content, out.octets_.begin());
  out.size_ = static_cast<std::uint8_t>(content.size());
  return out;
}

Result<SerialNumber> SerialNumber::parse_hex(std::string_view text) {
  TRY(const Bytes content, codec::decode_hex(text));
  return from_content(content);
}

std::string SerialNumber::hex() const {
  return codec::encode_hex(content());
}

bool SerialNumber::is_drawn_form() const {
  return size_ == kSerialOctets && octets_[0] >= 0x01 && octets_[0] <= 0x7F;
}

std::strong_ordering operator<=>(const SerialNumber& a, const SerialNumber& b) {
  if (a.size_ != b.size_) return a.size_ <=> b.size_;
  return std::lexicographical_compare_three_way(a.content().begin(), a.content().end(), b.content().begin(),
                                                b.content().end());
}

}  // namespace sallyport::pki
