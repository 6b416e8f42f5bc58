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

// How often one request is sent at most: as it is, with a login, with a login by a nonce that is not too old.
inline constexpr unsigned kMaxProxyRequests = 3;

enum class LoginScheme : std::uint8_t { none, basic, digest };

// Which schemes are answered.
enum class LoginRule : std::uint8_t {
  any,
  digest_alone,  // the password is never said
};

// What a request shows.
struct ShownLogin {
  SecretBytes line;  // "Proxy-Authorization: …" with its end of line; empty: nothing
  LoginScheme scheme = LoginScheme::none;
};

// One per proxy; remembers what the proxy asked for. Not thread-safe. Borrows the random source for its lifetime.
class ProxyLogin {
 public:
  // Null: there is nothing to show.
  ProxyLogin(std::shared_ptr<const ProxyCredentials> credentials, LoginRule rule, Random& random)
      : credentials_(std::move(credentials)), rule_(rule), random_(random) {}

  // For a request of `method` whose target is sent as `uri`. Errors as check_proxy_credentials().
  Result<ShownLogin> show(std::string_view method, std::string_view uri);
  // A 407 to the `requests`-th time that a request was sent, with `shown`. Success: it is worth sending once more.
  // Errc::unavailable says why it is not, as words for people, and what was learnt is forgotten, so that a wrong
  // password is shown once per request and no account is locked by haste.
  Result<void> take_challenges(const std::vector<AuthChallenge>& challenges, LoginScheme shown, unsigned requests);

 private:
  Result<void> choose(const std::vector<AuthChallenge>& challenges);

  std::shared_ptr<const ProxyCredentials> credentials_;
  LoginRule rule_;
  Random& random_;
  LoginScheme scheme_ = LoginScheme::none;  // what the proxy asked for last
  DigestChallenge digest_;
  std::uint32_t digest_uses_ = 0;
};

}  // namespace sallyport::tunnel
