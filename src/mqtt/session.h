// What one connection to a broker does between CONNECT and its end, without I/O: bytes in, events and bytes out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "mqtt/packet.h"

namespace sallyport::mqtt {

struct SessionLimits {
  std::size_t max_packet = kMaxPacketBytes;
  std::size_t max_pending = 1'024;       // ours that wait for their acknowledgement; at most 65,535
  std::size_t max_unsent = 1024 * 1024;  // bytes that wait to be written, answers of ours not counted
};

// The broker took us. First of all events, once.
struct Accepted {
  bool session_present = false;
  std::optional<seconds> keep_alive;  // what the broker wants in place of ours
};
struct Message {
  Topic topic;
  Bytes payload;
  Qos qos = Qos::at_most_once;
  bool retained = false;   // lay at the broker before we subscribed
  bool duplicate = false;  // the broker says that it may have come before; QoS 1 alone
};
// What became of a PUBLISH of QoS 1, a SUBSCRIBE or an UNSUBSCRIBE of ours. Errc::unauthorized: the broker refuses it.
struct Answered {
  std::uint16_t id = 0;
  Result<void> result;
};
using SessionEvent = std::variant<Accepted, Message, Answered>;

// Not thread-safe. After an error from on_bytes() or on_tick() the session is over: the connection is to be cut.
class Session {
 public:
  explicit Session(Version version, SessionLimits limits = {}) : version_(version), limits_(limits) {}

  // Takes what came, appends what it means to `events`. What was complete before a fault is told.
  Result<void> on_bytes(ByteView bytes, std::vector<SessionEvent>& events);
  // To be called twice in a keep-alive interval. Errc::expired when the broker was silent for that long though asked.
  Result<void> on_tick();

  // Queue a packet; the identifier comes back in Answered (0 for QoS 0, which has no answer). Errc::unavailable before
  // Accepted, Errc::overloaded when a limit of ours or of the broker is reached, Errc::malformed for what the broker
  // has said that it does not take.
  Result<std::uint16_t> publish(const Topic& topic, ByteView payload, const PublishOptions& options);
  Result<std::uint16_t> subscribe(const TopicFilter& filter);
  Result<std::uint16_t> unsubscribe(const TopicFilter& filter);
  // Says goodbye: the broker keeps the will to itself. Nothing can be queued any more.
  void disconnect();

  // What is to be sent, in order; empties it.
  Bytes take_output() { return std::exchange(output_, {}); }
  bool has_output() const { return !output_.empty(); }
  // What is waiting and was not taken, and what the caller has taken and says is not written yet.
  std::size_t unsent() const { return output_.size() + writing_; }
  void set_writing(std::size_t bytes) { writing_ = bytes; }
  bool is_accepted() const { return accepted_; }
  // Messages with a topic above our limits, which were acknowledged and dropped.
  std::uint64_t dropped() const { return dropped_; }

 private:
  enum class Kind : std::uint8_t { publish, subscribe, unsubscribe };

  Result<void> on_packet(Inbound packet, std::vector<SessionEvent>& events);
  Result<void> on_connack(const ConnAck& answer, std::vector<SessionEvent>& events);
  void on_publish(PublishPacket packet, std::vector<SessionEvent>& events);
  void on_ack(const Ack& ack, Kind kind, std::vector<SessionEvent>& events);
  Result<void> check_room(std::size_t bytes) const;
  Result<std::uint16_t> draw_id(Kind kind);
  void send(ByteView packet);

  Version version_;
  SessionLimits limits_;
  Bytes input_;  // the beginning of a packet whose rest has not come
  Bytes output_;
  std::size_t writing_ = 0;
  std::map<std::uint16_t, Kind> pending_;
  std::size_t unacknowledged_ = 0;  // publishes in pending_
  std::uint16_t last_id_ = 0;
  ConnAck broker_;
  bool accepted_ = false;
  bool closing_ = false;
  bool heard_ = false;  // since the last tick
  bool sent_ = false;
  bool asked_ = false;  // a PINGREQ is unanswered
  std::uint64_t dropped_ = 0;
};

}  // namespace sallyport::mqtt
