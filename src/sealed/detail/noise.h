// The two Noise handshakes of SR1: NNpsk0 and NK with 25519, AESGCM and SHA256 (Noise revision 34, §5, §7, §9).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "crypto/x25519.h"

namespace sallyport::sealed {

using crypto::AgreementKey;
using crypto::AgreementPublic;
using crypto::AgreementSecret;

// What a handshake leaves: the two keys of Split(), and ck and h for keys of our own.
struct NoiseSecrets {
  Secret<32> to_responder;
  Secret<32> to_initiator;
  Secret<32> chaining_key;
  crypto::Sha256Digest hash{};
};

// §5.2, with the CipherState that belongs to it.
class NoiseSymmetricState {
 public:
  explicit NoiseSymmetricState(std::string_view protocol_name);

  void mix_hash(ByteView data);
  void mix_key(ByteView input);
  void mix_key_and_hash(ByteView input);
  Bytes encrypt_and_hash(ByteView plaintext);
  // Fails with Errc::unauthorized; the state is then the same as before.
  Result<SecretBytes> decrypt_and_hash(ByteView ciphertext);
  const crypto::Sha256Digest& hash() const { return hash_; }
  NoiseSecrets split() const;
  NoiseSymmetricState clone() const;

 private:
  Secret<32> chaining_key_;
  Secret<32> key_;
  crypto::Sha256Digest hash_{};
  std::uint64_t nonce_ = 0;
};

// Made at the first message, up to its payload, on both sides.
struct NoiseStart {
  NoiseSymmetricState state;
  std::optional<AgreementSecret> es;  // NK: DH(e, s)
};

// The side that sends first. One handshake; use: write(), then read() until it succeeds.
class NoiseInitiator {
 public:
  static NoiseInitiator nnpsk0(ByteView prologue, const Secret<32>& psk, AgreementKey ephemeral);
  // Fails with Errc::unauthorized when `responder` is of small order.
  static Result<NoiseInitiator> nk(ByteView prologue, const AgreementPublic& responder, AgreementKey ephemeral);

  const AgreementPublic& ephemeral() const { return ephemeral_.public_key(); }
  const std::optional<AgreementSecret>& es() const { return start_.es; }
  // The handshake hash before the payload of the first message.
  const crypto::Sha256Digest& hash() const { return start_.state.hash(); }
  // The first message: e, and the sealed payload. Once.
  Bytes write(ByteView payload);
  struct Finished {
    SecretBytes payload;
    NoiseSecrets secrets;
  };
  // The second message. May be called again after a failure (Errc::unauthorized, Errc::malformed).
  Result<Finished> read(ByteView message) const;

 private:
  NoiseInitiator(NoiseStart start, AgreementKey ephemeral, bool psk)
      : start_(std::move(start)), ephemeral_(std::move(ephemeral)), psk_(psk) {}
  NoiseStart start_;
  AgreementKey ephemeral_;
  bool psk_;
};

// The side that answers. One handshake; use: read(), agree(), write().
class NoiseResponder {
 public:
  static NoiseResponder nnpsk0(ByteView prologue, const Secret<32>& psk, const AgreementPublic& initiator);
  // Fails with Errc::unauthorized when `initiator` is of small order.
  static Result<NoiseResponder> nk(ByteView prologue, const AgreementKey& own, const AgreementPublic& initiator);

  const std::optional<AgreementSecret>& es() const { return start_.es; }
  // The handshake hash before the payload of the first message.
  const crypto::Sha256Digest& hash() const { return start_.state.hash(); }
  // The payload of the first message, what follows e.
  Result<SecretBytes> read(ByteView ciphertext) { return start_.state.decrypt_and_hash(ciphertext); }
  // Begins the second message. Fails with Errc::unauthorized when the initiator's e is of small order. Once.
  Result<void> agree(const AgreementKey& ephemeral);
  struct Finished {
    Bytes message;
    NoiseSecrets secrets;
  };
  // The second message: our e, and the sealed payload.
  Finished write(ByteView payload);

 private:
  NoiseResponder(NoiseStart start, const AgreementPublic& initiator, bool psk)
      : start_(std::move(start)), initiator_(initiator), psk_(psk) {}
  NoiseStart start_;
  AgreementPublic initiator_;
  AgreementPublic ephemeral_{};
  bool psk_;
};

}  // namespace sallyport::sealed
