#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <string>
#include <vector>

#include "codec/der.h"
#include "crypto/detail/evp.h"
#include "crypto/detail/public_key_state.h"
#include "crypto/detail/spki.h"
#include "crypto/hash.h"
#include "crypto/key.h"

namespace sallyport::crypto {
namespace {

namespace der = codec::der;

bool is_elliptic(KeyType type) {
  return type == KeyType::p256 || type == KeyType::p384;
}

// The point is the end of the SubjectPublicKeyInfo.
ByteView point_in(KeyType type, ByteView spki) {
  return spki.last(type == KeyType::p256 ? 65 : 97);
}

OwnedPkey make_parameters(std::string group) {
  std::array parameters = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size()),
                           OSSL_PARAM_construct_end()};
  const OwnedPkeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* out = nullptr;
  SALLYPORT_CHECK(context && EVP_PKEY_fromdata_init(context.get()) == 1);
  SALLYPORT_CHECK(EVP_PKEY_fromdata(context.get(), &out, EVP_PKEY_KEY_PARAMETERS, parameters.data()) == 1);
  return OwnedPkey(out);
}

// A key of a curve into which a point can be put. To make a key with its context for every point takes OpenSSL 3.0 a
// third as long as the verification, most of it for the constants of the curve.
class CurveVerifier {
 public:
  explicit CurveVerifier(const std::string& group) : key_(make_parameters(group)) {
    context_.reset(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
    SALLYPORT_CHECK(context_ && EVP_PKEY_verify_init(context_.get()) == 1);
  }

  bool has(ByteView point) const { return !loaded_.empty() && equal(point, loaded_); }
  // False unless it is on the curve, which EC_POINT_oct2point checks.
  bool load(ByteView point) {
    loaded_.clear();
    if (EVP_PKEY_set1_encoded_public_key(key_.get(), point.data(), point.size()) != 1) return false;
    loaded_ = to_bytes(point);
    return true;
  }
  // By the point that was loaded.
  bool verify(ByteView digest, ByteView signature) {
    return EVP_PKEY_verify(context_.get(), signature.data(), signature.size(), digest.data(), digest.size()) == 1;
  }

 private:
  OwnedPkey key_;
  OwnedPkeyContext context_;
  Bytes loaded_;
};

// The last points that a thread has seen: those of CAs come again and again.
class CurveVerifiers {
 public:
  explicit CurveVerifiers(std::string group) : group_(std::move(group)) {}

  // The one that has the point, as the first; null when it is not on the curve.
  CurveVerifier* find(ByteView point) {
    auto found = std::ranges::find_if(recent_, [&](const CurveVerifier& each) { return each.has(point); });
    if (found == recent_.end()) {
      found = recent_.size() < kMost ? recent_.emplace(recent_.end(), group_) : recent_.end() - 1;
      if (!found->load(point)) return nullptr;
    }
    std::rotate(recent_.begin(), found, found + 1);
    return &recent_.front();
  }

