// Says in the log what ends soon, before it does.
#pragma once

#include "authority/core.h"
#include "authority/expiry.h"

namespace sallyport::authority {

// One look: `link.due` (warn) and `link.ended` (error) for each link that `watch` has to say, and how many devices are
// late with their renewal. The fleet is counted on another thread.
net::Task<Result<void>> say_what_ends(Core& core, ExpiryWatch& watch);
// The same for ever, every kExpiryRound.
net::Task<void> keep_saying_what_ends(Core& core);

}  // namespace sallyport::authority
