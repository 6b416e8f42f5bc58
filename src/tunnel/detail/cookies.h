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

// The application's view of `cookies`: ours are gone, held ones have their own name again, and a cookie that some other
// page planted under the name of a held one is dropped, as is one that servers might split otherwise. Empty when
// nothing is left.
std::string restore_cookies(const std::vector<CookiePair>& cookies);

// What takes the place of one Set-Cookie of the application: nothing where it would touch our cookies, has no name or
// holds control characters. An HttpOnly cookie is held; any other also ends the held one of its name, so that an
// application can overwrite and delete what it set.
std::vector<std::string> rewrite_set_cookie(std::string_view value);

}  // namespace sallyport::tunnel
