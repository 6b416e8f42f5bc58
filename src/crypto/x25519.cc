#include "crypto/x25519.h"

#include "crypto/detail/evp.h"

namespace sallyport::crypto {

struct AgreementKey::State {
  OwnedPkey key;
  AgreementPublic public_key{};
};

AgreementKey::AgreementKey(std::unique_ptr<State> state) : state_(std::move(state)) {}
AgreementKey::AgreementKey(AgreementKey&&) noexcept = default;
AgreementKey& AgreementKey::operator=(AgreementKey&&) noexcept = default;
AgreementKey::~AgreementKey() = default;

AgreementKey AgreementKey::generate(Random& random) {
  std::array<std::uint8_t, kAgreementBytes> drawn = random.array<kAgreementBytes>();
  const AgreementSecret scalar(drawn);
  wipe(drawn);
  return from_private(scalar);
}

AgreementKey AgreementKey::from_private(const AgreementSecret& scalar) {
  auto state = std::make_unique<State>();
  state->key.reset(
      EVP_PKEY_new_raw_private_key_ex(nullptr, "X25519", nullptr, scalar.expose().data(), scalar.expose().size()));
  std::size_t size = state->public_key.size();
  SALLYPORT_CHECK(state->key != nullptr &&
                  EVP_PKEY_get_raw_public_key(state->key.get(), state->public_key.data(), &size) == 1 &&
                  size == state->public_key.size());
  return AgreementKey(std::move(state));
}

const AgreementPublic& AgreementKey::public_key() const {
  return state_->public_key;
}

Result<AgreementSecret> AgreementKey::agree(const AgreementPublic& peer) const {
  const ErrorQueueGuard guard;
  const OwnedPkey other(EVP_PKEY_new_raw_public_key_ex(nullptr, "X25519", nullptr, peer.data(), peer.size()));
  const OwnedPkeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, state_->key.get(), nullptr));
  SALLYPORT_CHECK(other != nullptr && context != nullptr && EVP_PKEY_derive_init(context.get()) == 1);
  std::array<std::uint8_t, kAgreementBytes> shared{};
  std::size_t size = shared.size();
  constexpr std::array<std::uint8_t, kAgreementBytes> kZero{};
  // OpenSSL refuses the all-zero secret itself; a version that does not is caught by the comparison.
  const bool agreed = EVP_PKEY_derive_set_peer(context.get(), other.get()) == 1 &&
                      EVP_PKEY_derive(context.get(), shared.data(), &size) == 1 && size == shared.size() &&
                      !equal_constant_time(shared, kZero);
  if (!agreed) return fail(Errc::unauthorized, "x25519: a public key of small order, want one of a key pair");
  AgreementSecret out(shared);
  wipe(shared);
  return out;
}

}  // namespace sallyport::crypto
