#include "tunnel/detail/cookies.h"

#include <algorithm>

#include "tunnel/detail/http_text.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

// Names that belong to the gate. Browsers treat prefixes without regard to case, so we do.
bool is_ours(std::string_view name) {
  return starts_with_ignoring_case(name, kSessionCookie);
}
bool is_held(std::string_view name) {
  return starts_with_ignoring_case(name, kHeldCookiePrefix);
}

// Whether every server splits this pair as we do: a name without blanks, and no control characters.
bool is_passable(const CookiePair& cookie) {
  return !cookie.name.empty() && cookie.name.find_first_of(" \t") == std::string::npos && !has_control(cookie.name) &&
         !has_control(cookie.value);
}

struct SetCookie {
  std::string_view name;
  std::string_view value;
  std::vector<std::string_view> attributes;  // without Domain, Path, Secure
  std::string_view path;
  bool secure = false;
  bool http_only = false;
};

std::optional<SetCookie> parse_set_cookie(std::string_view text) {
  if (has_control(text)) return std::nullopt;
  std::string_view rest = text;
  std::string_view pair = trim(take_until(rest, ';'));
  const std::size_t equals = pair.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  SetCookie cookie{.name = trim(pair.substr(0, equals)), .value = trim(pair.substr(equals + 1)), .attributes = {}};
  if (cookie.name.empty()) return std::nullopt;
  while (!rest.empty()) {
    const std::string_view attribute = trim(take_until(rest, ';'));
    const std::string_view name = trim(attribute.substr(0, attribute.find('=')));
    if (name.empty() || equal_ignoring_case(name, "Domain")) continue;
    if (equal_ignoring_case(name, "Path")) {
      cookie.path = attribute;
    } else if (equal_ignoring_case(name, "Secure")) {
      cookie.secure = true;
    } else {
      cookie.http_only = cookie.http_only || equal_ignoring_case(name, "HttpOnly");
      cookie.attributes.push_back(attribute);
    }
  }
  return cookie;
}

}  // namespace

std::optional<std::vector<CookiePair>> parse_cookies(const Headers& headers) {
  std::vector<CookiePair> out;
  for (const Header& header : headers) {
    if (!equal_ignoring_case(header.name, "Cookie")) continue;
    std::string_view rest = header.value;
    while (!rest.empty()) {
      const std::string_view pair = trim(take_until(rest, ';'));
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos) continue;
      if (out.size() == kMaxCookies) return std::nullopt;
      out.push_back(
          {.name = std::string(trim(pair.substr(0, equals))), .value = std::string(trim(pair.substr(equals + 1)))});
    }
  }
  return out;
}

std::string restore_cookies(const std::vector<CookiePair>& cookies, CookiePolicy policy) {
  std::vector<std::string_view> held;
  for (const CookiePair& cookie : cookies) {
    if (cookie.name.starts_with(kHeldCookiePrefix))
      held.push_back(std::string_view(cookie.name).substr(kHeldCookiePrefix.size()));
  }
  std::string out;
  for (const CookiePair& cookie : cookies) {
    std::string_view name = cookie.name;
    if (is_ours(name) || !is_passable(cookie)) continue;
    if (name.starts_with(kHeldCookiePrefix)) {
      name.remove_prefix(kHeldCookiePrefix.size());
    } else if (policy == CookiePolicy::held || is_held(name) || std::ranges::find(held, name) != held.end()) {
      continue;
    }
    if (name.empty()) continue;
    if (!out.empty()) out += "; ";
    out += fmt::format("{}={}", name, cookie.value);
  }
  return out;
}

std::vector<std::string> rewrite_set_cookie(std::string_view value, CookiePolicy policy) {
  const auto cookie = parse_set_cookie(value);
  if (!cookie || is_ours(cookie->name) || is_held(cookie->name)) return {};
  std::string attributes;
  for (const std::string_view attribute : cookie->attributes) attributes += fmt::format("; {}", attribute);
  const auto held =
      fmt::format("{}{}={}; Path=/; Secure{}", kHeldCookiePrefix, cookie->name, cookie->value, attributes);
  if (cookie->http_only) return {held};
  const std::string path = cookie->path.empty() ? std::string() : fmt::format("; {}", cookie->path);
  return {
      fmt::format("{}={}{}{}{}", cookie->name, cookie->value, path, cookie->secure ? "; Secure" : "", attributes),
      policy == CookiePolicy::held
          ? held + "; HttpOnly"
          : fmt::format("{}{}=; Path=/; Secure; HttpOnly; Max-Age=0", kHeldCookiePrefix, cookie->name),
  };
}

}  // namespace sallyport::tunnel
