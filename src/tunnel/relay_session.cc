#include <algorithm>
#include <utility>

#include "tunnel/control_session.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {

RelaySession::RelaySession(WorkerSlot slot, Random& random, Instant now)
    : slot_(slot), random_(random), budget_(kFrameBurst, kFramesPerSecond), silent_until_(now + kHelloDeadline) {}

void RelaySession::send(const Frame& frame, RelayActions& out) {
  out.emplace_back(SendBytes{.bytes = encode_frame(frame)});
}

void RelaySession::close(CloseReason reason, std::string detail, RelayActions& out) {
  state_ = RelayState::closed;
  out.emplace_back(Close{.reason = reason, .detail = std::move(detail), .go_away = std::nullopt});
}

void RelaySession::dismiss(GoAwayReason why, CloseReason reason, std::string detail, RelayActions& out) {
  send(GoAwayFrame{.reason = why, .come_back_in = milliseconds(0)}, out);
  close(reason, std::move(detail), out);
}

// The actions, and when to wake for the nearest deadline.
RelayActions RelaySession::woken(RelayActions out) const {
  if (state_ == RelayState::closed) return out;
  out.emplace_back(WakeAt{.when = probe_token_ ? std::min(probe_deadline_, silent_until_) : silent_until_});
  return out;
}

RelayActions RelaySession::on_bytes(ByteView bytes, Instant now) {
  RelayActions out;
  if (state_ == RelayState::closed) return out;
  decoder_.push(bytes);
  while (state_ != RelayState::closed) {
    auto frame = decoder_.next();
    if (!frame) {
      dismiss(GoAwayReason::violation, CloseReason::malformed, std::move(frame).error().detail, out);
    } else if (!*frame) {
      break;
    } else {
      on_frame(*std::move(*frame), now, out);
    }
  }
  return woken(std::move(out));
}

void RelaySession::on_frame(Frame frame, Instant now, RelayActions& out) {
  const FrameType type = type_of(frame);
  if (!budget_.take(now))
    return dismiss(GoAwayReason::violation, CloseReason::flood,
                   fmt::format("relay session: {} over the rate", to_string(type)), out);
  if (state_ == RelayState::awaiting_hello && type == FrameType::hello)
    return on_hello(std::get<HelloFrame>(std::move(frame)), now, out);
  const bool greeted = state_ == RelayState::judging || state_ == RelayState::established;
  if (state_ == RelayState::established) silent_until_ = std::max(silent_until_, now + kDeadPeerDeadline);
  if (greeted && type == FrameType::ping) return on_ping(std::get<PingFrame>(frame), now, out);
  if (greeted && type == FrameType::pong) {
    if (probe_token_ != std::get<PongFrame>(frame).token) return;
    probe_token_.reset();
    out.emplace_back(ProbeAnswered{});
    return;
  }
  if (greeted && type == FrameType::status) {
    auto& status = std::get<StatusFrame>(frame);
    remote_access_ = status.remote_access;
    services_ = status.services;
    out.emplace_back(StatusReceived{.status = std::move(status)});
    return;
  }
  if (state_ == RelayState::established && type == FrameType::refuse) {
    const auto& refuse = std::get<RefuseFrame>(frame);
    // The user may have given up while the refusal was on its way.
    if (std::erase(pending_, refuse.ticket) != 0)
      out.emplace_back(OpenRefused{.ticket = refuse.ticket, .code = refuse.code});
    return;
  }
  dismiss(GoAwayReason::violation, CloseReason::violation,
          fmt::format("relay session: {} in state {}", to_string(type), static_cast<unsigned>(state_)), out);
}

void RelaySession::on_hello(HelloFrame frame, Instant now, RelayActions& out) {
  if (frame.version != kProtocolVersion)
    return dismiss(GoAwayReason::version, CloseReason::version,
                   fmt::format("relay session: version {}, want {}", frame.version, kProtocolVersion), out);
  state_ = RelayState::judging;
  silent_until_ = now + kJudgementDeadline;
  remote_access_ = frame.remote_access;
  services_ = frame.services;
  out.emplace_back(HelloReceived{.hello = std::move(frame)});
}