 private:
  static constexpr std::size_t kMost = 4;
  std::string group_;
  std::vector<CurveVerifier> recent_;
};

// This thread's.
CurveVerifiers& verifiers_of(KeyType type) {
  if (type == KeyType::p256) {
    thread_local CurveVerifiers p256("prime256v1");
    return p256;
  }
  thread_local CurveVerifiers p384("secp384r1");
  return p384;
}

bool is_on_curve(KeyType type, ByteView point) {
  const ErrorQueueGuard guard;
  return verifiers_of(type).find(point) != nullptr;
}

OwnedPkey make_native(const ParsedSpki& parsed, ByteView spki) {
  if (parsed.type == KeyType::ed25519) {
    return OwnedPkey(EVP_PKEY_new_raw_public_key_ex(nullptr, "ED25519", nullptr, parsed.key.data(), parsed.key.size()));
  }
  const unsigned char* at = spki.data();
  return OwnedPkey(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
}

// Ecdsa-Sig-Value := SEQUENCE { r INTEGER, s INTEGER } (RFC 3279 §2.2.3), both positive and no longer than the order.
Result<void> check_ecdsa_signature(KeyType type, ByteView signature) {
  const std::size_t order_size = type == KeyType::p256 ? 32 : 48;
  TRY(der::Reader fields, der::enter_only(signature, der::Tag::sequence, "ecdsa signature"));
  for (int i = 0; i < 2; ++i) {
    TRY(ByteView number, fields.integer());
    if (number[0] >= 0x80) return fail(Errc::malformed, "ecdsa signature: negative number");
    if (number[0] == 0) number = number.subspan(1);
    if (number.empty() || number.size() > order_size) {
      return failf(Errc::malformed, "ecdsa signature: number of {} bytes, want 1 to {}", number.size(), order_size);
    }
  }
  return fields.finish("ecdsa signature");
}

bool verify_digest(KeyType type, ByteView spki, ByteView digest, ByteView signature) {
  CurveVerifier* verifier = verifiers_of(type).find(point_in(type, spki));
  return verifier != nullptr && verifier->verify(digest, signature);
}

bool verify_message(EVP_PKEY* key, SignatureScheme scheme, ByteView message, ByteView signature) {
  if (key == nullptr) return false;
  const OwnedDigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* inner = nullptr;  // owned by `context`
  return context &&
         EVP_DigestVerifyInit_ex(context.get(), &inner, digest_name(scheme), nullptr, nullptr, key, nullptr) == 1 &&
         set_padding(inner, scheme) &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

}  // namespace

Bytes digest_for(SignatureScheme scheme, ByteView message) {
  if (scheme == SignatureScheme::ecdsa_p256_sha256) return to_bytes(sha256(message));
  SALLYPORT_CHECK(scheme == SignatureScheme::ecdsa_p384_sha384);
  Bytes out(48);
  SALLYPORT_CHECK(EVP_Digest(message.data(), message.size(), out.data(), nullptr, sha384_algorithm(), nullptr) == 1);
  return out;
}

bool fits(SignatureScheme scheme, KeyType type) {
  switch (scheme) {
    case SignatureScheme::ecdsa_p256_sha256:
      return type == KeyType::p256;
    case SignatureScheme::ecdsa_p384_sha384:
      return type == KeyType::p384;
    case SignatureScheme::ed25519:
      return type == KeyType::ed25519;
    case SignatureScheme::rsa_pkcs1_sha256:
    case SignatureScheme::rsa_pkcs1_sha384:
    case SignatureScheme::rsa_pkcs1_sha512:
    case SignatureScheme::rsa_pss_sha256:
      return type == KeyType::rsa;
  }
  return false;
}

// RFC 4055 §3.1: the salt of rsa_pss_sha256 has the length of the digest.
bool set_padding(EVP_PKEY_CTX* context, SignatureScheme scheme) {
  if (scheme != SignatureScheme::rsa_pss_sha256) return true;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

const char* digest_name(SignatureScheme scheme) {
  switch (scheme) {
    case SignatureScheme::ecdsa_p256_sha256:
    case SignatureScheme::rsa_pkcs1_sha256:
    case SignatureScheme::rsa_pss_sha256:
      return "SHA256";
    case SignatureScheme::ecdsa_p384_sha384:
    case SignatureScheme::rsa_pkcs1_sha384:
      return "SHA384";
    case SignatureScheme::rsa_pkcs1_sha512:
      return "SHA512";
    case SignatureScheme::ed25519:
      return nullptr;
  }
  return nullptr;
}

EVP_PKEY* PublicKey::State::native() const {
  std::call_once(prepared_, [this] {
    const ErrorQueueGuard guard;
    const auto parsed = parse_spki(spki);
    SALLYPORT_CHECK(parsed.has_value());
    native_ = make_native(*parsed, spki);
  });
  return native_.get();
}

Result<PublicKey> PublicKey::from_spki(ByteView spki_der) {
  TRY(const ParsedSpki parsed, parse_spki(spki_der));
  if (is_elliptic(parsed.type) && !is_on_curve(parsed.type, parsed.key)) {
    return fail(Errc::malformed, "key: point that is not on its curve");
  }
  auto state = std::make_shared<State>();
  state->type = parsed.type;
  state->spki = to_bytes(spki_der);
  return PublicKey(std::move(state));
}

KeyType PublicKey::type() const {
  return state_->type;
}
ByteView PublicKey::spki() const {
  return state_->spki;
}

Result<void> PublicKey::verify(SignatureScheme scheme, ByteView message, ByteView signature) const {
  if (!fits(scheme, type())) return fail(Errc::unauthorized, "signature: scheme of another type of key");
  const ErrorQueueGuard guard;
  bool good = false;
  if (is_elliptic(type())) {
    const auto checked = check_ecdsa_signature(type(), signature);
    if (!checked) return fail(Errc::unauthorized, checked.error().detail);
    good = verify_digest(type(), spki(), digest_for(scheme, message), signature);
  } else {
    good = verify_message(state_->native(), scheme, message, signature);
  }
  if (!good) return fail(Errc::unauthorized, "signature: not of this key over this message");
  return {};
}

SignatureScheme default_scheme(KeyType type) {
  switch (type) {
    case KeyType::p256:
      return SignatureScheme::ecdsa_p256_sha256;
    case KeyType::p384:
      return SignatureScheme::ecdsa_p384_sha384;
    case KeyType::ed25519:
      return SignatureScheme::ed25519;
    case KeyType::rsa:
      return SignatureScheme::rsa_pkcs1_sha256;
  }
  SALLYPORT_CHECK(false);
  return {};
}

}  // namespace sallyport::crypto
