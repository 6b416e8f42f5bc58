#include "gateway/peer_identity.h"

namespace sallyport::gateway {

pki::Verdict<pki::VerifiedChain> verify_device_chain(std::span<const Bytes> chain,
                                                     std::span<const pki::Certificate> anchors, const DnsName& zone,
                                                     UnixTime now, const pki::VerifiedCrl* root_crl) {
  auto parsed = pki::parse_chain(chain);
  if (!parsed) return std::unexpected(std::move(parsed).error());
  const auto rule = pki::TimeRule::clock(now);
  auto operational = pki::verify_chain(*parsed, anchors, pki::OperationalDevicePurpose{zone}, rule, root_crl);
  if (operational || operational.error().reason != pki::Reason::policy) return operational;
  return pki::verify_chain(*parsed, anchors, pki::FactoryDevicePurpose{zone}, rule, root_crl);
}

}  // namespace sallyport::gateway
