#include "tunnel/detail/http_text.h"

#include <algorithm>

namespace sallyport::tunnel {
namespace {

constexpr std::size_t kMaxAuthority = 300;
constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || kMarks.contains(c);
  });
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

std::string_view take_until(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view piece = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return piece;
}

std::optional<FieldLine> read_field_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return std::nullopt;
  return FieldLine{.name = line.substr(0, colon), .value = trim(line.substr(colon + 1))};
}

bool lists(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    if (equal_ignoring_case(trim(take_until(list, ',')), wanted)) return true;
  }
  return false;
}

bool is_authority(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (text.size() > kMaxAuthority || colon == std::string_view::npos || colon == 0) return false;
  const auto is_host = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
  };
  const std::string_view port = text.substr(colon + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return std::ranges::all_of(text.substr(0, colon), is_host) && std::ranges::all_of(port, is_digit) &&
         port.find_first_not_of('0') != std::string_view::npos;
}

SecretBytes with_login(std::string_view head, const SecretBytes& login) {
  Bytes out;
  out.reserve(head.size() + login.size() + 2);
  append(out, as_bytes(head));
  append(out, login.expose());
  append(out, as_bytes("\r\n"));
  return SecretBytes(std::move(out));
}

}  // namespace sallyport::tunnel
