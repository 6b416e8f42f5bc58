// Replies of HTTP proxies: the head ends where it ends, whatever follows.
#include <cstdint>
#include <cstdlib>

#include "tunnel/limits.h"
#include "tunnel/proxy_connect.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto reply = tunnel::parse_connect_reply(input);
  if (!reply) return 0;
  if (!*reply) {
    if (size >= tunnel::kMaxConnectReply) std::abort();
    return 0;
  }
  if ((*reply)->wire_size > size || (*reply)->status < 200) std::abort();
  const auto exact = tunnel::parse_connect_reply(input.first((*reply)->wire_size));
  if (!exact || !*exact || (*exact)->status != (*reply)->status) std::abort();
  return 0;
}
