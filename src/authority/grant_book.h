// The access sessions that are live: their current grant, which workers know it, when it must be renewed or ends.
#pragma once

#include <map>
#include <memory>
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

// What one relay worker has told of a session. It counts from when it began to know the session, and from zero again
// when it was started anew.
struct WorkerCounts {
  std::uint64_t bytes_to_device = 0;
  std::uint64_t bytes_to_user = 0;
  std::uint32_t connections = 0;
  friend bool operator==(const WorkerCounts&, const WorkerCounts&) = default;
};

struct LiveSession {
  tunnel::AccessGrant grant;  // the newest
  Bytes sealed;               // it, signed, as sent to relay and device
  std::string tenant;
  std::optional<records::Digest> login_session;  // the console login it lives by; absent for the CLI
  UnixTime last_used;                       // the last time a data connection existed, or its user said that one does
  bool is_used_directly = false;            // he has said so
  std::set<std::uint64_t> acknowledged_by;  // subscriber ids that know the newest grant
  records::AccessSessionRecord record;      // its counts are the sum over all workers
  std::map<std::uint32_t, WorkerCounts> told;  // newest, by worker
  std::set<std::uint32_t> last_words;          // workers whose counts after the end are in the audit log

  // Takes a worker's newest counts into the record's. Whether they differ from those before.
  bool count(std::uint32_t worker, const WorkerCounts& counts);
};

// Whether little of the life of its newest grant is left at `now`, and a further one may follow.
bool is_due_for_renewal(const LiveSession& session, UnixTime now);

// How long the last words of relay workers about a session that was ended are still taken.
inline constexpr seconds kLastWords{30};
inline constexpr std::size_t kMaxEndedSessions = 1'000;

// Not thread-safe. Sessions are known by the id of their first grant.
class GrantBook {
 public:
  // A place for a session that is being made, given back at its end. May outlive the book.
  class Place {
   public:
    Place(Place&& other) noexcept = default;
    Place& operator=(Place&&) = delete;
    ~Place();

   private:
    friend class GrantBook;
    using Taken = std::map<std::string, std::size_t>;  // by login
    Place(std::shared_ptr<Taken> taken, std::string login) : taken_(std::move(taken)), login_(std::move(login)) {}
    std::shared_ptr<Taken> taken_;
    std::string login_;
  };
  // Errc::overloaded over kMaxLiveSessions or kMaxLiveSessionsPerUser, sessions that are being made included.
  Result<Place> admit(const std::string& login);
  // Whether `login` has all the sessions that a user may have.
  bool is_full(const std::string& login) const;
  // The user's oldest session over which no data connection ever went, as far as is known: a page that was opened and
  // never used.
  std::optional<tunnel::GrantId> oldest_unused(const std::string& login) const;
  void add(LiveSession session);
  // Puts a renewed grant in the place of the newest; nobody has acknowledged it yet. False when the session has ended.
  bool renewed(const tunnel::GrantId& session, tunnel::AccessGrant grant, Bytes sealed);
  std::optional<LiveSession> end(const tunnel::GrantId& session, Instant now);
  // Forgets those that were ended kLastWords ago.
  void forget_ended(Instant now);

  LiveSession* find(const tunnel::GrantId& session);
  // A session that was ended less than kLastWords ago.
  LiveSession* find_ended(const tunnel::GrantId& session, Instant now);
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

  struct Ended {
    LiveSession session;
    Instant at;
  };
  std::map<tunnel::GrantId, LiveSession> sessions_;
  std::map<tunnel::GrantId, Ended> ended_;
  std::shared_ptr<Place::Taken> taken_ = std::make_shared<Place::Taken>();
};

}  // namespace sallyport::authority
