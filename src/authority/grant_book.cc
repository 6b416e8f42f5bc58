#include "authority/grant_book.h"

#include <algorithm>

namespace sallyport::authority {

template <class Predicate>
std::vector<tunnel::GrantId> GrantBook::select(Predicate wanted) const {
  std::vector<tunnel::GrantId> out;
  for (const auto& [id, session] : sessions_) {
    if (wanted(session)) out.push_back(id);
  }
  return out;
}

Result<void> GrantBook::admit(const std::string& login) const {
  if (sessions_.size() >= kMaxLiveSessions) {
    return failf(Errc::overloaded, "access sessions: {} live, want below {}", sessions_.size(), kMaxLiveSessions);
  }
  if (const std::size_t own = of_login(login).size(); own >= kMaxLiveSessionsPerUser) {
    return failf(Errc::overloaded, "access sessions of this user: {} live, want below {}", own,
                 kMaxLiveSessionsPerUser);
  }
  return {};
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

std::optional<LiveSession> GrantBook::end(const tunnel::GrantId& session) {
  auto node = sessions_.extract(session);
  if (node.empty()) return std::nullopt;
  return std::move(node.mapped());
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
    return session.grant.expires - now <= kGrantRenewalMargin && session.grant.expires < session.grant.session_end &&
           now - session.last_used < kGrantIdleLimit && now < session.grant.expires;
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
