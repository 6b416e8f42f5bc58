// Frames of the control connection (ALPN "sallyport-control/1"), docs/protocol/tunnel.md §4.
//
//   frame := type u8 | length u24 | payload[length]               length at most kMaxFramePayload
//
// A type that is not listed, a payload with a byte too many and a value outside its enum are errors: what is new comes
// with a new version.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/names.h"
#include "base/time.h"
#include "tunnel/grant.h"
#include "tunnel/limits.h"
#include "tunnel/ticket.h"

namespace sallyport::tunnel {

inline constexpr std::uint16_t kProtocolVersion = 1;
inline constexpr std::string_view kControlAlpn = "sallyport-control/1";
inline constexpr std::string_view kDataAlpn = "sallyport-data/1";

// Sixteen random bytes, drawn anew at every start of an agent: tells a reconnection from a clone.
using BootId = Strong<std::array<std::uint8_t, 16>, struct BootIdTag>;

enum class ServiceKind : std::uint8_t {
  http = 1,  // the agent ends TLS and speaks HTTP/1.1; browsers enter with a secret
  tcp = 2,   // the agent ends TLS; the user shows a client key
  tls = 3,   // passed through to the device's own TLS server; nobody can be proven
};

struct Service {
  ServiceName name;
  ServiceKind kind = ServiceKind::http;
  friend bool operator==(const Service&, const Service&) = default;
};

enum class FrameType : std::uint8_t {
  hello = 1,
  tickets = 2,
  open = 3,
  grant = 4,
  refuse = 5,
  ping = 6,
  pong = 7,
  cut = 8,
  go_away = 9,
  status = 10,
  resumption = 11,
};
std::string_view to_string(FrameType type);

// Agent to relay, first and once.
struct HelloFrame {
  std::uint16_t version = kProtocolVersion;
  BootId boot_id;
  bool remote_access = false;     // the device's own switch
  std::string agent_version;      // 1 to kMaxVersionText printable ASCII characters
  std::vector<Service> services;  // at most kMaxServices, each name once
  friend bool operator==(const HelloFrame&, const HelloFrame&) = default;
};

// Relay to agent: 1 to kMaxTicketsPerFrame fresh tickets. The first one says that the session is accepted.
struct TicketsFrame {
  std::vector<Ticket> tickets;
  friend bool operator==(const TicketsFrame&, const TicketsFrame&) = default;
};

// Relay to agent: a user waits. The ticket is one that was given and is hereby spent.
struct OpenFrame {
  Ticket ticket;
  Bytes sealed_grant;          // the signed envelope, at most kMaxSealedGrant
  std::string client_address;  // a hint for the log, never an authorisation
  ServiceName service;
  friend bool operator==(const OpenFrame&, const OpenFrame&) = default;
};

// Relay to agent: the renewal of a grant in use.
struct GrantFrame {
  Bytes sealed_grant;
  friend bool operator==(const GrantFrame&, const GrantFrame&) = default;
};

enum class RefuseCode : std::uint8_t {
  unknown_ticket = 1,
  grant_invalid = 2,
  grant_expired = 3,
  no_such_service = 4,
  remote_access_off = 5,
  consent_denied = 6,
  service_down = 7,
  busy = 8,
  dial_failed = 9,
};
std::string_view to_string(RefuseCode code);

// Agent to relay: the answer to an OPEN that it does not dial back for.
struct RefuseFrame {
  Ticket ticket;
  RefuseCode code = RefuseCode::busy;
  friend bool operator==(const RefuseFrame&, const RefuseFrame&) = default;
};

// Either way. An agent says by when it will be heard again and the round trip that it measured last.
struct PingFrame {
  std::uint32_t token = 0;
  std::uint16_t interval_s = 0;  // from an agent: its ping interval, kMin- to kMaxPingInterval; from a relay: 0
  std::optional<std::uint32_t> round_trip_us;  // from an agent, once known
  friend bool operator==(const PingFrame&, const PingFrame&) = default;
};
struct PongFrame {
  std::uint32_t token = 0;
  friend bool operator==(const PongFrame&, const PongFrame&) = default;
};

// Relay to agent: end every connection of this session (AccessGrant::session()).
struct CutFrame {
  GrantId session;
  friend bool operator==(const CutFrame&, const CutFrame&) = default;
};

enum class GoAwayReason : std::uint8_t {
  restarting = 1,
  overloaded = 2,
  displaced = 3,
  version = 4,
  violation = 5,
  clone = 6,
  not_admitted = 7,
};
std::string_view to_string(GoAwayReason reason);

// Relay to agent: this connection ends; come back after so long. Data connections in use go on.
struct GoAwayFrame {
  GoAwayReason reason = GoAwayReason::restarting;
  milliseconds come_back_in{0};  // at most kMaxComeBackIn
  friend bool operator==(const GoAwayFrame&, const GoAwayFrame&) = default;
};

// Agent to relay: services or switch changed; replaces what HELLO said.
struct StatusFrame {
  bool remote_access = false;
  std::vector<Service> services;
  friend bool operator==(const StatusFrame&, const StatusFrame&) = default;
};

// Relay to agent: with this identity, and the key that kResumptionLabel exports from the present TLS connection, the
// agent may come back without showing its certificate. Replaces the one before.
struct ResumptionFrame {
  Bytes identity;  // 1 to kMaxResumptionIdentity bytes that only the relay understands
  friend bool operator==(const ResumptionFrame&, const ResumptionFrame&) = default;
};
inline constexpr std::string_view kResumptionLabel = "EXPORTER-sallyport-resumption";

using Frame = std::variant<HelloFrame, TicketsFrame, OpenFrame, GrantFrame, RefuseFrame, PingFrame, PongFrame, CutFrame,
                           GoAwayFrame, StatusFrame, ResumptionFrame>;
FrameType type_of(const Frame& frame);

// The whole frame, header included. A value over its limit is a broken invariant.
Bytes encode_frame(const Frame& frame);
// Parses exactly one frame, header included.
Result<Frame> parse_frame(ByteView bytes);
// Parses the payload of a frame of type `type`, as it stood on the wire.
Result<Frame> parse_payload(std::uint8_t type, ByteView payload);

// Cuts a byte stream into frames. Owns what is unfinished: at most one frame, and nothing while idle.
class FrameDecoder {
 public:
  void push(ByteView bytes);
  // The next whole frame; absent when more bytes are needed. After an error the stream is lost and the error stays.
  Result<std::optional<Frame>> next();
  std::size_t buffered() const { return buffer_.size() - start_; }

 private:
  void release();

  Bytes buffer_;
  std::size_t start_ = 0;
  std::optional<Error> lost_;
};

}  // namespace sallyport::tunnel
