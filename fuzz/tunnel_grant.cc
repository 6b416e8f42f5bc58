// Access grants: one encoding per value, and checks that never fail on what parsed.
#include <cstdint>
#include <cstdlib>

#include "tunnel/grant.h"
#include "tunnel/live_grants.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto grant = tunnel::parse_grant(input);
  if (!grant) return 0;
  if (!equal(tunnel::encode_grant(*grant), input)) std::abort();
  const DnsName zone("devices.localhost");
  tunnel::LiveGrants live(grant->device, zone);
  if (!live.admit(*grant, grant->issued)) std::abort();
  if (live.find(tunnel::grant_host(*grant, zone), grant->issued).value() != *grant) std::abort();
  if (live.cut(grant->session(), grant->issued).size() != 1 || live.size() != 0) std::abort();
  if (live.admit(*grant, grant->issued)) std::abort();
  return 0;
}
