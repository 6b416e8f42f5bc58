// Key agreement with X25519 (RFC 7748 §6.1).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/random.h"
#include "base/secret.h"

namespace sallyport::crypto {

inline constexpr std::size_t kAgreementBytes = 32;

using AgreementPublic = std::array<std::uint8_t, kAgreementBytes>;
using AgreementSecret = Secret<kAgreementBytes>;

// A key pair, wiped when it ends. Move-only.
class AgreementKey {
 public:
  static AgreementKey generate(Random& random);
  static AgreementKey from_private(const AgreementSecret& scalar);

  AgreementKey(AgreementKey&&) noexcept;
  AgreementKey& operator=(AgreementKey&&) noexcept;
  ~AgreementKey();

  const AgreementPublic& public_key() const;
  // The secret shared with whoever has the private key of `peer`. Fails with Errc::unauthorized when it would be all
  // zero, which a peer without a private key can bring about (RFC 7748 §6.1).
  Result<AgreementSecret> agree(const AgreementPublic& peer) const;

 private:
  struct State;
  explicit AgreementKey(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::crypto
