// State announcements, single and in bulk: what is read must be read back as the same from what is written of it.

#include <cstdlib>

#include "sealed/eva_state.h"

using namespace sallyport;
using namespace sallyport::sealed::eva;

namespace {

void want(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const Limits small{.message = 65'536, .body = {.size = 65'536, .depth = 8, .values = 4'096}};
  const Limits wide{.message = std::size_t{4} << 20U,
                    .body = {.size = std::size_t{4} << 20U, .depth = 8, .values = 65'536}};
  if (const auto state = parse_state(as_text(input)); state && *state) {
    const std::string written = write_state(**state);
    // Members that are absent are written as null, and numbers may be longer: a text at its limit may not fit again.
    if (written.size() <= 65'536) want(parse_state(written).value() == *state);
  }
  if (const auto bulk = parse_bulk(input, small)) {
    want(parse_bulk(as_bytes(write_bulk_json(*bulk)), wide).value() == *bulk);
    want(parse_bulk(write_bulk_packed(*bulk), wide).value() == *bulk);
  }
  return 0;
}
