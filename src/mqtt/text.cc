#include "mqtt/detail/text.h"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace sallyport::mqtt {
namespace {

// The first byte of a character: how many follow, and what it contributes.
struct Lead {
  std::size_t following = 0;
  std::uint32_t bits = 0;
  std::uint32_t least = 0;  // a smaller value would have a shorter form
};

std::optional<Lead> read_lead(std::uint8_t byte) {
  if (byte < 0x80) return Lead{.following = 0, .bits = byte, .least = 0};
  if ((byte & 0xe0U) == 0xc0) return Lead{.following = 1, .bits = byte & 0x1fU, .least = 0x80};
  if ((byte & 0xf0U) == 0xe0) return Lead{.following = 2, .bits = byte & 0x0fU, .least = 0x800};
  if ((byte & 0xf8U) == 0xf0) return Lead{.following = 3, .bits = byte & 0x07U, .least = 0x10000};
  return std::nullopt;
}

bool is_allowed(std::uint32_t character) {
  const bool control = character < 0x20 || (character >= 0x7f && character <= 0x9f);
  const bool surrogate = character >= 0xd800 && character <= 0xdfff;
  return !control && !surrogate && character <= 0x10ffff;
}

}  // namespace

bool is_plain_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto lead = read_lead(static_cast<std::uint8_t>(text[at++]));
    if (!lead || text.size() - at < lead->following) return false;
    std::uint32_t character = lead->bits;
    for (std::size_t i = 0; i < lead->following; ++i) {
      const auto byte = static_cast<std::uint8_t>(text[at++]);
      if ((byte & 0xc0U) != 0x80) return false;
      character = (character << 6U) | (byte & 0x3fU);
    }
    if (character < lead->least || !is_allowed(character)) return false;
  }
  return true;
}

Result<void> check_wire_topic(std::string_view text) {
  if (text.empty()) return fail(Errc::malformed, "topic: empty");
  if (text.find_first_of("+#") != std::string_view::npos) return fail(Errc::malformed, "topic: a wildcard");
  if (!is_plain_utf8(text)) return fail(Errc::malformed, "topic: not UTF-8, or a control character");
  return {};
}

}  // namespace sallyport::mqtt
