// The access grants under which users may enter, as the authority told them: verified, by label and by session. One
// thread. Time is only what it is told.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "pki/certificate.h"
#include "tunnel/grant.h"

namespace sallyport::relay {

struct LiveGrant {
  tunnel::AccessGrant grant;  // the newest of its session
  Bytes sealed;               // as the agent will verify it
};

class GrantTable {
 public:
  struct Taken {
    tunnel::GrantId id;    // to be acknowledged
    bool renewal = false;  // the session was known and now has a newer grant
    LiveGrant grant;
  };

  // Verifies a sealed grant up to one of `anchors` and enters it. Repeating a grant changes nothing. Errc::unauthorized
  // for a signature that is not the authority's, Errc::expired, Errc::conflict when it contradicts the session's newest
  // or its label is another session's, Errc::overloaded over kMaxGrants.
  Result<Taken> take(ByteView sealed, std::span<const pki::Certificate> anchors, UnixTime now);

  // The live grant of a label. Null when there is none, or it is not in force at `now`. Borrowed until the next change.
  const LiveGrant* find(const GrantLabel& label, UnixTime now) const;
  const LiveGrant* find(const tunnel::GrantId& session) const;
  std::optional<LiveGrant> cut(const tunnel::GrantId& session);
  // Removes and returns what is over at `now`.
  std::vector<LiveGrant> expire(UnixTime now);
  std::size_t size() const { return sessions_.size(); }

 private:
  std::map<tunnel::GrantId, LiveGrant> sessions_;
  std::map<GrantLabel, tunnel::GrantId> labels_;
};

}  // namespace sallyport::relay
