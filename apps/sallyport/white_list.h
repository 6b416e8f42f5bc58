// The white-list of a factory as the authority has it, page by page.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "administration.h"
#include "command.h"

namespace sallyport::cli {

// What a white-list was accepted under.
struct WhiteListFacts {
  std::string ca;      // base64 of DER
  std::string permit;  // base64, signed
  std::uint64_t sequence = 0;
  std::string head;  // hexadecimal
};

// Calls `take` for every device of `site`, in order of serial id, and returns the facts.
Try<WhiteListFacts> read_white_list(const Arguments& arguments, Environment& environment, const std::string& site,
                                    const std::function<void(const codec::Json&)>& take);

// Whether a device is what somebody looks for by `text`: the beginning of its serial id or name, or of its certificate
// serial, certificate fingerprint or key hash, hexadecimal in either case, with or without colons, from four digits on.
bool is_sought(const codec::Json& device, std::string_view text);

}  // namespace sallyport::cli
