// What SOCKS proxies answer. The first octet says whether we have a login and in what pieces the rest comes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "tunnel/socks_connect.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr std::size_t kTurns = 3;  // greeting, login, request: nothing else is ever said
  const bool has_login = (data[0] & 1U) != 0;
  const std::size_t piece = 1 + (data[0] >> 1U);
  const tunnel::ProxyCredentials login{.user = "ada", .password = SecretBytes(std::string_view("open"))};
  auto socks =
      tunnel::SocksConnect::begin({.host = std::string("relay.example"), .port = 443}, has_login ? &login : nullptr);
  if (!socks) std::abort();
  ByteView rest(data + 1, size - 1);
  std::size_t turns = socks->to_send().empty() ? 0 : 1;
  while (!rest.empty()) {
    const ByteView now = rest.first(std::min(piece, rest.size()));
    rest = rest.subspan(now.size());
    const auto connected = socks->on_bytes(now);
    if (!connected) return 0;
    const bool speaks = !socks->to_send().empty();
    if (speaks && (*connected || ++turns > kTurns)) std::abort();
    if (*connected && turns < 2) std::abort();
    if (*connected) return 0;
  }
  return 0;
}
