#include <algorithm>
#include <utility>

#include "tunnel/control_session.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

bool remove(std::vector<Ticket>& from, const Ticket& ticket) {
  return std::erase(from, ticket) != 0;
}

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

}  // namespace

std::string_view to_string(CloseReason reason) {
  switch (reason) {
    case CloseReason::hello_late:
      return "hello_late";
    case CloseReason::violation:
      return "violation";
    case CloseReason::malformed:
      return "malformed";
    case CloseReason::flood:
      return "flood";
    case CloseReason::peer_dead:
      return "peer_dead";
    case CloseReason::told_to_go:
      return "told_to_go";
    case CloseReason::sent_away:
      return "sent_away";
    case CloseReason::version:
      return "version";
  }
  return "unknown";
}

AgentSession::AgentSession(AgentHello hello, PingInterval& ping_interval)
    : hello_(std::move(hello)), ping_interval_(ping_interval), budget_(kFrameBurst, kFramesPerSecond) {}

void AgentSession::send(const Frame& frame, AgentActions& out) {
  out.emplace_back(SendBytes{.bytes = encode_frame(frame)});
}

void AgentSession::close(CloseReason reason, std::string detail, AgentActions& out) {
  state_ = AgentState::closed;
  out.emplace_back(Close{.reason = reason, .detail = std::move(detail), .go_away = std::nullopt});
}

void AgentSession::send_ping(Instant now, AgentActions& out) {
  PingFrame ping{.token = next_token_++, .interval_s = static_cast<std::uint16_t>(ping_interval_.current().count())};
  // A pong that came after a suspend may be hours late; what is told is at most the deadline.
  if (round_trip_) {
    const auto told = std::min<std::chrono::microseconds>(*round_trip_, kPongDeadline);
    ping.round_trip_us = static_cast<std::uint32_t>(told.count());
  }
  send(ping, out);
  ping_token_ = ping.token;
  ping_sent_ = now;
  next_event_ = now + kPongDeadline;
}

AgentActions AgentSession::start(Instant now) {
  AgentActions out;
  if (started_ || state_ != AgentState::greeting) return out;
  started_ = true;
  send(HelloFrame{.version = kProtocolVersion,
                  .boot_id = hello_.boot_id,
                  .remote_access = hello_.remote_access,
                  .agent_version = hello_.agent_version,
                  .services = hello_.services},
       out);
  next_event_ = now + kAcceptDeadline;
  out.emplace_back(WakeAt{.when = next_event_});
  return out;
}

AgentActions AgentSession::on_bytes(ByteView bytes, Instant now) {
  AgentActions out;
  if (state_ == AgentState::closed) return out;
  decoder_.push(bytes);
  while (state_ != AgentState::closed) {
    auto frame = decoder_.next();
    if (!frame) {
      close(CloseReason::malformed, std::move(frame).error().detail, out);
    } else if (!*frame) {
      break;
    } else {
      on_frame(*std::move(*frame), now, out);
    }
  }
  if (state_ != AgentState::closed) out.emplace_back(WakeAt{.when = next_event_});
  return out;
}

void AgentSession::on_frame(Frame frame, Instant now, AgentActions& out) {
  const FrameType type = type_of(frame);
  const auto violation = [&](std::string_view state) {
    close(CloseReason::violation, fmt::format("agent session: {} while {}", to_string(type), state), out);
  };
  if (!started_) return violation("unstarted");
  const bool greets = type == FrameType::tickets || type == FrameType::ping || type == FrameType::go_away;
  if (state_ == AgentState::greeting && !greets) return violation("greeting");
  // OPEN and TICKETS are bounded by what is held; the rest by rate.
  if (type != FrameType::open && type != FrameType::tickets && !budget_.take(now))
    return close(CloseReason::flood, fmt::format("agent session: {} over the rate", to_string(type)), out);
  std::visit(Overloaded{
                 [&](TicketsFrame& f) { on_tickets(f, now, out); },
                 [&](OpenFrame& f) { on_open(std::move(f), out); },
                 [&](GrantFrame& f) { out.emplace_back(GrantRenewed{.sealed_grant = std::move(f.sealed_grant)}); },
                 [&](CutFrame& f) { out.emplace_back(CutAsked{.session = f.session}); },
                 [&](PingFrame& f) { send(PongFrame{.token = f.token}, out); },
                 [&](PongFrame& f) { on_pong(f, now); },
                 [&](GoAwayFrame& f) {
                   close(CloseReason::told_to_go, std::string(to_string(f.reason)), out);
                   std::get<Close>(out.back()).go_away = f;
                 },
                 [&](HelloFrame&) { violation("established"); },
                 [&](RefuseFrame&) { violation("established"); },
                 [&](StatusFrame&) { violation("established"); },
                 [&](ResumptionFrame& f) {
                   // Each is written to the device's disk.
                   if (std::exchange(has_resumption_, true)) return violation("established, for the second time");
                   out.emplace_back(ResumptionGiven{.identity = std::move(f.identity)});
                 },
             },
             frame);
}

