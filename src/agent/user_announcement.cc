#include "agent/user_announcement.h"

#include <algorithm>

#include "codec/text.h"
#include "net/address.h"

namespace sallyport::agent {

tunnel::ProxyHeader announce_user(std::string_view client_address, const DnsName& host,
                                  const tunnel::GrantId& session) {
  tunnel::ProxyHeader out{.address = tunnel::ProxyLocal{}, .tlvs = {}};
  const auto client = net::parse_address(client_address);
  if (!client) return out;
  const auto ip = net::find_ip_octets(client->host);
  if (!ip) return out;
  if (ip->size == 4) {
    tunnel::ProxyAddressV4 v4{.source_port = client->port};
    std::copy_n(ip->octets.begin(), v4.source.size(), v4.source.begin());
    out.address = v4;
  } else {
    out.address = tunnel::ProxyAddressV6{.source = ip->octets, .source_port = client->port};
  }
  out.tlvs = {{.type = tunnel::kProxyTlvAuthority, .value = to_bytes(std::string_view(host.get()))},
              {.type = tunnel::kProxyTlvUniqueId, .value = to_bytes(codec::encode_hex(session.get()))}};
  return out;
}

}  // namespace sallyport::agent
