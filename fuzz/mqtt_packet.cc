// One packet of a broker, as version 3.1.1 and 5: whatever the header allows, its body is read or refused, and no more
// is kept than was there.
#include <cstdint>
#include <cstdlib>

#include "mqtt/packet.h"

using namespace sallyport;

namespace {

void read(ByteView bytes, mqtt::Version version) {
  constexpr std::size_t kMaxPacket = 4'096;
  const auto header = mqtt::parse_fixed_header(bytes, version, kMaxPacket);
  if (!header || !*header) return;
  const std::size_t whole = (*header)->header_size + (*header)->body_size;
  if (whole > kMaxPacket && whole > mqtt::kMaxControlBytes + 5) std::abort();
  if (bytes.size() < whole) return;
  const auto packet =
      mqtt::parse_inbound(**header, bytes.subspan((*header)->header_size, (*header)->body_size), version);
  if (!packet) return;
  if (const auto* message = std::get_if<mqtt::PublishPacket>(&*packet)) {
    if (message->topic.empty() || message->payload.size() + message->topic.size() > whole) std::abort();
  }
  if (const auto* answer = std::get_if<mqtt::ConnAck>(&*packet)) {
    if (mqtt::explain(version, answer->code, answer->reason).empty()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  read(bytes, mqtt::Version::v3_1_1);
  read(bytes, mqtt::Version::v5);
  return 0;
}
