#include <array>
#include <map>

#include "keystore/pkcs11.h"

namespace sallyport::keystore {
namespace {

constexpr std::size_t kMaxUri = 2'048;
constexpr std::string_view kFileScheme = "file:";

std::unexpected<Error> wrong(std::string_view what) {
  return failf(Errc::malformed, "pkcs11: {}, want pkcs11:token=LABEL;object=LABEL?module-path=FILE&pin-source=FILE",
               what);
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? digit_of(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? digit_of(text[i + 2]) : -1;
    if (high < 0 || low < 0 || (high == 0 && low == 0)) return wrong("found a broken escape");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// Reads `name=value` pairs; each name one of `known`, once, and not empty.
Result<std::map<std::string_view, std::string>> parse_pairs(std::string_view text, char separator,
                                                            std::array<std::string_view, 2> known) {
  std::map<std::string_view, std::string> out;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    const std::string_view name = pair.substr(0, equals);
    if (equals == std::string_view::npos || (name != known[0] && name != known[1]))
      return wrong("found another attribute");
    TRY(auto value, percent_decode(pair.substr(equals + 1)));
    if (value.empty()) return wrong("found an empty attribute");
    if (!out.emplace(name, std::move(value)).second) return wrong("found an attribute twice");
  }
  if (out.size() != known.size()) return wrong("found an attribute missing");
  return out;
}

}  // namespace

Result<Pkcs11Uri> parse_pkcs11_uri(std::string_view text) {
  if (text.size() > kMaxUri) return wrong("found too long a URI");
  constexpr std::string_view kMarks = "-._~:/?#[]@!$&'()*+,;=%";  // RFC 3986 §2
  for (const char c : text) {
    const bool sound = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kMarks.contains(c);
    if (!sound) return wrong("found a character that a URI does not have");
  }
  if (!text.starts_with(kPkcs11Scheme)) return wrong("found another scheme");
  text.remove_prefix(kPkcs11Scheme.size());
  const std::size_t question = text.find('?');
  if (question == std::string_view::npos) return wrong("found no module");
  TRY(auto path, parse_pairs(text.substr(0, question), ';', {"token", "object"}));
  TRY(auto query, parse_pairs(text.substr(question + 1), '&', {"module-path", "pin-source"}));
  std::string_view pin_source = query["pin-source"];
  if (pin_source.starts_with(kFileScheme)) pin_source.remove_prefix(kFileScheme.size());
  return Pkcs11Uri{
      .token = path["token"], .object = path["object"], .module = query["module-path"], .pin_source = pin_source};
}

}  // namespace sallyport::keystore
