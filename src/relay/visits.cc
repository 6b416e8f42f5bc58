#include "relay/visits.h"

#include <map>
#include <unordered_map>

#include "base/log.h"
#include "relay/detail/data_connection.h"
#include "relay/detail/session_account.h"
#include "relay/limits.h"
#include "tunnel/client_hello.h"
#include "tunnel/refusal.h"

namespace sallyport::relay {

using tunnel::Alert;
using tunnel::DataId;
using tunnel::GrantId;
using tunnel::SessionId;
using tunnel::Ticket;
using tunnel::UserId;
using SocketPtr = std::shared_ptr<net::RawSocket>;

struct Visits::State : std::enable_shared_from_this<State> {
  struct Waiting {
    SocketPtr socket;
    GrantId session;
    SessionId device;
  };

  State(net::Executor on, const Clock& time, Devices& connected, const DeviceCheck& rules, Reports& told,
        std::size_t pipes, std::size_t pipe_bytes)
      : executor(on), clock(time), devices(connected), check(rules), reports(told), pool(pipes, pipe_bytes) {}

  net::Executor executor;
  const Clock& clock;
  Devices& devices;
  const DeviceCheck& check;
  Reports& reports;
  net::PipePool pool;
  tunnel::Rendezvous rendezvous;
  std::uint64_t last_id = 0;
  std::unordered_map<UserId, Waiting> users;
  std::unordered_map<DataId, DataConnection> ready;
  std::map<GrantId, SessionAccount> accounts;
  std::size_t joined = 0;
  Instant windows_at{};  // when they were looked at last
  bool closed = false;

