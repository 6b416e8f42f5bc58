// The access sessions that are live: their current grant, which workers know it, when it must be renewed or ends.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "records/audit_record.h"
#include "tunnel/grant.h"

namespace sallyport::authority {

inline constexpr seconds kGrantLife{300};
// A grant is renewed when this much of its life is left.
inline constexpr seconds kGrantRenewalMargin{150};
// A session without a data connection for this long is not renewed.
inline constexpr seconds kGrantIdleLimit{300};
inline constexpr seconds kAccessSessionLimit{8 * 3600};
inline constexpr std::size_t kMaxLiveSessions = 10'000;
inline constexpr std::size_t kMaxLiveSessionsPerUser = 64;

struct LiveSession {
  tunnel::AccessGrant grant;  // the newest
  Bytes sealed;               // it, signed, as sent to relay and device
  std::string tenant;
  std::optional<records::Digest> login_session;  // the console login it lives by; absent for the CLI
  UnixTime last_used;                            // the last time a data connection existed
  std::set<std::uint64_t> acknowledged_by;       // subscriber ids that know the newest grant
  records::AccessSessionRecord record;
};

// Not thread-safe. Sessions are known by the id of their first grant.
class GrantBook {
 public:
  // Errc::overloaded over kMaxLiveSessions or kMaxLiveSessionsPerUser.
  Result<void> admit(const std::string& login) const;
  void add(LiveSession session);
  // Puts a renewed grant in the place of the newest; nobody has acknowledged it yet. False when the session has ended.
  bool renewed(const tunnel::GrantId& session, tunnel::AccessGrant grant, Bytes sealed);
  std::optional<LiveSession> end(const tunnel::GrantId& session);

  LiveSession* find(const tunnel::GrantId& session);
  // `grant` is any grant's id: the acknowledgement counts when it is the newest of a session.
  void acknowledged(const tunnel::GrantId& grant, std::uint64_t subscriber);

  // Sessions that need a new grant at `now`, and those that end because they are idle or at their limit or expired.
  std::vector<tunnel::GrantId> due_for_renewal(UnixTime now) const;
  std::vector<tunnel::GrantId> over(UnixTime now) const;
  std::vector<tunnel::GrantId> of_device(const DeviceName& device) const;
  std::vector<tunnel::GrantId> of_login_session(const records::Digest& token) const;
  std::vector<tunnel::GrantId> of_login(const std::string& login) const;
  const std::map<tunnel::GrantId, LiveSession>& all() const { return sessions_; }

 private:
  template <class Predicate>
  std::vector<tunnel::GrantId> select(Predicate wanted) const;

  std::map<tunnel::GrantId, LiveSession> sessions_;
};

}  // namespace sallyport::authority
