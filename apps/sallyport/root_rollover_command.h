// sallyport root rollover.
#pragma once

#include <vector>

#include "command.h"

namespace sallyport::cli {

std::vector<Command> root_rollover_commands();

}  // namespace sallyport::cli
