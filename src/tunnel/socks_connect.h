// The agent's way out through a SOCKS proxy: version 5, CONNECT (RFC 1928), without a login or with user name and
// password (RFC 1929). No I/O.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "base/bytes.h"
#include "base/secret.h"
#include "tunnel/limits.h"
#include "tunnel/proxy_credentials.h"

namespace sallyport::tunnel {

// Where the proxy is to connect to. A name is looked up by the proxy.
struct SocksTarget {
  using IpV4 = std::array<std::uint8_t, 4>;
  using IpV6 = std::array<std::uint8_t, 16>;
  std::variant<IpV4, IpV6, std::string> host;
  std::uint16_t port = 0;
};

// One negotiation, in which client and proxy take turns: say what to_send() has, hand what comes to on_bytes(), until
// that says that the proxy has connected. Not thread-safe.
class SocksConnect {
 public:
  // Without credentials (null) no login is offered; with them the proxy chooses. Errc::malformed for a port of 0, and
  // for a name, user or password that is empty or longer than kMaxSocksText.
  static Result<SocksConnect> begin(const SocksTarget& target, const ProxyCredentials* credentials);

  // What is to be said now; given once. A secret where there are credentials. Empty: nothing, the proxy has the word.
  SecretBytes to_send() { return std::exchange(to_send_, SecretBytes()); }
  // Whether the proxy has connected: what comes after `bytes` is the tunnel's. After an error it is over.
  // Errc::malformed for what is no SOCKS 5, and for bytes behind an answer, where the proxy has to wait for us;
  // Errc::unavailable where it refuses, with what it says.
  Result<bool> on_bytes(ByteView bytes);

 private:
  enum class Awaited : std::uint8_t { method, login, reply, nothing };
  SocksConnect() = default;
  // The bytes that the awaited answer takes up; 0 while some of it is missing.
  Result<std::size_t> read_answer();
  Result<std::size_t> read_method();
  Result<std::size_t> read_login();
  Result<std::size_t> read_reply();

  bool has_credentials_ = false;
  SecretBytes login_;
  Bytes request_;
  SecretBytes to_send_;
  Awaited awaited_ = Awaited::method;
  Bytes received_;
};

}  // namespace sallyport::tunnel
