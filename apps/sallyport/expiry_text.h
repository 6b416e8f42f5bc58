// How long something is still good, for people.
#pragma once

#include <string>

#include "base/time.h"

namespace sallyport::cli {

// "14 d", "20 h"; "-3 d" when it ended three days ago.
std::string left_text(seconds left);

}  // namespace sallyport::cli