  static net::Task<void> watch_user(std::shared_ptr<State> self, UserId id, SocketPtr socket);
  static net::Task<void> watch_ready(std::shared_ptr<State> self, DataId id, SocketPtr socket);
  Result<void> admit(UserId id, const SocketPtr& user, const LiveGrant& grant);
  void join(UserId id, const GrantId& session, net::RawSocket& user, DataConnection data);
  void arrived(DataConnection data, const Ticket& ticket);
  void left(UserId id, const GrantId& session);
  void drop_user(UserId id, Alert alert);
  void tell(SessionAccount& account, Instant now);
};

Visits::Visits(net::Executor executor, const Clock& clock, Devices& devices, const DeviceCheck& check, Reports& reports,
               std::size_t pipes, std::size_t pipe_bytes)
    : state_(std::make_shared<State>(executor, clock, devices, check, reports, pipes, pipe_bytes)) {}

Visits::~Visits() {
  close();
}

void Visits::on_user(std::unique_ptr<net::RawSocket> user, const LiveGrant& grant) {
  if (state_->closed) return user->reset();
  const SocketPtr socket(std::move(user));
  const UserId id(++state_->last_id);
  const auto admitted = state_->admit(id, socket, grant);
  if (admitted) return;
  log::debug("relay.user-refused", {{"device", grant.grant.device.get()}, {"error", admitted.error()}});
  socket->end_with(tunnel::encode_alert(Alert::unrecognized_name));
}

// Claims a ticket for the user and sends its OPEN; joins at once where a data connection is ready.
Result<void> Visits::State::admit(UserId id, const SocketPtr& user, const LiveGrant& grant) {
  const GrantId session = grant.grant.session();
  if (!check.is_reachable(grant.grant.device)) return fail(Errc::unauthorized, "user: device is not open to users");
  const auto device = devices.find(grant.grant.device);
  if (!device) return fail(Errc::unavailable, "user: device is not online");
  auto found = accounts.find(session);
  const std::size_t held = found == accounts.end() ? 0 : found->second.live.size() + found->second.waiting.size();
  if (joined + users.size() >= kMaxVisits || held >= kMaxVisitsPerSession) {
    return failf(Errc::overloaded, "user: {} connections of this session, {} in all", held, joined);
  }
  const std::string source = net::to_string(user->peer());
  TRY(const auto claim, rendezvous.claim(*device, id, clock.monotonic()));
  auto opened = devices.open(
      *device,
      {.ticket = claim.ticket, .sealed_grant = grant.sealed, .client_address = source, .service = grant.grant.service});
  std::optional<DataConnection> data;
  if (claim.joined) {
    auto node = ready.extract(*claim.joined);
    if (!node.empty()) data = std::move(node.mapped());
  }
  if (!opened) {
    if (data) data->close();
    static_cast<void>(rendezvous.refuse(claim.ticket));
    devices.ticket_lost(*device, claim.ticket);
    return opened;
  }
  if (found == accounts.end()) {
    found = accounts.emplace(session, SessionAccount{.session = session, .device = grant.grant.device}).first;
  }
  found->second.source = source;
  if (claim.joined) {
    devices.settled(*device, claim.ticket);
    if (!data) return fail(Errc::unavailable, "user: the ready connection has gone");
    join(id, session, *user, *std::move(data));
    return {};
  }
  found->second.waiting.insert(id);
  users.emplace(id, Waiting{.socket = user, .session = session, .device = *device});
  net::spawn(executor, watch_user(shared_from_this(), id, user), "relay.user-wait");
  return {};
}

net::Task<void> Visits::State::watch_user(std::shared_ptr<State> self, UserId id, SocketPtr socket) {
  const auto gone = co_await socket->until_gone(net::Deadline::never());
  if (gone) self->drop_user(id, Alert::internal_error);
}

net::Task<void> Visits::State::watch_ready(std::shared_ptr<State> self, DataId id, SocketPtr socket) {
  // A device says nothing before it has read its OPEN: whatever comes is the end of this connection.
  const auto spoke = co_await socket->until_readable(net::Deadline::never());
  auto node = spoke ? self->ready.extract(id) : decltype(self->ready)::node_type();
  if (node.empty()) co_return;
  node.mapped().close();
  if (const auto lost = self->rendezvous.data_gone(id)) self->devices.ticket_lost(lost->session, lost->ticket);
}

// Ends a user that waits; its ticket is void.
void Visits::State::drop_user(UserId id, Alert alert) {
  auto node = users.extract(id);
  if (node.empty()) return;
  if (const auto ticket = rendezvous.user_gone(id)) devices.settled(node.mapped().device, *ticket);
  if (const auto account = accounts.find(node.mapped().session); account != accounts.end()) {
    account->second.waiting.erase(id);
  }
  node.mapped().socket->end_with(tunnel::encode_alert(alert));
}

void Visits::on_data(std::unique_ptr<net::RawSocket> data, const Ticket& ticket) {
  state_->arrived(DataConnection(std::move(data)), ticket);
}

void Visits::on_tls_data(net::StreamPtr data, const Ticket& ticket) {
  auto connection = DataConnection::over_tls(std::move(data));
  if (connection) state_->arrived(*std::move(connection), ticket);
}

void Visits::State::arrived(DataConnection data, const Ticket& ticket) {
  const DataId id(++last_id);
  const auto arrival = closed ? Result<tunnel::Rendezvous::Arrival>(fail(Errc::unavailable, "the relay ends"))
                              : rendezvous.arrive(ticket, id);
  if (!arrival) {
    log::debug("relay.ticket-refused", {{"source", data.watched()->peer().host}, {"error", arrival.error()}});
    return data.close();
  }
  if (!arrival->joined) {
    const SocketPtr watched = data.watched();
    ready.emplace(id, std::move(data));
    return net::spawn(executor, watch_ready(shared_from_this(), id, watched), "relay.data-wait");
  }
  devices.settled(arrival->session, ticket);
  auto node = users.extract(*arrival->joined);
  if (node.empty()) return data.close();
  const Waiting& waiting = node.mapped();
  if (const auto account = accounts.find(waiting.session); account != accounts.end()) {
    account->second.waiting.erase(*arrival->joined);
  }
  join(*arrival->joined, waiting.session, *waiting.socket, std::move(data));
}

void Visits::State::join(UserId id, const GrantId& session, net::RawSocket& user, DataConnection data) {
  const auto account = accounts.find(session);
  if (account == accounts.end() || !user.is_open() || !data.is_open()) {
    user.reset();
    return data.close();
  }
  const auto on_end = [self = shared_from_this(), id, session] { self->left(id, session); };
  std::shared_ptr<Passage> passage;
  if (data.is_tls()) {
    auto stream = net::adopt_socket(executor, user.release());
    if (!stream) return data.close();
    passage = copy_passage(*std::move(stream), data.take_tls(), on_end);
  } else {
    passage = splice_passage(user, *data.watched(), pool, on_end);
  }
  account->second.live.emplace(id, std::move(passage));
  account->second.connections += 1;
  account->second.changed = true;
  ++joined;
}

void Visits::State::left(UserId id, const GrantId& session) {
  --joined;
  const auto account = accounts.find(session);
  if (account == accounts.end()) return;
  auto node = account->second.live.extract(id);
  if (node.empty()) return;
  account->second.ended_to_device += node.mapped()->to_device();
  account->second.ended_to_user += node.mapped()->to_user();
  account->second.changed = true;
}

void Visits::on_tickets(SessionId session, std::span<const Ticket> tickets) {
  state_->rendezvous.issue(session, tickets);
}

void Visits::on_refused(const Ticket& ticket, tunnel::RefuseCode code) {
  const auto user = state_->rendezvous.refuse(ticket);
  if (!user) return;
  log::debug("relay.user-refused", {{"by", "device"}, {"code", tunnel::to_string(code)}});
  state_->drop_user(*user, tunnel::alert_for(code));
}

void Visits::on_session_over(SessionId session) {
  const auto orphans = state_->rendezvous.end_session(session);
  for (const UserId user : orphans.users) state_->drop_user(user, Alert::internal_error);
  for (const DataId data : orphans.data) {
    auto node = state_->ready.extract(data);
    if (!node.empty()) node.mapped().close();
  }
}

void Visits::end_session(const GrantId& session, std::string_view why) {
  const auto found = state_->accounts.find(session);
  if (found == state_->accounts.end()) return;
  auto report = found->second.report();
  report.ended = true;
  report.reason = std::string(why);
  state_->reports.session(session, std::move(report));
  const auto waiting = found->second.waiting;
  for (const UserId user : waiting) state_->drop_user(user, Alert::unrecognized_name);
  const auto live = std::move(found->second.live);
  state_->accounts.erase(found);
  for (const auto& [id, passage] : live) passage->abort();
}

void Visits::recheck() {
  std::vector<GrantId> over;
  for (const auto& [session, account] : state_->accounts) {
    if (!state_->check.is_reachable(account.device)) over.push_back(session);
  }
  for (const GrantId& session : over) end_session(session, "the device is no longer open to users");
}

void Visits::end_all(std::string_view why) {
  while (!state_->accounts.empty()) end_session(GrantId(state_->accounts.begin()->first), why);
}

void Visits::State::tell(SessionAccount& account, Instant now) {
  const auto report = account.report();
  const std::uint64_t bytes = report.bytes_to_device + report.bytes_to_user;
  const bool in_use = !account.live.empty() && now >= account.told_at + kLivenessInterval;
  if (!account.changed && bytes == account.told_bytes && !in_use) return;
  account.changed = false;
  account.told_bytes = bytes;
  account.told_at = now;
  reports.session(account.session, report);
}

void Visits::on_round(Instant now) {
  for (const auto& late : state_->rendezvous.on_tick(now)) {
    state_->devices.settled(late.session, late.ticket);
    state_->drop_user(late.user, Alert::internal_error);
  }
  const bool looks = now >= state_->windows_at + kWindowRound;
  if (looks) state_->windows_at = now;
  for (auto& [session, account] : state_->accounts) {
    if (now >= account.told_at + kReportInterval) state_->tell(account, now);
    if (!looks) continue;
    for (const auto& [id, passage] : account.live) passage->look_at_windows();
  }
}

bool Visits::expects(const Ticket& ticket) const {
  return state_->rendezvous.knows(ticket);
}

void Visits::leave() {
  const auto accounts = std::move(state_->accounts);
  state_->accounts.clear();
  for (const auto& [session, account] : accounts) {
    state_->reports.session(session, account.report());
    for (const auto& [id, passage] : account.live) passage->abort();
  }
}

std::size_t Visits::waiting() const {
  return state_->users.size();
}

std::size_t Visits::joined() const {
  return state_->joined;
}

std::size_t Visits::ready() const {
  return state_->ready.size();
}

void Visits::close() {
  if (std::exchange(state_->closed, true)) return;
  end_all("the relay was stopped");
  for (auto& [id, data] : state_->ready) data.close();
  state_->ready.clear();
}

}  // namespace sallyport::relay
