// Proof that a factory is dishonest: a certificate that bears its CA's signature and that no honest station makes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pki/certificate.h"
#include "pki/reason.h"

namespace sallyport::pki {

struct Misissuance {
  std::size_t site_ca = 0;  // whose: index into what was given
  Reason reason{};          // the first rule broken; malformed: it does not even parse
  std::string detail;
  crypto::Sha256Digest fingerprint{};  // of the certificate
};

// Looks for such a certificate in `chain`, DER as a peer sent it: one that breaks the factory profile, in any place.
// Time and order are not looked at: an honest certificate may be late, and anybody may send it beside others. Only a
// signature by one of `site_cas` counts, so that nobody else can bring a site into suspicion. Bounded work: at most
// kMaxChainCertificates certificates, each verified by those CAs alone whose name it bears as its issuer's.
std::optional<Misissuance> find_misissuance(std::span<const Bytes> chain, std::span<const Certificate> site_cas);

}  // namespace sallyport::pki
