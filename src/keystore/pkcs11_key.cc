#include <array>
#include <mutex>

#include "codec/der.h"
#include "crypto/hash.h"
#include "keystore/detail/pkcs11_session.h"

namespace sallyport::keystore {
namespace {

// SubjectPublicKeyInfo of a P-256 key up to its point (RFC 5480 §2).
constexpr std::array<std::uint8_t, 26> kSpkiHead = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
                                                    0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48,
                                                    0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

Result<crypto::PublicKey> to_public_key(ByteView point) {
  Bytes spki = to_bytes(ByteView(kSpkiHead));
  append(spki, point);
  auto key = crypto::PublicKey::from_spki(spki);
  if (!key) return std::unexpected(std::move(key).error().at("pkcs11: key"));
  return key;
}

// RFC 3279 §2.2.3.
Bytes to_der_signature(ByteView raw) {
  const std::size_t half = raw.size() / 2;
  return codec::der::encode_sequence(
      {codec::der::encode_unsigned(raw.first(half)), codec::der::encode_unsigned(raw.subspan(half))});
}

}  // namespace

struct Pkcs11Key::State {
  State(Pkcs11Uri place, Pkcs11Session opened, CK_OBJECT_HANDLE handle, crypto::PublicKey known)
      : uri(std::move(place)), session(std::move(opened)), private_key(handle), public_key(std::move(known)) {}

  // Opens the token anew; it must still hold the same key.
  Result<void> reopen() {
    TRY(auto again, Pkcs11Session::open(uri));
    TRY(const auto pair, again.find(uri.object));
    if (!pair) return failf(Errc::not_found, "pkcs11: found no key '{}' any more", uri.object);
    TRY(const auto key, to_public_key(pair->point));
    if (!(key == public_key)) return failf(Errc::conflict, "pkcs11: found another key '{}' than before", uri.object);
    session = std::move(again);
    private_key = pair->private_key;
    return {};
  }

  Pkcs11Uri uri;
  Pkcs11Session session;
  CK_OBJECT_HANDLE private_key;
  crypto::PublicKey public_key;
  std::mutex mutex;
};

Pkcs11Key::Pkcs11Key(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pkcs11Key::~Pkcs11Key() = default;

Result<std::unique_ptr<Pkcs11Key>> Pkcs11Key::open(const Pkcs11Uri& uri) {
  TRY(auto session, Pkcs11Session::open(uri));
  TRY(const auto pair, session.find(uri.object));
  if (!pair) return failf(Errc::not_found, "pkcs11: found no key '{}' in token '{}'", uri.object, uri.token);
  TRY(auto key, to_public_key(pair->point));
  return std::unique_ptr<Pkcs11Key>(
      new Pkcs11Key(std::make_unique<State>(uri, std::move(session), pair->private_key, std::move(key))));
}

Result<std::unique_ptr<Pkcs11Key>> Pkcs11Key::generate(const Pkcs11Uri& uri) {
  TRY(auto session, Pkcs11Session::open(uri));
  TRY(const auto there, session.find(uri.object));
  if (there) return failf(Errc::conflict, "pkcs11: found a key '{}' in token '{}' already", uri.object, uri.token);
  TRY(const auto pair, session.generate(uri.object));
  TRY(auto key, to_public_key(pair.point));
  return std::unique_ptr<Pkcs11Key>(
      new Pkcs11Key(std::make_unique<State>(uri, std::move(session), pair.private_key, std::move(key))));
}

const crypto::PublicKey& Pkcs11Key::public_key() const {
  return state_->public_key;
}

crypto::SignatureScheme Pkcs11Key::scheme() const {
  return crypto::SignatureScheme::ecdsa_p256_sha256;
}

Result<Bytes> Pkcs11Key::sign(ByteView message) {
  const std::lock_guard lock(state_->mutex);
  const auto digest = crypto::sha256(message);
  bool forgotten = false;
  auto raw = state_->session.sign(state_->private_key, digest, forgotten);
  if (!raw && forgotten) {
    TRY_VOID(state_->reopen());
    raw = state_->session.sign(state_->private_key, digest, forgotten);
  }
  if (!raw) return std::unexpected(std::move(raw).error());
  Bytes signature = to_der_signature(*raw);
  if (!state_->public_key.verify(scheme(), message, signature))
    return fail(Errc::unavailable, "pkcs11: the token returned a signature that is not its key's");
  return signature;
}

}  // namespace sallyport::keystore
