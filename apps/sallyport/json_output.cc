#include "json_output.h"

#include <fmt/format.h>

#include "codec/json_text.h"

namespace sallyport::cli {

void print_json(const codec::Json& json) {
  fmt::print("{}\n", codec::for_terminal(json.write()));
}

}  // namespace sallyport::cli
