// The control packets of MQTT 3.1.1 and 5 that a client of QoS 0 and 1 needs: what it sends, and what it may be sent.
// Section numbers are those of MQTT 5.
//
//   packet      := type u4 | flags u4 | remaining length (1 to 4 bytes, 7 bits each, least significant first) | body
//   text        := length u16 | UTF-8
//   properties  := length (as above) | (identifier | value)*       MQTT 5 alone
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/secret.h"
#include "base/time.h"
#include "mqtt/topic.h"

namespace sallyport::mqtt {

enum class Version : std::uint8_t { v3_1_1 = 4, v5 = 5 };

// QoS 2 is neither sent nor accepted: SR1 tells duplicates apart by itself.
enum class Qos : std::uint8_t { at_most_once = 0, at_least_once = 1 };

// A whole PUBLISH, header included, as a broker is told in CONNECT (Maximum Packet Size).
inline constexpr std::size_t kMaxPacketBytes = (256 + 16) * 1024;
// The body of any other packet: it has a reason in words and user properties at most.
inline constexpr std::size_t kMaxControlBytes = 16 * 1024;
inline constexpr std::size_t kMaxClientIdBytes = 256;
inline constexpr std::size_t kMaxUserNameBytes = 1'024;
inline constexpr std::size_t kMaxPasswordBytes = 4'096;
// Of a reason in a broker's words.
inline constexpr std::size_t kMaxReasonBytes = 200;

// --- what a broker sends --------------------------------------------------------------------------------------------

// The first two to five bytes of a packet.
struct FixedHeader {
  std::uint8_t type = 0;  // 2 CONNACK … 14 DISCONNECT
  std::uint8_t flags = 0;
  std::size_t header_size = 0;
  std::size_t body_size = 0;
};

// Reads the fixed header at the beginning of `bytes`; absent when more bytes are needed. Errc::malformed for what no
// broker may send to a client, or not with this length or these flags; Errc::overloaded for a PUBLISH of more than
// `max_packet` bytes. So a packet that is too long is known before a byte of its body was kept.
Result<std::optional<FixedHeader>> parse_fixed_header(ByteView bytes, Version version, std::size_t max_packet);

struct ConnAck {
  bool session_present = false;
  std::uint8_t code = 0;  // 0: accepted
  std::string reason;     // the broker's words, may be empty
  std::uint16_t receive_maximum = 65'535;
  std::uint32_t maximum_packet = 0;                // 0: not told
  std::optional<std::uint16_t> server_keep_alive;  // seconds; then ours does not count
  bool retain_available = true;
  bool takes_qos_1 = true;
};
struct PublishPacket {
  std::string topic;  // MQTT's grammar holds, our limits may not
  Bytes payload;
  Qos qos = Qos::at_most_once;
  bool retained = false;
  bool duplicate = false;
  std::uint16_t id = 0;  // of QoS 1
};
// The answer to one of ours. Each SUBSCRIBE and UNSUBSCRIBE of ours has one filter, so each answer has one code.
struct Ack {
  std::uint16_t id = 0;
  std::uint8_t code = 0;  // from 0x80 on: refused
  std::string reason;
};
struct PubAck : Ack {};
struct SubAck : Ack {};
struct UnsubAck : Ack {};
struct PingResp {};
struct DisconnectPacket {
  std::uint8_t code = 0;
  std::string reason;
};
using Inbound = std::variant<ConnAck, PublishPacket, PubAck, SubAck, UnsubAck, PingResp, DisconnectPacket>;

// Parses the body that belongs to `header`, whole. Errc::malformed also for what we forbid by what we said in CONNECT:
// a topic alias, QoS 2.
Result<Inbound> parse_inbound(const FixedHeader& header, ByteView body, Version version);

// "not authorized (0x87)", with the broker's own words if it has some.
std::string explain(Version version, std::uint8_t code, std::string_view reason);

// --- what we send ---------------------------------------------------------------------------------------------------

struct Will {
  Topic topic;
  Bytes payload;
  Qos qos = Qos::at_most_once;
  bool retain = false;
};
struct ConnectPacket {
  Version version = Version::v5;
  std::string client_id;
  bool clean_session = true;
  seconds keep_alive{60};
  std::string user_name;  // empty: none
  SecretBytes password;   // empty: none
  std::optional<Will> will;
  std::size_t max_packet = kMaxPacketBytes;
  seconds session_expiry{0};  // MQTT 5, where the session is not clean
};
struct PublishOptions {
  Qos qos = Qos::at_least_once;
  bool retain = false;
  // MQTT 5: when the broker forgets the message; MQTT 3.1.1 cannot say it and ignores it.
  std::optional<seconds> expiry;
};

// The lengths of all texts are checked by whoever makes the structs: above 65,535 is a broken invariant.
SecretBytes encode_connect(const ConnectPacket& connect);
// `id` of QoS 1. Never a duplicate: nothing is sent twice.
Bytes encode_publish(Version version, const Topic& topic, ByteView payload, const PublishOptions& options,
                     std::uint16_t id);
Bytes encode_puback(std::uint16_t id);
// For QoS 1. Retained messages are wanted, with their flag.
Bytes encode_subscribe(Version version, std::uint16_t id, const TopicFilter& filter);
Bytes encode_unsubscribe(Version version, std::uint16_t id, const TopicFilter& filter);
Bytes encode_pingreq();
Bytes encode_disconnect();

}  // namespace sallyport::mqtt
