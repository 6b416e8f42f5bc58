// Which proxy stands on the way out, as people and their system write it: in agent.toml, or in HTTPS_PROXY, ALL_PROXY
// and NO_PROXY. Credentials are secrets: no error and no text() here has them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "net/address.h"
#include "tunnel/proxy_login.h"

namespace sallyport::agent {

inline constexpr std::uint16_t kHttpProxyPort = 80;      // of a URL that names none (RFC 9110 §4.2.1)
inline constexpr std::uint16_t kSocksProxyPort = 1080;   // the same of a SOCKS URL (RFC 1928 §3)
inline constexpr std::size_t kMaxProxyText = 2'048;      // holds the longest credentials in percent-encoding
inline constexpr std::size_t kMaxProxyCredential = 255;  // bytes of a user without ':', and of a password
inline constexpr std::size_t kMaxNoProxyEntries = 256;

enum class ProxyKind : std::uint8_t {
  http,    // CONNECT (RFC 9110 §9.3.6)
  socks5,  // RFC 1928
};

struct Proxy {
  net::Address address;
  std::shared_ptr<const tunnel::ProxyCredentials> credentials;  // null: none
  ProxyKind kind = ProxyKind::http;
};

// Parses "HOST:PORT" or "[SCHEME://][USER[:PASSWORD]@]HOST[:PORT][/]", user and password percent-encoded. The scheme is
// http, which need not be said, socks5 or socks5h: names are looked up by the proxy in either. The port may be missing
// behind a scheme alone. Errc::malformed on anything else, another scheme and a SOCKS user without a password among it;
// the error never says what was found.
Result<Proxy> parse_proxy(std::string_view text);
// The text that parse_proxy reads, with the password.
std::string encode_proxy(const Proxy& proxy);
// What a rule of logins is called: "any", "digest", "basic".
std::optional<tunnel::LoginRule> find_login_rule(std::string_view word);
std::string_view to_word(tunnel::LoginRule rule);
// A file with one line "USER:PASSWORD", both as they are. Errc::malformed.
Result<tunnel::ProxyCredentials> parse_proxy_credentials(ByteView file);

// Where no proxy is to be used, as NO_PROXY says it: entries between commas or spaces; "*" is every host, a name is
// that host and all below it (a leading "." or "*." says the same), an IP address itself, ADDRESS/BITS a network;
// ":PORT" behind any of them narrows it (an IPv6 address then has brackets). What is none of these is never met.
class NoProxy {
 public:
  // Meets nothing.
  NoProxy() = default;
  // Meets loopback, and what `list` says. Errc::overloaded over kMaxNoProxyEntries.
  static Result<NoProxy> parse(std::string_view list);

  // Whether `target` is met.
  bool matches(const net::Address& target) const;

 private:
  struct Entry {
    std::string name;       // empty: an address
    net::IpOctets network;  // of size 0 for a name
    unsigned bits = 0;
    std::uint16_t port = 0;  // 0: any
  };
  static Entry read_entry(std::string_view text);
  bool meets_loopback_ = false;
  bool is_all_ = false;
  std::vector<Entry> entries_;
};

// What the environment says of proxies; apps read it.
struct ProxyVariables {
  std::string https_proxy;
  std::string all_proxy = {};  // where https_proxy is empty
  std::string no_proxy;
};

}  // namespace sallyport::agent
