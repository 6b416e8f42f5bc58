#include <algorithm>

#include "codec/json.h"

namespace sallyport::codec {
namespace {

struct SequenceForm {
  std::size_t length = 0;
  unsigned char second_least = 0x80,
                second_most = 0xBF;  // excludes overlong forms, surrogates and what is over U+10FFFF
};

// RFC 3629 §4. Length 0: no sequence begins with `lead`.
SequenceForm form_of(unsigned char lead) {
  if (lead < 0x80) return {.length = 1};
  if (lead < 0xC2) return {};
  if (lead < 0xE0) return {.length = 2};
  if (lead < 0xF0) {
    const bool overlong = lead == 0xE0;
    const bool surrogate = lead == 0xED;
    return {.length = 3,
            .second_least = static_cast<unsigned char>(overlong ? 0xA0 : 0x80),
            .second_most = static_cast<unsigned char>(surrogate ? 0x9F : 0xBF)};
  }
  if (lead < 0xF5) {
    return {.length = 4,
            .second_least = static_cast<unsigned char>(lead == 0xF0 ? 0x90 : 0x80),
            .second_most = static_cast<unsigned char>(lead == 0xF4 ? 0x8F : 0xBF)};
  }
  return {};
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const SequenceForm form = form_of(byte(0));
    if (form.length == 0 || text.size() < form.length) return false;
    if (form.length > 1 && (byte(1) < form.second_least || byte(1) > form.second_most)) return false;
    for (std::size_t i = 2; i < form.length; ++i) {
      if ((byte(i) & 0xC0U) != 0x80) return false;
    }
    text.remove_prefix(form.length);
  }
  return true;
}

}  // namespace sallyport::codec
