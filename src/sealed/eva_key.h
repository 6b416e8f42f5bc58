// API keys of EVA ICS v3: an id that travels in clear, and a secret text from which both formats derive what they seal
// with.
#pragma once

#include <string>
#include <string_view>

#include "base/secret.h"
#include "base/strong.h"
#include "crypto/cbc.h"

namespace sallyport::sealed::eva {

// 1 to 64 printable ASCII characters, no space and no '|', which the text format parts its fields with.
using KeyId = Strong<std::string, struct EvaKeyIdTag>;
Result<KeyId> parse_key_id(std::string_view text);

// The id of the key by which controllers that never met pair.
inline constexpr std::string_view kDefaultKeyId = "default";
inline constexpr std::size_t kLeastSecretBytes = 8;  // one message is enough to guess a short one offline
inline constexpr std::size_t kMostSecretBytes = 256;

// One key, with its derived keys. The same in both directions and on every node that has it: that is the format's.
class Key {
 public:
  // Fails with Errc::malformed unless the secret is UTF-8 of 8 to 256 bytes.
  static Result<Key> from(KeyId id, std::string_view secret);

  Key clone() const;
  const KeyId& id() const { return id_; }
  // Whether `secret` is this key's; in constant time for secrets of one length.
  bool is(std::string_view secret) const;
  // What a caller has to write into its request.
  std::string_view expose() const { return as_text(secret_.expose()); }

  // The first half of SHA-512 of the secret, for cipher and tag alike: the format's mistake, which each peer must
  // share.
  const crypto::CbcKeys& binary() const { return binary_; }
  // SHA-256 of the secret: the tag's key, then the cipher's (Fernet).
  const crypto::CbcKeys& fernet() const { return fernet_; }

 private:
  Key(KeyId id, SecretBytes secret, crypto::CbcKeys binary, crypto::CbcKeys fernet)
      : id_(std::move(id)), secret_(std::move(secret)), binary_(std::move(binary)), fernet_(std::move(fernet)) {}

  KeyId id_;
  SecretBytes secret_;
  crypto::CbcKeys binary_;
  crypto::CbcKeys fernet_;
};

}  // namespace sallyport::sealed::eva
