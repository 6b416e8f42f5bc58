#include "pki/misissuance.h"

#include <algorithm>

#include "pki/detail/algorithm.h"
#include "pki/detail/rules.h"
#include "pki/verify.h"

namespace sallyport::pki {
namespace {

namespace der = codec::der;
using der::Tag;

// What can be said of a certificate whatever is inside: who issued it by its own word, and what was signed.
struct Outline {
  detail::SignedParts parts;  // borrows
  ByteView issuer;            // the whole Name, borrows
};

Result<Outline> read_outline(ByteView bytes) {
  TRY(der::Reader reader, der::enter_only(bytes, Tag::sequence, "certificate"));
  TRY(const detail::SignedParts parts, detail::read_signed_parts(reader));
  der::Reader tbs(parts.tbs.content);
  TRY_VOID(tbs.optional(der::context_constructed(0)));  // version
  TRY_VOID(tbs.element(Tag::integer));                  // serial
  TRY_VOID(tbs.element(Tag::sequence));                 // signature algorithm
  TRY(const der::Element issuer, tbs.element(Tag::sequence));
  return Outline{parts, issuer.whole};
}

// The CA that signed, whatever the certificate says.
std::optional<std::size_t> find_signer(const Outline& outline, std::span<const Certificate> site_cas) {
  for (std::size_t i = 0; i < site_cas.size(); ++i) {
    if (!equal(site_cas[i].subject().der(), outline.issuer)) continue;
    const auto& key = site_cas[i].public_key();
    if (key.verify(outline.parts.scheme, outline.parts.tbs.whole, outline.parts.signature)) return i;
  }
  return std::nullopt;
}

// Which rule of a factory's certificates this one breaks.
std::optional<Refusal> judge(ByteView bytes, const Certificate& site_ca) {
  const auto certificate = parse_certificate(bytes);
  if (!certificate) {
    const Reason reason = certificate.error().code == Errc::unauthorized ? Reason::weak_algorithm : Reason::malformed;
    return Refusal{reason, certificate.error()};
  }
  // A lifetime outside its CA's may be left from an earlier certificate of the same CA.
  auto found = detail::check_profile_apart_from_time(profile(ProfileId::factory_device), *certificate, &site_ca);
  if (found) return std::nullopt;
  return std::move(found).error();
}

}  // namespace

std::optional<Misissuance> find_misissuance(std::span<const Bytes> chain, std::span<const Certificate> site_cas) {
  const std::size_t count = std::min(chain.size(), kMaxChainCertificates);
  for (std::size_t i = 0; i < count; ++i) {
    if (chain[i].size() > kMaxCertificateBytes) continue;
    const auto outline = read_outline(chain[i]);
    if (!outline) continue;
    const auto signer = find_signer(*outline, site_cas);
    if (!signer) continue;
    if (auto refusal = judge(chain[i], site_cas[*signer])) {
      return Misissuance{.site_ca = *signer,
                         .reason = refusal->reason,
                         .detail = std::move(refusal->error.detail),
                         .fingerprint = crypto::sha256(chain[i])};
    }
  }
  return std::nullopt;
}

}  // namespace sallyport::pki
