// Digest access authentication, the side that logs in (RFC 7616): the password itself is never said.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tunnel/auth_challenge.h"
#include "tunnel/proxy_credentials.h"

namespace sallyport::tunnel {

// From the weakest to the strongest.
enum class DigestHash : std::uint8_t { md5, sha256, sha512_256 };

// A challenge that can be answered: qop "auth", a hash that we have.
struct DigestChallenge {
  std::string realm;
  std::string nonce;
  std::optional<std::string> opaque;
  std::string algorithm;  // as it is spelled; empty: not said, which is MD5
  DigestHash hash = DigestHash::md5;
  bool is_session = false;   // "-sess"
  bool hashes_user = false;  // userhash
  bool is_utf8 = false;      // charset
  bool is_stale = false;     // the login before was right, its nonce too old
};

// Fails with Errc::malformed without a realm or a nonce, Errc::unavailable on another hash and without qop "auth" (the
// way of RFC 2069 among it).
Result<DigestChallenge> read_digest_challenge(const AuthChallenge& challenge);

// What one answer is made for.
struct DigestUse {
  std::string_view method;
  std::string_view uri;        // the request's target as it is sent
  std::uint32_t count = 1;     // how many answers to this nonce there were, with this one
  std::string_view own_nonce;  // cnonce: nobody can predict it; letters and digits
};

// The credentials that answer `challenge` (RFC 7616 §3.4): "Digest username=…". Without the password.
Result<std::string> encode_digest_answer(const DigestChallenge& challenge, const ProxyCredentials& credentials,
                                         const DigestUse& use);

}  // namespace sallyport::tunnel
