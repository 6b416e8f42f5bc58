#include "agent/user_announcement.h"

#include <arpa/inet.h>

#include "codec/text.h"
#include "net/address.h"

namespace sallyport::agent {

tunnel::ProxyHeader announce_user(std::string_view client_address, const DnsName& host,
                                  const tunnel::GrantId& session) {
  tunnel::ProxyHeader out{.address = tunnel::ProxyLocal{}, .tlvs = {}};
  const auto client = net::parse_address(client_address);
  if (!client) return out;
  tunnel::ProxyAddressV4 v4{.source_port = client->port};
  tunnel::ProxyAddressV6 v6{.source_port = client->port};
  if (::inet_pton(AF_INET, client->host.c_str(), v4.source.data()) == 1) {
    out.address = v4;
  } else if (::inet_pton(AF_INET6, client->host.c_str(), v6.source.data()) == 1) {
    out.address = v6;
  } else {
    return out;
  }
  out.tlvs = {{.type = tunnel::kProxyTlvAuthority, .value = to_bytes(std::string_view(host.get()))},
              {.type = tunnel::kProxyTlvUniqueId, .value = to_bytes(codec::encode_hex(session.get()))}};
  return out;
}

}  // namespace sallyport::agent
