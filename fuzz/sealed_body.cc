// Bodies of requests and replies: one encoding per value.
#include <cstdint>
#include <cstdlib>

#include "sealed/body.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (const auto body = sealed::parse_request_body(input)) {
    if (!equal(sealed::encode_request_body(*body), input)) std::abort();
  }
  if (const auto body = sealed::parse_reply_body(input)) {
    if (!equal(sealed::encode_reply_body(*body), input)) std::abort();
  }
  return 0;
}
