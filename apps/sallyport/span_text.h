// How long ago, and how long still, for people.
#pragma once

#include <string>

#include "base/time.h"

namespace sallyport::cli {

// "57 s", "43 min", "20 h", "14 d"; of a negative span the same without its sign.
std::string span_text(seconds span);
// "57 s ago", "in 14 d", "now".
std::string when_text(UnixTime time, UnixTime now);

}  // namespace sallyport::cli
