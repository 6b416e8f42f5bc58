// What a local service is told of the user whose bytes follow, where its configuration asks for that: a header of the
// PROXY protocol, version 2. A service that does not expect one must never get it.
#pragma once

#include <string_view>

#include "base/names.h"
#include "tunnel/grant.h"
#include "tunnel/proxy_header.h"

namespace sallyport::agent {

// The source is `client_address` ("192.0.2.7:51000"), which the relay tells: a hint. The destination is not known here
// and all zeros. AUTHORITY is `host`, UNIQUE_ID the session's id as logs and the audit log write it. An address that is
// none makes a header of command LOCAL, which speaks of nobody.
tunnel::ProxyHeader announce_user(std::string_view client_address, const DnsName& host, const tunnel::GrantId& session);

}  // namespace sallyport::agent
