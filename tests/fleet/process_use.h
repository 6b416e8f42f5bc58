// What this process uses of the machine.
#pragma once

#include "codec/json.h"

namespace sallyport::fleet {

// {"cpu_s", "rss_kb", "descriptors"}
codec::Json use_of_this_process();
// As many descriptors as the system lets us have.
void raise_descriptor_limit();

}  // namespace sallyport::fleet
