#include "relay/devices.h"

#include <map>
#include <set>
#include <unordered_map>

#include "base/log.h"
#include "net/tls_stream.h"
#include "relay/detail/control_connection.h"
#include "relay/limits.h"
#include "tunnel/reconnect.h"

namespace sallyport::relay {
namespace {

using ConnectionPtr = std::shared_ptr<ControlConnection>;
using tunnel::Generation;
using tunnel::GoAwayReason;
using tunnel::SessionId;

std::string kind_text(tunnel::ServiceKind kind) {
  switch (kind) {
    case tunnel::ServiceKind::http:
      return "http";
    case tunnel::ServiceKind::tcp:
      return "tcp";
    case tunnel::ServiceKind::tls:
      return "tls";
  }
  return "tcp";
}

records::Presence presence_of(const ControlConnection& connection, bool online) {
  records::Presence presence{.device = connection.certificate.name,
                             .online = online,
                             .boot_id = connection.boot_id.get(),
                             .device_switch = connection.session.remote_access(),
                             .rtt_ms = connection.told_round_trip_ms,
                             .source = net::to_string(connection.stream->peer().address),
                             .agent_version = connection.agent_version,
                             .services = {}};
  for (const auto& service : connection.session.services()) {
    presence.services.push_back({.name = service.name, .kind = kind_text(service.kind)});
  }
  return presence;
}

}  // namespace

struct Devices::State : std::enable_shared_from_this<State> {
  struct Device {
    tunnel::DisplacementPolicy policy;
    std::map<Generation, SessionId> sessions;
  };

  State(net::Executor on, const Clock& time, Random& source, const DeviceCheck& rules, const ResumptionKeys& keys,
        Reports& told, tunnel::WorkerSlot number, DeviceEvents listener)
      : executor(on),
        clock(time),
        random(source),
        check(rules),
        resumption(keys),
        reports(told),
        slot(number),
        events(std::move(listener)) {}

  net::Executor executor;
  const Clock& clock;
  Random& random;
  const DeviceCheck& check;
  const ResumptionKeys& resumption;
  Reports& reports;
  tunnel::WorkerSlot slot;
  DeviceEvents events;
  std::uint64_t last_id = 0;
  std::unordered_map<SessionId, ConnectionPtr> connections;
  std::map<DeviceName, Device> devices;
  std::set<std::pair<Instant, SessionId>> wakes;
  Instant next_sweep{};
  bool closed = false;

