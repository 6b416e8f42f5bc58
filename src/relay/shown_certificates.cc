#include "relay/shown_certificates.h"

#include <algorithm>

namespace sallyport::relay {
namespace {

bool is_issuer_of(const pki::Certificate& ca, const pki::Certificate& leaf) {
  const auto& wanted = leaf.extensions().authority_key_id;
  return wanted && wanted == ca.extensions().subject_key_id && ca.subject() == leaf.issuer();
}

}  // namespace

ShownCertificates::ShownCertificates(std::vector<pki::Certificate> anchors, DnsName zone, std::size_t most)
    : anchors_(std::move(anchors)), zone_(std::move(zone)), most_(most) {}

void ShownCertificates::use(std::vector<pki::Certificate> issuers, std::vector<pki::VerifiedCrl> root_crls) {
  issuers_ = std::move(issuers);
  root_crls_ = std::move(root_crls);
  recent_.clear();
  older_.clear();
}

std::vector<Bytes> ShownCertificates::issuer_names() const {
  std::vector<Bytes> names;
  for (const auto& issuer : issuers_) names.push_back(to_bytes(issuer.subject().der()));
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Result<DeviceCertificate> ShownCertificates::verify(std::span<const Bytes> chain, UnixTime now) {
  if (chain.empty()) return fail(Errc::unauthorized, "device certificate: none");
  const Remembered* known = find(crypto::sha256(chain.front()));
  const auto above = chain.subspan(1);
  const bool is_the_same =
      known != nullptr &&
      (above.empty() ? known->issuer_is_ours : above.size() == 1 && crypto::sha256(above.front()) == known->issuer);
  if (is_the_same && known->from <= now && now <= known->until) return known->certificate;
  return verify_anew(chain, now);
}

Result<DeviceCertificate> ShownCertificates::verify_anew(std::span<const Bytes> chain, UnixTime now) {
  TRY(auto certificates, pki::parse_chain(chain));
  const std::size_t shown = certificates.size();
  if (shown == 1) {
    add_issuers(certificates);
    if (certificates.size() == 1) return fail(Errc::not_found, "device certificate: alone, and of an unknown CA");
  }
  TRY(const auto verified,
      pki::verify_chain(certificates, anchors_, pki::OperationalDevicePurpose{zone_}, pki::TimeRule::clock(now),
                        root_crls_.empty() ? pki::RootCrls() : pki::RootCrls(root_crls_)));
  const pki::Certificate& leaf = verified.leaf();
  const pki::Certificate& issuer = verified.issuer();
  Remembered found{.certificate = {.name = verified.identity_as<DeviceName>(),
                                   .serial = leaf.serial(),
                                   .issuer_serial = issuer.serial(),
                                   .not_after = leaf.validity().not_after},
                   .issuer = issuer.fingerprint(),
                   .issuer_is_ours = std::ranges::find(issuers_, issuer) != issuers_.end(),
                   .from = leaf.validity().not_before,
                   .until = leaf.validity().not_after};
  for (const auto& each : verified.path()) {
    found.from = std::max(found.from, each.validity().not_before);
    found.until = std::min(found.until, each.validity().not_after);
  }
  DeviceCertificate out = found.certificate;
  const bool is_whole = shown == 1 || (shown == 2 && certificates[1] == issuer);
  if (is_whole) remember(leaf.fingerprint(), std::move(found));
  return out;
}

// Of CAs of one name the key identifier tells which it was.
void ShownCertificates::add_issuers(std::vector<pki::Certificate>& leaf_alone) const {
  const pki::Certificate leaf = leaf_alone.front();
  for (const auto& issuer : issuers_) {
    if (leaf_alone.size() < pki::kMaxChainCertificates && is_issuer_of(issuer, leaf)) leaf_alone.push_back(issuer);
  }
}

const ShownCertificates::Remembered* ShownCertificates::find(const crypto::Sha256Digest& leaf) {
  if (const auto found = recent_.find(leaf); found != recent_.end()) return &found->second;
  auto node = older_.extract(leaf);
  if (node.empty()) return nullptr;
  remember(leaf, std::move(node.mapped()));
  return &recent_.find(leaf)->second;
}

void ShownCertificates::remember(const crypto::Sha256Digest& leaf, Remembered verified) {
  if (recent_.size() >= most_ / 2) {
    older_ = std::move(recent_);
    recent_ = {};
  }
  recent_.insert_or_assign(leaf, std::move(verified));
}

}  // namespace sallyport::relay