void AgentSession::on_tickets(const TicketsFrame& frame, Instant now, AgentActions& out) {
  if (free_.size() + dialled_.size() + frame.tickets.size() > kMaxTicketsHeld)
    return close(CloseReason::violation, fmt::format("agent session: over {} tickets", kMaxTicketsHeld), out);
  for (const Ticket& ticket : frame.tickets) {
    if (std::ranges::find(free_, ticket) != free_.end() || std::ranges::find(dialled_, ticket) != dialled_.end())
      return close(CloseReason::violation, "agent session: a ticket given twice", out);
    free_.push_back(ticket);
  }
  if (state_ != AgentState::greeting) return;
  state_ = AgentState::established;
  out.emplace_back(Accepted{});
  send_ping(now, out);
}

bool AgentSession::offers(const ServiceName& service) const {
  return std::ranges::find(hello_.services, service, &Service::name) != hello_.services.end();
}

// Takes the ticket out of whatever state it is in; false when it was never given, or spent.
bool AgentSession::spend(const Ticket& ticket, bool& ready) {
  ready = remove(dialled_, ticket);
  return ready || remove(free_, ticket) || std::erase(lost_, ticket) != 0;
}

void AgentSession::on_open(OpenFrame frame, AgentActions& out) {
  bool ready = false;
  const auto refuse_now = [&](RefuseCode code) {
    if (ready) out.emplace_back(DropReady{.ticket = frame.ticket});
    send(RefuseFrame{.ticket = frame.ticket, .code = code}, out);
  };
  if (!spend(frame.ticket, ready)) return refuse_now(RefuseCode::unknown_ticket);
  if (!hello_.remote_access) return refuse_now(RefuseCode::remote_access_off);
  if (!offers(frame.service)) return refuse_now(RefuseCode::no_such_service);
  out.emplace_back(OpenAsked{.open = std::move(frame), .ready = ready});
}

void AgentSession::on_pong(const PongFrame& frame, Instant now) {
  if (ping_token_ != frame.token) return;
  ping_token_.reset();
  round_trip_ = std::chrono::duration_cast<milliseconds>(now - ping_sent_);
  ping_interval_.on_answered();
  next_event_ = ping_sent_ + ping_interval_.current();
}

AgentActions AgentSession::on_tick(Instant now) {
  AgentActions out;
  if (state_ == AgentState::closed || !started_) return out;
  if (now >= next_event_) {
    if (state_ == AgentState::greeting) {
      close(CloseReason::hello_late, "agent session: no TICKETS in time", out);
    } else if (ping_token_) {
      ping_interval_.on_lost();
      close(CloseReason::peer_dead, "agent session: no PONG in time", out);
    } else {
      send_ping(now, out);
    }
  }
  if (state_ != AgentState::closed) out.emplace_back(WakeAt{.when = next_event_});
  return out;
}

AgentActions AgentSession::status_changed(bool remote_access, std::vector<Service> services, Instant) {
  AgentActions out;
  hello_.remote_access = remote_access;
  hello_.services = std::move(services);
  if (started_ && state_ != AgentState::closed)
    send(StatusFrame{.remote_access = hello_.remote_access, .services = hello_.services}, out);
  return out;
}

AgentActions AgentSession::refuse(const Ticket& ticket, RefuseCode code, Instant) {
  AgentActions out;
  if (state_ == AgentState::established) send(RefuseFrame{.ticket = ticket, .code = code}, out);
  return out;
}

std::optional<Ticket> AgentSession::take_ticket() {
  if (state_ != AgentState::established || free_.empty()) return std::nullopt;
  const Ticket ticket = free_.front();
  free_.erase(free_.begin());
  dialled_.push_back(ticket);
  return ticket;
}

void AgentSession::ready_lost(const Ticket& ticket) {
  if (!remove(dialled_, ticket)) return;
  if (lost_.size() == kMaxTicketsHeld) lost_.pop_front();
  lost_.push_back(ticket);
}

}  // namespace sallyport::tunnel
