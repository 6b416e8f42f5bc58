// GET /metrics on a listener of its own, in Prometheus text format: for a monitor on this machine.
#pragma once

#include "http/router.h"
#include "rolelink/role_link.h"

namespace sallyport::console {

// Asks the authority at every request, as "role:console" and a viewer. A request whose Host is no loopback name is
// refused: no web page in a browser of this machine shall read it through a name of its own. `authority` must outlive
// the router.
http::Router metrics_routes(rolelink::RoleLink& authority);

}  // namespace sallyport::console
