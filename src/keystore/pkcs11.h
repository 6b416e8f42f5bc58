// P-256 keys that live in a PKCS #11 token (OASIS PKCS #11 2.40) and never leave it. The token signs a digest;
// everything else is done here.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "crypto/key.h"

namespace sallyport::keystore {

inline constexpr std::size_t kMaxPin = 64;

// Where a key is, in RFC 7512's form:
//   pkcs11:token=LABEL;object=LABEL?module-path=FILE&pin-source=FILE
struct Pkcs11Uri {
  std::string token;
  std::string object;
  std::filesystem::path module;
  std::filesystem::path pin_source;  // a file of mode 0600; one newline at its end is not part of the PIN
};
// Exactly those four attributes, percent-encoded, in any order within their part. Errc::malformed.
Result<Pkcs11Uri> parse_pkcs11_uri(std::string_view text);
inline constexpr std::string_view kPkcs11Scheme = "pkcs11:";

// A key in a token. Thread-safe. Logs in again when the token has forgotten the session. Does not survive fork(): in
// the child every signature is Errc::internal.
class Pkcs11Key final : public crypto::SigningKey {
 public:
  // Errc::not_found: no such module, token or key; Errc::unauthorized: a PIN that is wrong (told once, never repeated:
  // a token locks itself) or locked, or a PIN file that others may read; Errc::conflict: several keys of this label;
  // Errc::malformed: a key that is not P-256; Errc::unavailable: the token does not answer.
  static Result<std::unique_ptr<Pkcs11Key>> open(const Pkcs11Uri& uri);
  // Makes the key in the token, not extractable, and opens it. Errc::conflict when there is one of this label.
  static Result<std::unique_ptr<Pkcs11Key>> generate(const Pkcs11Uri& uri);
  ~Pkcs11Key() override;

  const crypto::PublicKey& public_key() const override;
  crypto::SignatureScheme scheme() const override;
  // What the token returns is verified before it goes out: a faulty one is Errc::unavailable.
  Result<Bytes> sign(ByteView message) override;

 private:
  struct State;
  explicit Pkcs11Key(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::keystore
