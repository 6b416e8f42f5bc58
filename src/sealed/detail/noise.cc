#include "sealed/detail/noise.h"

#include "crypto/aead.h"

namespace sallyport::sealed {
namespace {

constexpr std::string_view kNnPsk0 = "Noise_NNpsk0_25519_AESGCM_SHA256";
constexpr std::string_view kNk = "Noise_NK_25519_AESGCM_SHA256";

using Digest = crypto::Sha256Digest;

Secret<32> to_secret(Digest digest) {
  Secret<32> out(digest);
  wipe(digest);
  return out;
}

// HKDF of §4.3: the first two or three outputs.
template <std::size_t N>
std::array<Digest, N> noise_hkdf(const Secret<32>& chaining_key, ByteView input) {
  Digest extracted = crypto::hmac_sha256(chaining_key.expose(), input);
  std::array<Digest, N> out{};
  Bytes block;
  for (std::size_t i = 0; i < N; ++i) {
    block.push_back(static_cast<std::uint8_t>(i + 1));
    out[i] = crypto::hmac_sha256(extracted, block);
    block.assign(out[i].begin(), out[i].end());
  }
  wipe(extracted);
  wipe(block);
  return out;
}

// §12.3: 32 zero bits, then n.
crypto::AeadNonce noise_nonce(std::uint64_t n) {
  crypto::AeadNonce out{};
  for (std::size_t i = 0; i < 8; ++i) out[out.size() - 1 - i] = static_cast<std::uint8_t>(n >> (8 * i));
  return out;
}

// e: in handshakes with a psk it is mixed into the key as well (§9.2).
void mix_ephemeral(NoiseSymmetricState& state, const AgreementPublic& ephemeral, bool psk) {
  state.mix_hash(ephemeral);
  if (psk) state.mix_key(ephemeral);
}

NoiseStart start_nnpsk0(ByteView prologue, const Secret<32>& psk, const AgreementPublic& ephemeral) {
  NoiseSymmetricState state(kNnPsk0);
  state.mix_hash(prologue);
  state.mix_key_and_hash(psk.expose());
  mix_ephemeral(state, ephemeral, true);
  return {.state = std::move(state), .es = std::nullopt};
}

NoiseStart start_nk(ByteView prologue, const AgreementPublic& responder, const AgreementPublic& ephemeral,
                    AgreementSecret es) {
  NoiseSymmetricState state(kNk);
  state.mix_hash(prologue);
  state.mix_hash(responder);
  mix_ephemeral(state, ephemeral, false);
  state.mix_key(es.expose());
  return {.state = std::move(state), .es = std::move(es)};
}

}  // namespace

NoiseSymmetricState::NoiseSymmetricState(std::string_view protocol_name) : chaining_key_(Digest{}), key_(Digest{}) {
  if (protocol_name.size() <= hash_.size()) {
    std::ranges::copy(protocol_name, hash_.begin());
  } else {
    hash_ = crypto::sha256(as_bytes(protocol_name));
  }
  chaining_key_ = Secret<32>(hash_);
}

void NoiseSymmetricState::mix_hash(ByteView data) {
  Bytes joined(hash_.begin(), hash_.end());
  append(joined, data);
  hash_ = crypto::sha256(joined);
}

void NoiseSymmetricState::mix_key(ByteView input) {
  auto [next, key] = noise_hkdf<2>(chaining_key_, input);
  chaining_key_ = to_secret(next);
  key_ = to_secret(key);
  nonce_ = 0;
  wipe(next);
  wipe(key);
}

void NoiseSymmetricState::mix_key_and_hash(ByteView input) {
  auto [next, mixed, key] = noise_hkdf<3>(chaining_key_, input);
  chaining_key_ = to_secret(next);
  mix_hash(mixed);
  key_ = to_secret(key);
  nonce_ = 0;
  wipe(next);
  wipe(mixed);
  wipe(key);
}

Bytes NoiseSymmetricState::encrypt_and_hash(ByteView plaintext) {
  Bytes out = crypto::aead_seal(key_, noise_nonce(nonce_++), hash_, plaintext);
  mix_hash(out);
  return out;
}

Result<SecretBytes> NoiseSymmetricState::decrypt_and_hash(ByteView ciphertext) {
  TRY(auto out, crypto::aead_open(key_, noise_nonce(nonce_), hash_, ciphertext));
  ++nonce_;
  mix_hash(ciphertext);
  return out;
}

NoiseSymmetricState NoiseSymmetricState::clone() const {
  NoiseSymmetricState out("");
  out.chaining_key_ = chaining_key_.clone();
  out.key_ = key_.clone();
  out.hash_ = hash_;
  out.nonce_ = nonce_;
  return out;
}

NoiseSecrets NoiseSymmetricState::split() const {
  auto [first, second] = noise_hkdf<2>(chaining_key_, {});
  NoiseSecrets out{.to_responder = Secret<32>(first),
                   .to_initiator = Secret<32>(second),
                   .chaining_key = chaining_key_.clone(),
                   .hash = hash_};
  wipe(first);
  wipe(second);
  return out;
}

NoiseInitiator NoiseInitiator::nnpsk0(ByteView prologue, const Secret<32>& psk, AgreementKey ephemeral) {
  NoiseStart start = start_nnpsk0(prologue, psk, ephemeral.public_key());
  return {std::move(start), std::move(ephemeral), true};
}

Result<NoiseInitiator> NoiseInitiator::nk(ByteView prologue, const AgreementPublic& responder, AgreementKey ephemeral) {
  TRY(auto es, ephemeral.agree(responder));
  NoiseStart start = start_nk(prologue, responder, ephemeral.public_key(), std::move(es));
  return NoiseInitiator(std::move(start), std::move(ephemeral), false);
}

Bytes NoiseInitiator::write(ByteView payload) {
  Bytes out(ephemeral().begin(), ephemeral().end());
  append(out, start_.state.encrypt_and_hash(payload));
  return out;
}

Result<NoiseInitiator::Finished> NoiseInitiator::read(ByteView message) const {
  Reader reader(message);
  TRY(const auto peer, reader.array<crypto::kAgreementBytes>());
  NoiseSymmetricState state = start_.state.clone();
  mix_ephemeral(state, peer, psk_);
  TRY(const auto ee, ephemeral_.agree(peer));
  state.mix_key(ee.expose());
  TRY(auto payload, state.decrypt_and_hash(reader.rest()));
  return Finished{.payload = std::move(payload), .secrets = state.split()};
}

NoiseResponder NoiseResponder::nnpsk0(ByteView prologue, const Secret<32>& psk, const AgreementPublic& initiator) {
  return {start_nnpsk0(prologue, psk, initiator), initiator, true};
}

Result<NoiseResponder> NoiseResponder::nk(ByteView prologue, const AgreementKey& own,
                                          const AgreementPublic& initiator) {
  TRY(auto es, own.agree(initiator));
  return NoiseResponder(start_nk(prologue, own.public_key(), initiator, std::move(es)), initiator, false);
}

Result<void> NoiseResponder::agree(const AgreementKey& ephemeral) {
  TRY(const auto ee, ephemeral.agree(initiator_));
  ephemeral_ = ephemeral.public_key();
  mix_ephemeral(start_.state, ephemeral_, psk_);
  start_.state.mix_key(ee.expose());
  return {};
}

NoiseResponder::Finished NoiseResponder::write(ByteView payload) {
  Bytes out(ephemeral_.begin(), ephemeral_.end());
  append(out, start_.state.encrypt_and_hash(payload));
  return {.message = std::move(out), .secrets = start_.state.split()};
}

}  // namespace sallyport::sealed