void RelaySession::on_ping(const PingFrame& frame, Instant now, RelayActions& out) {
  if (frame.interval_s == 0)
    return dismiss(GoAwayReason::violation, CloseReason::violation, "relay session: PING without an interval", out);
  if (state_ == RelayState::established) silent_until_ = now + seconds(frame.interval_s) + kPongDeadline;
  if (frame.round_trip_us) round_trip_ = milliseconds(*frame.round_trip_us / 1'000);
  send(PongFrame{.token = frame.token}, out);
}

RelayActions RelaySession::on_tick(Instant now) {
  RelayActions out;
  if (state_ == RelayState::closed) return out;
  if (probe_token_ && now >= probe_deadline_) {
    close(CloseReason::peer_dead, "relay session: probe not answered", out);
  } else if (now >= silent_until_) {
    const bool established = state_ == RelayState::established;
    close(established ? CloseReason::peer_dead : CloseReason::hello_late,
          established ? "relay session: agent silent" : "relay session: no HELLO, or no decision, in time", out);
  }
  return woken(std::move(out));
}

void RelaySession::issue_tickets(RelayActions& out) {
  if (outstanding_.size() >= tickets_wanted_) return;
  TicketsFrame frame;
  while (outstanding_.size() < tickets_wanted_) {
    const Ticket ticket = draw_ticket(slot_, random_);
    frame.tickets.push_back(ticket);
    outstanding_.push_back(ticket);
  }
  send(frame, out);
  out.emplace_back(TicketsIssued{.tickets = std::move(frame.tickets)});
}

RelayActions RelaySession::admit(Instant now) {
  RelayActions out;
  if (state_ != RelayState::judging) return out;
  state_ = RelayState::established;
  silent_until_ = now + kDeadPeerDeadline;
  tickets_wanted_ = kTicketsIdle;
  issue_tickets(out);
  return woken(std::move(out));
}

RelayActions RelaySession::send_away(GoAwayReason reason, milliseconds come_back_in, Instant) {
  RelayActions out;
  if (state_ == RelayState::closed) return out;
  send(GoAwayFrame{.reason = reason, .come_back_in = come_back_in}, out);
  close(CloseReason::sent_away, std::string(to_string(reason)), out);
  return out;
}

bool RelaySession::offers(const ServiceName& service) const {
  return std::ranges::find(services_, service, &Service::name) != services_.end();
}

Result<RelayActions> RelaySession::open(OpenFrame open, Instant) {
  if (state_ != RelayState::established) return fail(Errc::unavailable, "relay session: not established");
  if (!remote_access_) return fail(Errc::unauthorized, "relay session: remote access is off on the device");
  if (!offers(open.service)) return fail(Errc::not_found, "relay session: the device has no such service");
  if (pending_.size() >= kMaxOpensPending)
    return failf(Errc::overloaded, "relay session: {} OPENs pending", pending_.size());
  if (std::erase(outstanding_, open.ticket) == 0)
    return fail(Errc::conflict, "relay session: ticket is not outstanding");
  pending_.push_back(open.ticket);
  budget_.grant(1);
  RelayActions out;
  send(open, out);
  tickets_wanted_ = kTicketsActive;
  issue_tickets(out);
  return woken(std::move(out));
}

void RelaySession::settled(const Ticket& ticket) {
  std::erase(pending_, ticket);
}

RelayActions RelaySession::ticket_lost(const Ticket& ticket, Instant) {
  RelayActions out;
  if (state_ != RelayState::established || std::erase(outstanding_, ticket) == 0) return out;
  issue_tickets(out);
  return out;
}

Result<RelayActions> RelaySession::renew(Bytes sealed_grant, Instant) {
  if (state_ != RelayState::established) return fail(Errc::unavailable, "relay session: not established");
  RelayActions out;
  send(GrantFrame{.sealed_grant = std::move(sealed_grant)}, out);
  return out;
}

Result<RelayActions> RelaySession::cut(const GrantId& session, Instant) {
  if (state_ != RelayState::established) return fail(Errc::unavailable, "relay session: not established");
  RelayActions out;
  send(CutFrame{.session = session}, out);
  return out;
}

Result<RelayActions> RelaySession::give_resumption(Bytes identity) {
  if (state_ != RelayState::established) return fail(Errc::unavailable, "relay session: not established");
  RelayActions out;
  send(ResumptionFrame{.identity = std::move(identity)}, out);
  return out;
}

Result<RelayActions> RelaySession::probe(Instant now) {
  if (state_ != RelayState::established) return fail(Errc::unavailable, "relay session: not established");
  RelayActions out;
  if (!probe_token_) {
    probe_token_ = next_token_++;
    probe_deadline_ = now + kIncumbentPingDeadline;
    send(PingFrame{.token = *probe_token_, .interval_s = 0, .round_trip_us = std::nullopt}, out);
  }
  return woken(std::move(out));
}

}  // namespace sallyport::tunnel
