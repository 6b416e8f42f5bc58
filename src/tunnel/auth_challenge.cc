#include "tunnel/auth_challenge.h"

#include <algorithm>
#include <optional>

#include "codec/text.h"
#include "tunnel/detail/http_text.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

constexpr std::string_view kBlanks = " \t";

void skip_blanks(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(kBlanks), rest.size()));
}

// Empty where none stands there.
std::string_view take_token(std::string_view& rest) {
  std::size_t size = 0;
  while (size < rest.size() && is_token(rest.substr(size, 1))) ++size;
  const std::string_view token = rest.substr(0, size);
  rest.remove_prefix(size);
  return token;
}

// token68 := 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="      (RFC 9110 §11.2)
// Takes one that stands alone, as no parameter does.
void take_token68(std::string_view& rest) {
  const auto is_one = [](char c) { return is_token({&c, 1}) || c == '/'; };
  std::size_t end = 0;
  while (end < rest.size() && is_one(rest[end])) ++end;
  if (end == 0) return;
  std::string_view behind = rest.substr(end);
  behind.remove_prefix(std::min(behind.find_first_not_of('='), behind.size()));
  skip_blanks(behind);
  if (behind.empty() || behind.front() == ',') rest = behind;
}

// A token or a quoted-string (RFC 9110 §5.6.4) without its quotes. Absent: neither stands there whole.
std::optional<std::string> take_value(std::string_view& rest) {
  if (!rest.starts_with('"')) {
    const std::string_view token = take_token(rest);
    return token.empty() ? std::nullopt : std::optional(std::string(token));
  }
  std::string out;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return out;
    }
    if (rest[i] == '\\' && ++i == rest.size()) break;
    out += rest[i];
  }
  return std::nullopt;
}

// Whether a "=" stands next; takes it with the blanks around it.
bool take_equals(std::string_view& rest) {
  std::string_view behind = rest;
  skip_blanks(behind);
  if (!behind.starts_with('=')) return false;
  behind.remove_prefix(1);
  skip_blanks(behind);
  rest = behind;
  return true;
}

// Adds the parameter of that name, whose value stands next. Whether to read on.
bool read_parameter(std::string_view name, std::string_view& rest, std::vector<AuthChallenge>& into) {
  auto value = take_value(rest);
  if (!value || into.empty() || into.back().parameters.size() == kMaxAuthParameters) return false;
  into.back().parameters.emplace_back(codec::lower_case(name), *std::move(value));
  return true;
}

}  // namespace

const std::string* AuthChallenge::find(std::string_view name) const {
  const auto found = std::ranges::find(parameters, name, &std::pair<std::string, std::string>::first);
  return found == parameters.end() ? nullptr : &found->second;
}

void read_challenges(std::string_view field, std::vector<AuthChallenge>& into) {
  std::vector<AuthChallenge> found;
  std::string_view rest = field;
  bool may_be_scheme = true;  // behind a comma alone
  while (true) {
    skip_blanks(rest);
    if (rest.starts_with(',')) {
      may_be_scheme = true;
      rest.remove_prefix(1);
      continue;
    }
    const std::string_view word = take_token(rest);
    if (word.empty()) break;
    if (take_equals(rest)) {
      if (!read_parameter(word, rest, found)) break;
    } else {
      if (!may_be_scheme || into.size() + found.size() == kMaxAuthChallenges) break;
      found.push_back({.scheme = codec::lower_case(word), .parameters = {}});
      skip_blanks(rest);
      take_token68(rest);
    }
    may_be_scheme = false;
  }
  std::ranges::move(found, std::back_inserter(into));
}

}  // namespace sallyport::tunnel
