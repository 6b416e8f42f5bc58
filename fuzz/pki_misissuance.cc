// Hostile certificates and the CA of a site: whatever they are, looking ends, and only what the site's key signed
// speaks against it. Input: certificates with a length of two bytes before each; the last is the site's CA.
#include "pki/misissuance.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  using namespace sallyport::pki;
  Reader reader(ByteView(data, size));
  std::vector<Bytes> chain;
  while (reader.remaining() != 0 && chain.size() < 9) {
    const auto der = reader.bytes_u16();
    if (!der) return 0;
    chain.push_back(to_bytes(*der));
  }
  if (chain.empty()) return 0;
  const auto ca = parse_certificate(chain.back());
  if (!ca) return 0;
  chain.pop_back();
  const std::vector<Certificate> site_cas = {*ca};
  const auto found = find_misissuance(chain, site_cas);
  if (!found) return 0;
  SALLYPORT_CHECK(found->site_ca == 0 && !found->detail.empty());
  return 0;
}
