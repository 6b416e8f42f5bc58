// Both ends of the control connection as state machines without I/O (docs/protocol/tunnel.md §5). The owner feeds what
// TLS gives, performs the actions in order, and calls on_tick() when the time of the last WakeAt has come.
//
// A session that returned Close is over: every later event returns no action. Bytes that wait to be written are the
// owner's: it must not read from a peer that does not read from it (more than 256 kB unsent: close).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "tunnel/admission.h"
#include "tunnel/frames.h"
#include "tunnel/keepalive.h"

namespace sallyport::tunnel {

enum class CloseReason : std::uint8_t {
  hello_late,  // no HELLO, or no answer to it, in time
  violation,   // a frame that the state does not allow
  malformed,   // bytes that are no frame
  flood,       // more frames than the peer may send
  peer_dead,   // a ping without its pong, or silence
  told_to_go,  // agent: GOAWAY received
  sent_away,   // relay: GOAWAY sent
  version,     // relay: a version that it does not speak
};
std::string_view to_string(CloseReason reason);

struct SendBytes {
  Bytes bytes;
};
// Call on_tick() then, or as soon after as possible; replaces any earlier WakeAt.
struct WakeAt {
  Instant when;
};
struct Close {
  CloseReason reason = CloseReason::violation;
  std::string detail;                  // for the log
  std::optional<GoAwayFrame> go_away;  // agent: what the relay said
};

// ---- agent
// ----------------------------------------------------------------------------------------------------------------

// The relay gave tickets: from the first of these on, data connections may be dialled in advance (take_ticket).
struct Accepted {};
// Verify the sealed grant, then dial with the ticket (or use the connection that already waits with it), or refuse().
struct OpenAsked {
  OpenFrame open;
  bool ready = false;  // a connection dialled with this ticket exists
};
// An OPEN of this ready connection was refused on the spot (switch off, no such service): close it.
struct DropReady {
  Ticket ticket;
};
struct GrantRenewed {
  Bytes sealed_grant;
};
struct CutAsked {
  GrantId session;
};
// Come back with this identity and the key of this connection (kResumptionLabel).
struct ResumptionGiven {
  Bytes identity;
};
using AgentAction =
    std::variant<SendBytes, WakeAt, Close, Accepted, OpenAsked, DropReady, GrantRenewed, CutAsked, ResumptionGiven>;
using AgentActions = std::vector<AgentAction>;

struct AgentHello {
  BootId boot_id;
  std::string agent_version;
  bool remote_access = false;
  std::vector<Service> services;
};

enum class AgentState : std::uint8_t { greeting, established, closed };

// The agent's end. One thread; borrows `ping_interval` for its lifetime.
class AgentSession {
 public:
  AgentSession(AgentHello hello, PingInterval& ping_interval);

  // Once, when the server has been found worth trusting: HELLO.
  AgentActions start(Instant now);
  AgentActions on_bytes(ByteView bytes, Instant now);
  AgentActions on_tick(Instant now);

  // Services or switch changed.
  AgentActions status_changed(bool remote_access, std::vector<Service> services, Instant now);
  // The answer to an OpenAsked that is not served.
  AgentActions refuse(const Ticket& ticket, RefuseCode code, Instant now);

  // A ticket to dial a ready data connection with, when one is free; then it is spent but for its OPEN.
  std::optional<Ticket> take_ticket();
  // The ready connection dialled with `ticket` broke: an OPEN of it, should one still come, is not `ready`.
  void ready_lost(const Ticket& ticket);

  AgentState state() const { return state_; }
  std::size_t free_tickets() const { return free_.size(); }
  std::size_t ready_connections() const { return dialled_.size(); }
  std::optional<milliseconds> round_trip() const { return round_trip_; }

 private:
  void on_frame(Frame frame, Instant now, AgentActions& out);
  void on_tickets(const TicketsFrame& frame, Instant now, AgentActions& out);
  void on_open(OpenFrame frame, AgentActions& out);
  void on_pong(const PongFrame& frame, Instant now);
  bool spend(const Ticket& ticket, bool& ready);
  bool offers(const ServiceName& service) const;
  void send(const Frame& frame, AgentActions& out);
  void send_ping(Instant now, AgentActions& out);
  void close(CloseReason reason, std::string detail, AgentActions& out);

