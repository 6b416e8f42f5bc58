// What the commands about one device share.
#pragma once

#include "codec/json.h"
#include "command.h"

namespace sallyport::cli {

// DEVICE: its name, its serial id, or SITE/SERIAL-ID.
inline Option device_argument() {
  return {.name = "DEVICE",
          .value = "DEVICE",
          .help = "its name, its serial id, or SITE/SERIAL-ID where two sites have the same",
          .required = true};
}
// The one device that the argument means, as the authority shows it.
Try<codec::Json> find_device(const Arguments& arguments, Environment& environment);
// Prints it, or with --json as JSON.
void print_device(const Arguments& arguments, const codec::Json& device);

}  // namespace sallyport::cli
