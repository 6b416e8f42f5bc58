// A chain of hostile certificates under an anchor of their own: whatever they are, verification ends, and what it
// accepts is never a CA. Input: certificates with a length of two bytes before each; the last is the anchor.
#include "pki/verify.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  using namespace sallyport::pki;
  Reader reader(ByteView(data, size));
  std::vector<Certificate> chain;
  while (reader.remaining() != 0 && chain.size() < 8) {
    const auto der = reader.bytes_u16();
    if (!der) return 0;
    const auto certificate = parse_certificate(*der);
    if (!certificate) return 0;
    chain.push_back(*certificate);
  }
  if (chain.size() < 2) return 0;
  const std::vector<Certificate> anchors = {chain.back()};
  chain.pop_back();
  const DnsName zone = *parse_dns_name("devices.example");
  const TimeRule time = TimeRule::clock(*parse_iso8601("2026-06-01T12:00:00Z"));
  for (const Purpose& purpose : std::initializer_list<Purpose>{
           ServerPurpose{*parse_dns_name("gateway.devices.example")}, OperationalDevicePurpose{zone},
           FactoryDevicePurpose{zone}, WebDevicePurpose{zone}, RolePurpose{zone}, PersonPurpose{zone},
           ControlPurpose{ControlKind::grant}, ForeignServerPurpose{*parse_dns_name("www.shop.example")}}) {
    const auto verified = verify_chain(chain, anchors, purpose, time);
    if (verified) SALLYPORT_CHECK(!verified->leaf().extensions().is_ca() && verified->anchor() == anchors[0]);
  }
  return 0;
}
