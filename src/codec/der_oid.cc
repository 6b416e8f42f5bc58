#include <algorithm>

#include "codec/der.h"

namespace sallyport::codec::der {
namespace {

// Arcs are unbounded (under 2.25 they have 128 bits): numbers here are digits, least significant first, of base 10 or
// 128.
using Digits = std::vector<unsigned>;

// digits := digits × factor + addend
void multiply_add(Digits& digits, unsigned base, unsigned factor, unsigned addend) {
  unsigned carry = addend;
  for (unsigned& digit : digits) {
    const unsigned value = digit * factor + carry;
    digit = value % base;
    carry = value / base;
  }
  for (; carry != 0; carry /= base) digits.push_back(carry % base);
}

// digits := digits − amount, which must not be larger.
void subtract(Digits& digits, unsigned amount) {
  unsigned borrow = 0;
  for (std::size_t i = 0; i < digits.size() && (amount != 0 || borrow != 0); ++i) {
    const unsigned take = amount % 10 + borrow;
    borrow = digits[i] < take ? 1 : 0;
    digits[i] = digits[i] + 10 * borrow - take;
    amount /= 10;
  }
  while (!digits.empty() && digits.back() == 0) digits.pop_back();
}

std::string to_text(const Digits& decimal) {
  if (decimal.empty()) return "0";
  std::string out;
  for (const unsigned digit : decimal) out.insert(out.begin(), static_cast<char>('0' + digit));
  return out;
}

Digits parse_arc(std::string_view& dotted) {
  const std::string_view arc = dotted.substr(0, dotted.find('.'));
  SALLYPORT_CHECK(!arc.empty() && (arc == "0" || arc[0] != '0'));
  Digits out;
  for (const char c : arc) {
    SALLYPORT_CHECK(c >= '0' && c <= '9');
    multiply_add(out, 128, 10, static_cast<unsigned>(c - '0'));
  }
  dotted.remove_prefix(std::min(dotted.size(), arc.size() + 1));
  return out;
}

void append_subidentifier(Bytes& out, const Digits& base128) {
  if (base128.empty()) out.push_back(0);
  for (std::size_t i = base128.size(); i > 0; --i) {
    out.push_back(static_cast<std::uint8_t>(base128[i - 1] | (i > 1 ? 0x80U : 0U)));
  }
}

}  // namespace

// X.690 §8.19.4: the first subidentifier is 40 × first arc + second arc.
Oid Oid::of(std::string_view dotted) {
  SALLYPORT_CHECK(dotted.size() >= 3 && dotted[0] >= '0' && dotted[0] <= '2' && dotted[1] == '.' &&
                  dotted.back() != '.');
  const auto first = static_cast<unsigned>(dotted[0] - '0');
  dotted.remove_prefix(2);
  Digits second = parse_arc(dotted);
  SALLYPORT_CHECK(first == 2 || second.empty() || (second.size() == 1 && second[0] < 40));
  multiply_add(second, 128, 1, 40 * first);
  Bytes content;
  append_subidentifier(content, second);
  while (!dotted.empty()) append_subidentifier(content, parse_arc(dotted));
  auto out = from_content(content);
  SALLYPORT_CHECK(out.has_value());
  return *out;
}

Result<Oid> Oid::from_content(ByteView content) {
  if (content.empty()) return fail(Errc::malformed, "der: OBJECT IDENTIFIER without content");
  if (content.size() > kMaxContent) {
    return failf(Errc::malformed, "der: OBJECT IDENTIFIER of {} bytes, want at most {}", content.size(), kMaxContent);
  }
  bool at_start = true;
  for (const std::uint8_t byte : content) {
    if (at_start && byte == 0x80) return fail(Errc::malformed, "der: OBJECT IDENTIFIER that is not minimal");
    at_start = byte < 0x80;
  }
  if (!at_start) return fail(Errc::malformed, "der: OBJECT IDENTIFIER cut short");
  Oid out;
  std::ranges::copy(content, out.octets_.begin());
  out.size_ = static_cast<std::uint8_t>(content.size());
  return out;
}

std::string Oid::dotted() const {
  std::string out;
  Digits arc;
  bool first = true;
  for (std::size_t i = 0; i < size_; ++i) {
    multiply_add(arc, 10, 128, octets_[i] & 0x7FU);
    if (octets_[i] >= 0x80) continue;
    if (first) {
      const unsigned root = i > 0 ? 2 : std::min(octets_[0] / 40U, 2U);
      subtract(arc, 40 * root);
      out = std::to_string(root);
      first = false;
    }
    out += '.' + to_text(arc);
    arc.clear();
  }
  return out;
}

}  // namespace sallyport::codec::der
