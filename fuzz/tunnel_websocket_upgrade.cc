// Requests for a WebSocket: whether one is accepted does not depend on what follows it, and what is answered is one
// head.
#include <cstdint>
#include <cstdlib>

#include "tunnel/limits.h"
#include "tunnel/websocket_upgrade.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto answer = tunnel::find_upgrade(input);
  if (!answer) return 0;
  if (!*answer) {
    if (size >= tunnel::kMaxUpgradeHead) std::abort();
    return 0;
  }
  const auto& found = **answer;
  if (found.wire_size > size || found.wire_size > tunnel::kMaxUpgradeHead) std::abort();
  const auto exact = tunnel::find_upgrade(input.first(found.wire_size));
  if (!exact || !*exact || (*exact)->is_accepted != found.is_accepted || (*exact)->bytes != found.bytes) std::abort();
  const auto reply = tunnel::parse_connect_reply(found.bytes);
  if (!reply || !*reply || (*reply)->wire_size != found.bytes.size()) std::abort();
  if (((*reply)->status == 101) != found.is_accepted) std::abort();
  return 0;
}
