// A broker that says anything: first byte the version, then what it sends. Cut into pieces it means the same as whole,
// nothing is told before CONNACK, and what is kept stays below what is allowed.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "mqtt/session.h"

using namespace sallyport;

namespace {

constexpr std::size_t kMaxPacket = 512;

struct Outcome {
  std::vector<mqtt::SessionEvent> events;
  std::string error;
  Bytes output;
};

mqtt::Session make_session(mqtt::Version version) {
  return mqtt::Session(version, {.max_packet = kMaxPacket, .max_pending = 4, .max_unsent = 4'096});
}

// Subscribes as soon as it is accepted, so that acknowledgements find something.
void act(mqtt::Session& session, std::size_t& acted) {
  while (session.is_accepted() && acted < 3) {
    ++acted;
    if (acted == 1) static_cast<void>(session.subscribe(mqtt::TopicFilter("a/#")));
    if (acted == 2) static_cast<void>(session.publish(mqtt::Topic("a"), as_bytes("x"), {}));
    if (acted == 3) static_cast<void>(session.unsubscribe(mqtt::TopicFilter("a/#")));
  }
}

Outcome play(mqtt::Version version, ByteView bytes, std::size_t piece) {
  auto session = make_session(version);
  Outcome out;
  std::size_t acted = 0;
  while (!bytes.empty() && out.error.empty()) {
    const auto some = bytes.first(std::min(piece, bytes.size()));
    bytes = bytes.subspan(some.size());
    const auto taken = session.on_bytes(some, out.events);
    if (!taken) out.error = taken.error().detail;
    act(session, acted);
  }
  out.output = session.take_output();
  return out;
}

// Acknowledgements depend on when we act; messages do not.
std::string describe(const std::vector<mqtt::SessionEvent>& events) {
  std::string out;
  for (const auto& event : events) {
    if (const auto* message = std::get_if<mqtt::Message>(&event)) {
      if (!mqtt::parse_topic(message->topic.get()) || message->payload.size() > kMaxPacket) std::abort();
      out += message->topic.get() + "=" + std::string(as_text(message->payload)) + (message->retained ? "r" : "") +
             (message->duplicate ? "d" : "") + "\n";
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto version = data[0] == 4 ? mqtt::Version::v3_1_1 : mqtt::Version::v5;
  const ByteView bytes(data + 1, size - 1);
  const auto whole = play(version, bytes, size);
  const auto pieces = play(version, bytes, 1);
  if (!whole.events.empty() && !std::holds_alternative<mqtt::Accepted>(whole.events.front())) std::abort();
  if (whole.error != pieces.error || describe(whole.events) != describe(pieces.events)) std::abort();
  return 0;
}
