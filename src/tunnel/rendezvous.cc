#include "tunnel/rendezvous.h"

#include <algorithm>

namespace sallyport::tunnel {
namespace {

void remove(std::vector<Ticket>& from, const Ticket& ticket) {
  const auto found = std::ranges::find(from, ticket);
  SALLYPORT_CHECK(found != from.end());
  *found = from.back();
  from.pop_back();
}

Ticket take_last(std::vector<Ticket>& from) {
  const Ticket ticket = from.back();
  from.pop_back();
  return ticket;
}

}  // namespace

void Rendezvous::issue(SessionId session, std::span<const Ticket> tickets) {
  Session& entry = sessions_[session];
  for (const Ticket& ticket : tickets) {
    const bool fresh = tickets_.try_emplace(ticket, Entry{.session = session, .state = Issued{}}).second;
    SALLYPORT_CHECK(fresh);
    entry.issued.push_back(ticket);
  }
}

Result<Rendezvous::Claim> Rendezvous::claim(SessionId session, UserId user, Instant now) {
  SALLYPORT_CHECK(!users_.contains(user));
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return fail(Errc::not_found, "rendezvous: no such session");
  Session& device = found->second;
  if (!device.ready.empty()) {
    const Ticket ticket = take_last(device.ready);
    const DataId data = std::get<Ready>(tickets_.at(ticket).state).data;
    tickets_.erase(ticket);
    data_.erase(data);
    return Claim{.ticket = ticket, .joined = data};
  }
  if (device.awaited.size() >= limits_.users_per_device || users_.size() >= limits_.users)
    return failf(Errc::overloaded, "rendezvous: {} users wait here and {} in all", device.awaited.size(),
                 users_.size());
  if (device.issued.empty()) return fail(Errc::overloaded, "rendezvous: the device has no ticket left");
  const Ticket ticket = take_last(device.issued);
  const Instant deadline = now + limits_.user_deadline;
  tickets_.at(ticket).state = Awaited{.user = user, .deadline = deadline};
  device.awaited.push_back(ticket);
  users_.emplace(user, ticket);
  deadlines_.emplace(deadline, user);
  return Claim{.ticket = ticket, .joined = std::nullopt};
}

Result<Rendezvous::Arrival> Rendezvous::arrive(const Ticket& ticket, DataId data) {
  SALLYPORT_CHECK(!data_.contains(data));
  const auto found = tickets_.find(ticket);
  if (found == tickets_.end()) return fail(Errc::not_found, "rendezvous: ticket unknown, spent or void");
  Entry& entry = found->second;
  Session& device = sessions_.at(entry.session);
  if (std::holds_alternative<Ready>(entry.state)) return fail(Errc::conflict, "rendezvous: ticket shown before");
  const Arrival arrival{.session = entry.session, .joined = std::nullopt};
  if (const auto* awaited = std::get_if<Awaited>(&entry.state)) {
    const UserId user = awaited->user;
    forget_user(user, awaited->deadline);
    remove(device.awaited, ticket);
    tickets_.erase(found);
    return Arrival{.session = arrival.session, .joined = user};
  }
  if (device.ready.size() >= limits_.ready_per_device || data_.size() >= limits_.ready)
    return failf(Errc::overloaded, "rendezvous: {} connections ready here and {} in all", device.ready.size(),
                 data_.size());
  remove(device.issued, ticket);
  device.ready.push_back(ticket);
  entry.state = Ready{.data = data};
  data_.emplace(data, ticket);
  return arrival;
}

void Rendezvous::forget_user(UserId user, Instant deadline) {
  users_.erase(user);
  const auto [first, last] = deadlines_.equal_range(deadline);
  const auto found = std::find_if(first, last, [user](const auto& entry) { return entry.second == user; });
  SALLYPORT_CHECK(found != last);
  deadlines_.erase(found);
}

std::optional<UserId> Rendezvous::refuse(const Ticket& ticket) {
  const auto found = tickets_.find(ticket);
  if (found == tickets_.end()) return std::nullopt;
  const auto* awaited = std::get_if<Awaited>(&found->second.state);
  if (awaited == nullptr) return std::nullopt;
  const UserId user = awaited->user;
  forget_user(user, awaited->deadline);
  remove(sessions_.at(found->second.session).awaited, ticket);
  tickets_.erase(found);
  return user;
}

std::optional<Ticket> Rendezvous::user_gone(UserId user) {
  const auto found = users_.find(user);
  if (found == users_.end()) return std::nullopt;
  const Ticket ticket = found->second;
  SALLYPORT_CHECK(refuse(ticket) == user);
  return ticket;
}

std::optional<Rendezvous::Lost> Rendezvous::data_gone(DataId data) {
  const auto found = data_.find(data);
  if (found == data_.end()) return std::nullopt;
  const Ticket ticket = found->second;
  const SessionId session = tickets_.at(ticket).session;
  data_.erase(found);
  tickets_.erase(ticket);
  remove(sessions_.at(session).ready, ticket);
  return Lost{.session = session, .ticket = ticket};
}

Rendezvous::Orphans Rendezvous::end_session(SessionId session) {
  Orphans out;
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return out;
  for (const Ticket& ticket : found->second.awaited) {
    const auto awaited = std::get<Awaited>(tickets_.at(ticket).state);
    forget_user(awaited.user, awaited.deadline);
    out.users.push_back(awaited.user);
    tickets_.erase(ticket);
  }
  for (const Ticket& ticket : found->second.ready) {
    const DataId data = std::get<Ready>(tickets_.at(ticket).state).data;
    data_.erase(data);
    out.data.push_back(data);
    tickets_.erase(ticket);
  }
  for (const Ticket& ticket : found->second.issued) tickets_.erase(ticket);
  sessions_.erase(found);
  return out;
}

std::vector<Rendezvous::Late> Rendezvous::on_tick(Instant now) {
  std::vector<Late> late;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const UserId user = deadlines_.begin()->second;
    const Ticket ticket = users_.at(user);
    const SessionId session = tickets_.at(ticket).session;
    SALLYPORT_CHECK(refuse(ticket) == user);
    late.push_back({.session = session, .user = user, .ticket = ticket});
  }
  return late;
}

std::optional<Instant> Rendezvous::next_deadline() const {
  return deadlines_.empty() ? std::nullopt : std::optional(deadlines_.begin()->first);
}

}  // namespace sallyport::tunnel
