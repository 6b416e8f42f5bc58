#include "gateway/peer_identity.h"

namespace sallyport::gateway {

std::vector<Bytes> complete_chain(std::span<const Bytes> sent, std::span<const records::SnapshotCa> cas) {
  std::vector<Bytes> out(sent.begin(), sent.end());
  if (sent.size() != 1) return out;
  const auto leaf = pki::parse_certificate(sent.front());
  if (!leaf) return out;
  for (const records::SnapshotCa& each : cas) {
    const auto ca = pki::parse_certificate(each.certificate);
    if (!ca || !(ca->subject() == leaf->issuer())) continue;
    if (ca->extensions().subject_key_id != leaf->extensions().authority_key_id) continue;
    out.push_back(each.certificate);
    return out;
  }
  return out;
}

pki::Verdict<pki::VerifiedChain> verify_device_chain(std::span<const Bytes> chain,
                                                     std::span<const pki::Certificate> anchors, const DnsName& zone,
                                                     UnixTime now, const pki::RootCrls& root_crls) {
  auto parsed = pki::parse_chain(chain);
  if (!parsed) return std::unexpected(std::move(parsed).error());
  const auto rule = pki::TimeRule::clock(now);
  auto operational = pki::verify_chain(*parsed, anchors, pki::OperationalDevicePurpose{zone}, rule, root_crls);
  if (operational || operational.error().reason != pki::Reason::policy) return operational;
  return pki::verify_chain(*parsed, anchors, pki::FactoryDevicePurpose{zone}, rule, root_crls);
}

}  // namespace sallyport::gateway