  static net::Task<void> read(std::shared_ptr<State> self, ConnectionPtr connection);
  static net::Task<void> write(std::shared_ptr<State> self, ConnectionPtr connection);
  ConnectionPtr find(SessionId id) const;
  ConnectionPtr current_of(const DeviceName& name) const;
  void perform(const ConnectionPtr& connection, tunnel::RelayActions actions);
  void send(const ConnectionPtr& connection, ByteView bytes);
  void wake(ControlConnection& connection, Instant when);
  void judge(const ConnectionPtr& connection, const tunnel::HelloFrame& hello);
  void admit(const ConnectionPtr& connection);
  void give_resumption(const ConnectionPtr& connection);
  void send_away(const ConnectionPtr& connection, GoAwayReason reason, milliseconds come_back_in);
  void incumbent_answered(const ConnectionPtr& connection);
  void retire(const ConnectionPtr& connection, std::string_view why);
  void forget_generation(const ControlConnection& connection);
  void tell_round_trip(ControlConnection& connection);
};

ConnectionPtr Devices::State::find(SessionId id) const {
  const auto found = connections.find(id);
  return found == connections.end() ? nullptr : found->second;
}

ConnectionPtr Devices::State::current_of(const DeviceName& name) const {
  const auto device = devices.find(name);
  if (device == devices.end()) return nullptr;
  const auto generation = device->second.policy.current();
  if (!generation) return nullptr;
  const auto session = device->second.sessions.find(*generation);
  return session == device->second.sessions.end() ? nullptr : find(session->second);
}

void Devices::State::perform(const ConnectionPtr& connection, tunnel::RelayActions actions) {
  for (auto& action : actions) {
    if (auto* bytes = std::get_if<tunnel::SendBytes>(&action)) {
      send(connection, bytes->bytes);
    } else if (const auto* when = std::get_if<tunnel::WakeAt>(&action)) {
      wake(*connection, when->when);
    } else if (const auto* close = std::get_if<tunnel::Close>(&action)) {
      retire(connection, close->detail);
    } else if (const auto* hello = std::get_if<tunnel::HelloReceived>(&action)) {
      judge(connection, hello->hello);
    } else if (const auto* issued = std::get_if<tunnel::TicketsIssued>(&action)) {
      events.on_tickets(connection->id, issued->tickets);
    } else if (const auto* refused = std::get_if<tunnel::OpenRefused>(&action)) {
      events.on_refused(refused->ticket, refused->code);
    } else if (std::holds_alternative<tunnel::StatusReceived>(action)) {
      reports.presence(presence_of(*connection, true));
    } else if (std::holds_alternative<tunnel::ProbeAnswered>(action)) {
      incumbent_answered(connection);
    }
  }
}

void Devices::State::send(const ConnectionPtr& connection, ByteView bytes) {
  append(connection->unsent, bytes);
  if (connection->unsent.size() > kMaxUnsentControl) {
    connection->unsent.clear();
    return retire(connection, "does not read");
  }
  if (std::exchange(connection->writing, true)) return;
  net::spawn(executor, write(shared_from_this(), connection), "relay.control-write");
}

void Devices::State::wake(ControlConnection& connection, Instant when) {
  if (connection.wake_at == when || connection.retired) return;
  wakes.erase({connection.wake_at, connection.id});
  connection.wake_at = when;
  wakes.emplace(when, connection.id);
}

void Devices::State::judge(const ConnectionPtr& connection, const tunnel::HelloFrame& hello) {
  connection->boot_id = hello.boot_id;
  connection->agent_version = hello.agent_version;
  const DeviceName& name = connection->certificate.name;
  const ConnectionPtr incumbent = current_of(name);
  Device& device = devices[name];
  const auto judgement = device.policy.on_hello(hello.boot_id, clock.monotonic());
  connection->generation = judgement.generation;
  device.sessions.emplace(judgement.generation, connection->id);
  if (judgement.raise_alarm) {
    log::warn("relay.clone-alarm", {{"device", name.get()}});
    reports.alarm({.kind = "device.cloned",
                   .subject = name.get(),
                   .detail = "two agents take turns with one key, the newer from " +
                             net::to_string(connection->stream->peer().address)});
  }
  switch (judgement.verdict) {
    case tunnel::Verdict::admit:
      return admit(connection);
    case tunnel::Verdict::displace:
      if (incumbent) send_away(incumbent, GoAwayReason::displaced, milliseconds(0));
      return admit(connection);
    case tunnel::Verdict::probe_incumbent: {
      auto probe = incumbent ? incumbent->session.probe(clock.monotonic())
                             : Result<tunnel::RelayActions>(fail(Errc::unavailable, "no incumbent"));
      if (probe) return perform(incumbent, *std::move(probe));
      return send_away(connection, GoAwayReason::clone, kCloneComeBackIn);
    }
    case tunnel::Verdict::refuse:
      return send_away(connection, GoAwayReason::clone, kCloneComeBackIn);
  }
}

void Devices::State::admit(const ConnectionPtr& connection) {
  perform(connection, connection->session.admit(clock.monotonic()));
  if (connection->retired) return;
  give_resumption(connection);
  if (connection->retired) return;
  log::info("relay.device-online", {{"device", connection->certificate.name.get()}});
  reports.presence(presence_of(*connection, true));
}

void Devices::State::give_resumption(const ConnectionPtr& connection) {
  auto exported = net::export_keying_material(*connection->stream, tunnel::kResumptionLabel, crypto::kPskBytes);
  if (!exported) return;
  const auto identity =
      resumption.seal({.key = crypto::Psk::from(*exported).value(), .certificate = connection->certificate});
  wipe(*exported);
  if (!identity) return;
  if (auto given = connection->session.give_resumption(*identity)) perform(connection, *std::move(given));
}

void Devices::State::send_away(const ConnectionPtr& connection, GoAwayReason reason, milliseconds come_back_in) {
  perform(connection, connection->session.send_away(reason, come_back_in, clock.monotonic()));
}

void Devices::State::incumbent_answered(const ConnectionPtr& connection) {
  const auto device = devices.find(connection->certificate.name);
  if (device == devices.end()) return;
  const auto rival = device->second.policy.on_incumbent_answered();
  if (!rival) return;
  const auto session = device->second.sessions.find(*rival);
  if (session == device->second.sessions.end()) return;
  if (const auto loser = find(session->second)) send_away(loser, GoAwayReason::clone, kCloneComeBackIn);
}

// Forgets the connection; what it still has to say may leave.
void Devices::State::retire(const ConnectionPtr& connection, std::string_view why) {
  if (std::exchange(connection->retired, true)) return;
  log::debug("relay.control-over", {{"device", connection->certificate.name.get()}, {"why", why}});
  wakes.erase({connection->wake_at, connection->id});
  connections.erase(connection->id);
  if (!connection->writing) connection->stream->close();
  events.on_session_over(connection->id);
  forget_generation(*connection);
}

void Devices::State::forget_generation(const ControlConnection& connection) {
  if (!connection.generation) return;
  const auto device = devices.find(connection.certificate.name);
  if (device == devices.end()) return;
  const bool was_current = device->second.policy.current() == connection.generation;
  device->second.sessions.erase(*connection.generation);
  const auto successor = device->second.policy.on_gone(*connection.generation);
  if (successor) {
    const auto session = device->second.sessions.find(*successor);
    const auto next = session == device->second.sessions.end() ? nullptr : find(session->second);
    if (next) return admit(next);
  }
  if (was_current && !closed) {
    log::info("relay.device-offline", {{"device", connection.certificate.name.get()}});
    reports.presence(presence_of(connection, false));
  }
}

void Devices::State::tell_round_trip(ControlConnection& connection) {
  const auto round_trip = connection.session.round_trip();
  if (!round_trip || connection.retired) return;
  const auto measured = static_cast<std::uint32_t>(std::max<std::int64_t>(1, round_trip->count()));
  const Instant now = clock.monotonic();
  const bool told_lately = connection.told_round_trip_ms != 0 && now < connection.told_at + kRoundTripInterval;
  if (measured == connection.told_round_trip_ms || told_lately) return;
  connection.told_round_trip_ms = measured;
  connection.told_at = now;
  reports.presence(presence_of(connection, true));
}

net::Task<void> Devices::State::read(std::shared_ptr<State> self, ConnectionPtr connection) {
  while (!connection->retired) {
    // No buffer while nothing comes.
    if (!co_await connection->stream->wait_readable(net::Deadline::never()) || connection->retired) break;
    Bytes buffer(kControlReadBuffer);
    const auto got = co_await connection->stream->read_some(buffer, net::Deadline::never());
    if (!got || *got == 0 || connection->retired) break;
    self->perform(connection, connection->session.on_bytes(ByteView(buffer).first(*got), self->clock.monotonic()));
    self->tell_round_trip(*connection);
  }
  self->retire(connection, "the device ended it");
}

net::Task<void> Devices::State::write(std::shared_ptr<State> self, ConnectionPtr connection) {
  bool broken = false;
  // What else is said in this turn, to all users that came together, leaves with it.
  co_await net::yield();
  while (!broken && !connection->unsent.empty()) {
    const Bytes batch = std::exchange(connection->unsent, {});
    const net::Deadline deadline = connection->retired ? kLastWordsDeadline : kControlWriteDeadline;
    broken = !(co_await connection->stream->write_all(batch, deadline)).has_value();
  }
  connection->writing = false;
  if (broken) self->retire(connection, "cannot be written to");
  if (!connection->retired) co_return;
  if (!broken) static_cast<void>(co_await connection->stream->shutdown_write(kLastWordsDeadline));
  connection->stream->close();
}

Devices::Devices(net::Executor executor, const Clock& clock, Random& random, const DeviceCheck& check,
                 const ResumptionKeys& resumption, Reports& reports, tunnel::WorkerSlot slot, DeviceEvents events)
    : state_(std::make_shared<State>(executor, clock, random, check, resumption, reports, slot, std::move(events))) {}

Devices::~Devices() {
  close();
}

void Devices::take(net::StreamPtr stream, DeviceCertificate certificate) {
  if (state_->closed || state_->connections.size() >= kMaxControlConnections) return stream->close();
  const Instant now = state_->clock.monotonic();
  auto connection = std::make_shared<ControlConnection>(SessionId(++state_->last_id), std::move(stream),
                                                        std::move(certificate), state_->slot, state_->random, now);
  state_->connections.emplace(connection->id, connection);
  state_->wake(*connection, now + tunnel::kHelloDeadline);
  net::spawn(state_->executor, State::read(state_, std::move(connection)), "relay.control-read");
}

std::optional<SessionId> Devices::find(const DeviceName& device) const {
  const auto connection = state_->current_of(device);
  if (!connection || connection->session.state() != tunnel::RelayState::established) return std::nullopt;
  return connection->id;
}

Result<void> Devices::open(SessionId session, tunnel::OpenFrame open) {
  const auto connection = state_->find(session);
  if (!connection) return fail(Errc::unavailable, "device: its session is over");
  TRY(auto actions, connection->session.open(std::move(open), state_->clock.monotonic()));
  state_->perform(connection, std::move(actions));
  return {};
}

void Devices::settled(SessionId session, const tunnel::Ticket& ticket) {
  if (const auto connection = state_->find(session)) connection->session.settled(ticket);
}

void Devices::ticket_lost(SessionId session, const tunnel::Ticket& ticket) {
  const auto connection = state_->find(session);
  if (connection) state_->perform(connection, connection->session.ticket_lost(ticket, state_->clock.monotonic()));
}

void Devices::renew(const DeviceName& device, Bytes sealed_grant) {
  const auto connection = state_->current_of(device);
  if (!connection) return;
  auto actions = connection->session.renew(std::move(sealed_grant), state_->clock.monotonic());
  if (actions) state_->perform(connection, *std::move(actions));
}

void Devices::cut(const DeviceName& device, const tunnel::GrantId& session) {
  const auto connection = state_->current_of(device);
  if (!connection) return;
  auto actions = connection->session.cut(session, state_->clock.monotonic());
  if (actions) state_->perform(connection, *std::move(actions));
}

void Devices::recheck() {
  std::vector<ConnectionPtr> refused;
  for (const auto& [id, connection] : state_->connections) {
    if (!state_->check.recheck(connection->certificate)) refused.push_back(connection);
  }
  for (const auto& connection : refused) {
    log::info("relay.device-cut", {{"device", connection->certificate.name.get()}});
    state_->send_away(connection, GoAwayReason::not_admitted, milliseconds(0));
  }
}

void Devices::end_all(std::string_view why) {
  const auto all = state_->connections;
  for (const auto& [id, connection] : all) {
    log::debug("relay.device-cut", {{"device", connection->certificate.name.get()}, {"why", why}});
    state_->send_away(connection, GoAwayReason::restarting, milliseconds(0));
  }
}

void Devices::on_round(Instant now) {
  while (!state_->wakes.empty() && state_->wakes.begin()->first <= now) {
    const SessionId id = state_->wakes.begin()->second;
    state_->wakes.erase(state_->wakes.begin());
    const auto connection = state_->find(id);
    if (!connection) continue;
    connection->wake_at = Instant{};
    state_->perform(connection, connection->session.on_tick(now));
  }
  if (now < state_->next_sweep) return;
  state_->next_sweep = now + kSweepInterval;
  std::erase_if(state_->devices,
                [now](const auto& entry) { return entry.second.sessions.empty() && entry.second.policy.idle(now); });
}

void Devices::report_all() {
  for (const auto& [id, connection] : state_->connections) {
    if (state_->current_of(connection->certificate.name) == connection) {
      state_->reports.presence(presence_of(*connection, true));
    }
  }
}

net::Task<void> Devices::send_all_away() {
  const auto all = state_->connections;
  for (const auto& [id, connection] : all) {
    state_->send_away(connection, GoAwayReason::restarting,
                      tunnel::draw_come_back_in(all.size(), kComeBackHandshakesPerSecond, state_->random));
  }
  const net::Deadline deadline(kLastWordsDeadline);
  for (const auto& [id, connection] : all) {
    while (connection->stream->native() >= 0 && !deadline.passed()) co_await net::sleep_for(milliseconds(5));
  }
}

void Devices::send_away(std::size_t count) {
  std::vector<ConnectionPtr> leaving;
  for (const auto& [id, connection] : state_->connections) {
    if (leaving.size() >= count) break;
    if (connection->session.pending_opens() == 0) leaving.push_back(connection);
  }
  for (const auto& connection : leaving) state_->send_away(connection, GoAwayReason::restarting, kComeBackSoon);
}

std::size_t Devices::size() const {
  return state_->connections.size();
}

void Devices::close() {
  if (std::exchange(state_->closed, true)) return;
  const auto all = state_->connections;
  for (const auto& [id, connection] : all) {
    connection->unsent.clear();
    state_->retire(connection, "the worker ends");
    connection->stream->close();
  }
}

}  // namespace sallyport::relay