  AgentHello hello_;
  PingInterval& ping_interval_;
  AgentState state_ = AgentState::greeting;
  bool started_ = false;
  bool has_resumption_ = false;
  FrameDecoder decoder_;
  TokenBucket budget_;
  std::vector<Ticket> free_;     // given, not dialled
  std::vector<Ticket> dialled_;  // a ready connection waits with each
  std::deque<Ticket> lost_;      // its ready connection broke
  std::uint32_t next_token_ = 1;
  std::optional<std::uint32_t> ping_token_;  // a ping is out
  Instant ping_sent_{};
  Instant next_event_{};  // the next ping, or the deadline of what is awaited
  std::optional<milliseconds> round_trip_;
};

// ---- relay
// ----------------------------------------------------------------------------------------------------------------

// The agent said who it is: consult DisplacementPolicy, then admit() or send_away().
struct HelloReceived {
  HelloFrame hello;
};
// Fresh tickets were sent: enter them in the Rendezvous.
struct TicketsIssued {
  std::vector<Ticket> tickets;
};
// The agent will not dial back: close the user that waits with this ticket.
struct OpenRefused {
  Ticket ticket;
  RefuseCode code = RefuseCode::busy;
};
struct StatusReceived {
  StatusFrame status;
};
// The answer to probe().
struct ProbeAnswered {};
using RelayAction =
    std::variant<SendBytes, WakeAt, Close, HelloReceived, TicketsIssued, OpenRefused, StatusReceived, ProbeAnswered>;
using RelayActions = std::vector<RelayAction>;

enum class RelayState : std::uint8_t { awaiting_hello, judging, established, closed };

// The relay's end, made when the TLS handshake with a device is complete. One thread; borrows `random` for its
// lifetime.
class RelaySession {
 public:
  RelaySession(WorkerSlot slot, Random& random, Instant now);

  RelayActions on_bytes(ByteView bytes, Instant now);
  RelayActions on_tick(Instant now);

  // Accepts the agent after its HELLO: the first tickets. Nothing in another state than judging.
  RelayActions admit(Instant now);
  // GOAWAY and Close, in any state but closed.
  RelayActions send_away(GoAwayReason reason, milliseconds come_back_in, Instant now);

  // Tells the agent that a user waits with `ticket`, one that was issued and not opened, and issues another. Fails with
  // Errc::unavailable unless established, Errc::unauthorized when the device's switch is off, Errc::not_found for a
  // service that it does not offer, Errc::conflict for a ticket that is not outstanding, Errc::overloaded over
  // kMaxOpensPending.
  Result<RelayActions> open(OpenFrame open, Instant now);
  // The user and the data connection of `ticket` met, or the user gave up: its OPEN is settled.
  void settled(const Ticket& ticket);
  // A ready data connection broke before its OPEN: another ticket takes its place.
  RelayActions ticket_lost(const Ticket& ticket, Instant now);
  // Each fails with Errc::unavailable unless established.
  Result<RelayActions> renew(Bytes sealed_grant, Instant now);
  Result<RelayActions> cut(const GrantId& session, Instant now);
  Result<RelayActions> give_resumption(Bytes identity);
  // Pings at once; ProbeAnswered, or Close(peer_dead) after kIncumbentPingDeadline.
  Result<RelayActions> probe(Instant now);

  RelayState state() const { return state_; }
  bool remote_access() const { return remote_access_; }
  const std::vector<Service>& services() const { return services_; }
  std::optional<milliseconds> round_trip() const { return round_trip_; }
  std::size_t outstanding_tickets() const { return outstanding_.size(); }
  std::size_t pending_opens() const { return pending_.size(); }

 private:
  void on_frame(Frame frame, Instant now, RelayActions& out);
  void on_hello(HelloFrame frame, Instant now, RelayActions& out);
  void on_ping(const PingFrame& frame, Instant now, RelayActions& out);
  void send(const Frame& frame, RelayActions& out);
  void issue_tickets(RelayActions& out);
  void close(CloseReason reason, std::string detail, RelayActions& out);
  void dismiss(GoAwayReason why, CloseReason reason, std::string detail, RelayActions& out);
  RelayActions woken(RelayActions out) const;
  bool offers(const ServiceName& service) const;

  WorkerSlot slot_;
  Random& random_;
  RelayState state_ = RelayState::awaiting_hello;
  FrameDecoder decoder_;
  TokenBucket budget_;
  std::vector<Ticket> outstanding_;  // issued, not opened
  std::vector<Ticket> pending_;      // opened, not settled
  std::size_t tickets_wanted_ = 0;
  bool remote_access_ = false;
  std::vector<Service> services_;
  Instant silent_until_{};  // nothing heard by then: dead
  std::uint32_t next_token_ = 1;
  std::optional<std::uint32_t> probe_token_;
  Instant probe_deadline_{};
  std::optional<milliseconds> round_trip_;
};

}  // namespace sallyport::tunnel
