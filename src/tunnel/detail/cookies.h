// The two sides of a cookie (RFC 6265bis): what an application sets, and what a browser shows.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tunnel/entry_gate.h"

namespace sallyport::tunnel {

struct CookiePair {
  std::string name;
  std::string value;
};

// All pairs of all Cookie headers, in order. Absent when there are more than kMaxCookies. Pieces without '=' are
// dropped.
std::optional<std::vector<CookiePair>> parse_cookies(const Headers& headers);

// The application's view of `cookies`: ours are gone and held ones have their own name again. What is not held may have
// been planted by a page of another device: it is dropped, with CookiePolicy::scripted only where a held one has its
// name. So is one that servers might split otherwise. Empty when nothing is left.
std::string restore_cookies(const std::vector<CookiePair>& cookies, CookiePolicy policy);

// What takes the place of one Set-Cookie of the application: nothing where it would touch our cookies, has no name or
// holds control characters. The cookie is held; without HttpOnly it is also set as it was, for scripts to read. With
// CookiePolicy::scripted such a one is not held, and ends the held one of its name: an application can overwrite and
// delete what it set.
std::vector<std::string> rewrite_set_cookie(std::string_view value, CookiePolicy policy);

}  // namespace sallyport::tunnel
