// Every name that is accepted consists of lower-case LDH labels within its length; every time that is accepted is
// written back as it was read.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/names.h"
#include "base/time.h"

namespace {

using namespace sallyport;

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && is_letter_or_digit(text.front()) && is_letter_or_digit(text.back()) &&
         std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

void require(bool holds) {
  if (!holds) std::abort();
}

template <class Name>
void require_label(const Result<Name>& name, std::string_view text, std::size_t longest) {
  if (name) require(name->get() == text && is_label(text) && text.size() <= longest);
}

void require_dns_name(std::string_view text) {
  require(text.size() <= 253);
  for (;;) {
    const std::size_t dot = text.find('.');
    require(is_label(text.substr(0, dot)));
    if (dot == std::string_view::npos) return;
    text.remove_prefix(dot + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  require_label(parse_serial_id(text), text, 63);
  require_label(parse_site_name(text), text, 63);
  require_label(parse_device_name(text), text, kDeviceNameLength);
  require_label(parse_grant_label(text), text, kGrantLabelLength);
  require_label(parse_service_name(text), text, kServiceNameMaxLength);
  if (parse_device_name(text)) require(size == kDeviceNameLength);
  if (parse_grant_label(text)) require(size == kGrantLabelLength);
  if (parse_dns_name(text)) require_dns_name(text);
  const auto time = parse_iso8601(text);
  if (time) require(to_iso8601(*time) == text);
  return 0;
}
