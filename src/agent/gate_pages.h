// The gate's heads and answers as HTTP, and the pages that people see whom the device does not let in.
#pragma once

#include <string_view>

#include "http/message.h"
#include "tunnel/entry_gate.h"
#include "tunnel/frames.h"

namespace sallyport::agent {

tunnel::RequestHead to_gate(const http::Request& request);
http::Headers to_http(const tunnel::Headers& headers);

// Each closes the connection. The page is one in the device's origin. It names an empty icon: without one a browser
// would ask the application for it, and so whoever can bring a person here would make a request there.
http::Response to_response(const tunnel::GateRefusal& refusal);
http::Response to_response(tunnel::RefuseCode code);
// The connection goes on.
http::Response to_response(const tunnel::GateAnswer& answer);

}  // namespace sallyport::agent
