// How a login at an HTTP proxy goes (RFC 9110 §11.7): nothing is shown until the proxy asks, then what it asks for, the
// strongest that can be: Digest (RFC 7616) before Basic (RFC 7617).
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/secret.h"
#include "tunnel/auth_challenge.h"
#include "tunnel/digest_login.h"
#include "tunnel/proxy_credentials.h"

namespace sallyport::tunnel {

// How often one request is sent at most: as it is, with a login, and again while the proxy's nonces end meanwhile.
inline constexpr unsigned kMaxProxyRequests = 5;
// Nonces whose uses are counted: a proxy may give each connection another one.
inline constexpr std::size_t kMaxProxyNonces = 16;

enum class LoginScheme : std::uint8_t { none, basic, digest };

// Which schemes are answered.
enum class LoginRule : std::uint8_t {
  any,
  digest_alone,   // the password is never said
  basic_at_once,  // Basic unasked, for proxies that do not ask as RFC 9110 wants; what they ask for later is answered
};

// What a request shows.
struct ShownLogin {
  SecretBytes line;  // "Proxy-Authorization: …" with its end of line; empty: nothing
  LoginScheme scheme = LoginScheme::none;
  std::string nonce;       // of Digest
  bool is_proven = false;  // a request with a login by this nonce was let through before
};

// One per proxy; remembers what the proxy asked for. Not thread-safe; requests of several connections may overlap.
// Borrows the random source for its lifetime.
class ProxyLogin {
 public:
  // Null: there is nothing to show.
  ProxyLogin(std::shared_ptr<const ProxyCredentials> credentials, LoginRule rule, Random& random)
      : credentials_(std::move(credentials)), rule_(rule), random_(random) {}

  // For a request of `method` whose target is sent as `uri`. Errors as check_proxy_credentials().
  Result<ShownLogin> show(std::string_view method, std::string_view uri);
  // A request with `shown` was answered, and not by 407.
  void take_success(const ShownLogin& shown);
  // A 407 to the `requests`-th time that a request was sent, with `shown`. Success: it is worth sending once more.
  // Errc::unavailable says why it is not, as words for people. A login that was refused is forgotten, so that each
  // request shows a wrong password once, and no account is locked by haste.
  Result<void> take_challenges(const std::vector<AuthChallenge>& challenges, const ShownLogin& shown,
                               unsigned requests);

 private:
  struct Nonce {
    std::string nonce;
    std::string own;  // cnonce: the same for all uses, which "-sess" wants
    std::uint32_t uses = 0;
    bool is_proven = false;
  };

  Result<void> choose(const std::vector<AuthChallenge>& challenges);
  Nonce& use_of(const std::string& nonce);

  std::shared_ptr<const ProxyCredentials> credentials_;
  LoginRule rule_;
  Random& random_;
  LoginScheme scheme_ = LoginScheme::none;  // what the proxy asked for last
  DigestChallenge digest_;
  std::vector<Nonce> nonces_;  // the newest last
};

}  // namespace sallyport::tunnel
