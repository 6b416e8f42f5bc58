// Who logs in at a proxy.
#pragma once

#include <string>

#include "base/secret.h"

namespace sallyport::tunnel {

struct ProxyCredentials {
  std::string user;  // without ':'
  SecretBytes password;
};

// Whether a proxy of any kind can be told them: Errc::malformed on a control character or a user with ':' (RFC 7617
// §2).
Result<void> check_proxy_credentials(const ProxyCredentials& credentials);

}  // namespace sallyport::tunnel
