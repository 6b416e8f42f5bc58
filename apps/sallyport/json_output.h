// What commands print for programs.
#pragma once

#include "codec/json.h"

namespace sallyport::cli {

// Prints `json` as one line on standard output, in which nothing is left that a terminal obeys, for people read it too.
void print_json(const codec::Json& json);

}  // namespace sallyport::cli
