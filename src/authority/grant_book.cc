#include "authority/grant_book.h"

#include <algorithm>
#include <utility>

namespace sallyport::authority {

template <class Predicate>
std::vector<tunnel::GrantId> GrantBook::select(Predicate wanted) const {
  std::vector<tunnel::GrantId> out;
  for (const auto& [id, session] : sessions_) {
    if (wanted(session)) out.push_back(id);
  }
  return out;
}

bool LiveSession::count(std::uint32_t worker, const WorkerCounts& counts) {
  WorkerCounts& before = told[worker];
  const bool anew = counts.bytes_to_device < before.bytes_to_device || counts.bytes_to_user < before.bytes_to_user ||
                    counts.connections < before.connections;
  if (anew) before = {};
  record.bytes_to_device += counts.bytes_to_device - before.bytes_to_device;
  record.bytes_to_user += counts.bytes_to_user - before.bytes_to_user;
  record.connections += counts.connections - before.connections;
  return std::exchange(before, counts) != counts;
}

bool is_due_for_renewal(const LiveSession& session, UnixTime now) {
  return session.grant.expires - now <= kGrantRenewalMargin && session.grant.expires < session.grant.session_end &&
         now < session.grant.expires;
}

GrantBook::Place::~Place() {
  if (!taken_) return;
  const auto own = taken_->find(login_);
  if (own != taken_->end() && --own->second == 0) taken_->erase(own);
}

bool GrantBook::is_full(const std::string& login) const {
  const auto being_made = taken_->find(login);
  return of_login(login).size() + (being_made == taken_->end() ? 0 : being_made->second) >= kMaxLiveSessionsPerUser;
}

Result<GrantBook::Place> GrantBook::admit(const std::string& login) {
  std::size_t all = sessions_.size();
  for (const auto& [user, count] : *taken_) all += count;
  if (all >= kMaxLiveSessions) {
    return failf(Errc::overloaded, "access sessions: {} live, want below {}", all, kMaxLiveSessions);
  }
  if (is_full(login)) {
    return failf(Errc::overloaded, "access sessions of this user: {} live, want fewer", kMaxLiveSessionsPerUser);
  }
  ++(*taken_)[login];
  return Place(taken_, login);
}

std::optional<tunnel::GrantId> GrantBook::oldest_unused(const std::string& login) const {
  std::optional<tunnel::GrantId> oldest;
  UnixTime opened = kNoExpiry;
  for (const auto& [id, session] : sessions_) {
    const bool unused = session.record.login == login && session.record.connections == 0 && !session.is_used_directly;
    if (!unused || session.record.opened >= opened) continue;
    oldest = id;
    opened = session.record.opened;
  }
  return oldest;
}

void GrantBook::add(LiveSession session) {
  const tunnel::GrantId id = session.grant.session();
  sessions_.insert_or_assign(id, std::move(session));
}

bool GrantBook::renewed(const tunnel::GrantId& session, tunnel::AccessGrant grant, Bytes sealed) {
  LiveSession* live = find(session);
  if (live == nullptr) return false;
  live->grant = std::move(grant);
  live->sealed = std::move(sealed);
  live->acknowledged_by.clear();
  return true;
}

std::optional<LiveSession> GrantBook::end(const tunnel::GrantId& session, Instant now) {
  auto node = sessions_.extract(session);
  if (node.empty()) return std::nullopt;
  forget_ended(now);
  if (ended_.size() < kMaxEndedSessions) {
    LiveSession& kept = ended_.insert_or_assign(session, Ended{node.mapped(), now}).first->second.session;
    Bytes().swap(kept.sealed);  // nobody is sent it any more
  }
  return std::move(node.mapped());
}

void GrantBook::forget_ended(Instant now) {
  std::erase_if(ended_, [&](const auto& entry) { return now - entry.second.at >= kLastWords; });
}

LiveSession* GrantBook::find_ended(const tunnel::GrantId& session, Instant now) {
  const auto found = ended_.find(session);
  return found == ended_.end() || now - found->second.at >= kLastWords ? nullptr : &found->second.session;
}

LiveSession* GrantBook::find(const tunnel::GrantId& session) {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? nullptr : &found->second;
}

void GrantBook::acknowledged(const tunnel::GrantId& grant, std::uint64_t subscriber) {
  for (auto& [id, session] : sessions_) {
    if (session.grant.id == grant) session.acknowledged_by.insert(subscriber);
  }
}

std::vector<tunnel::GrantId> GrantBook::due_for_renewal(UnixTime now) const {
  return select([&](const LiveSession& session) {
    return is_due_for_renewal(session, now) && now - session.last_used < kGrantIdleLimit;
  });
}

std::vector<tunnel::GrantId> GrantBook::over(UnixTime now) const {
  return select(
      [&](const LiveSession& session) { return session.grant.expires <= now || session.grant.session_end <= now; });
}

std::vector<tunnel::GrantId> GrantBook::of_device(const DeviceName& device) const {
  return select([&](const LiveSession& session) { return session.grant.device == device; });
}

std::vector<tunnel::GrantId> GrantBook::of_login_session(const records::Digest& token) const {
  return select([&](const LiveSession& session) { return session.login_session == token; });
}

std::vector<tunnel::GrantId> GrantBook::of_login(const std::string& login) const {
  return select([&](const LiveSession& session) { return session.record.login == login; });
}

}  // namespace sallyport::authority
