// What a user is told of a device that did not let him in.
#pragma once

#include "tunnel/client_hello.h"
#include "tunnel/frames.h"

namespace sallyport::tunnel {

// access_denied where somebody has to be asked, internal_error where it is worth trying again (docs/protocol/tunnel.md
// §4).
Alert alert_for(RefuseCode code);

}  // namespace sallyport::tunnel
