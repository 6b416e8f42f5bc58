// The grants that are in force on a device. It lives on the agent, is consulted for every connection and every request,
// and empties itself: what is not renewed is gone. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/names.h"
#include "base/time.h"
#include "tunnel/grant.h"

namespace sallyport::tunnel {

class LiveGrants {
 public:
  // What a call changed: the caller cuts the connections of sessions that ended.
  struct Ended {
    AccessGrant grant;
    enum class Why : std::uint8_t { expired, cut } why = Why::expired;
  };

  LiveGrants(DeviceName device, DnsName zone);

  // Takes a grant whose signature and signer were verified. The first of a session is new; a later one must renew the
  // one that is live (check_renewal). Repeating a grant changes nothing. Fails as check_grant and check_renewal do,
  // with Errc::conflict when the label is another session's, with Errc::overloaded over kMaxLiveGrants.
  Result<void> admit(const AccessGrant& grant, UnixTime now);
  // Ends the session `session`; a grant of it that arrives later is refused with Errc::conflict until it would have
  // expired.
  std::vector<Ended> cut(const GrantId& session, UnixTime now);
  std::vector<Ended> cut_all(UnixTime now);
  // Removes what expired. Called every few seconds; find() never returns an expired grant whatever the timing.
  std::vector<Ended> expire(UnixTime now);

  // The live grant of "<label>.<name>.<zone>"; Errc::not_found when there is none, or the name has another form.
  Result<AccessGrant> find(const DnsName& server_name, UnixTime now) const;
  // Whether a grant of the session is in force, or was lately and is not yet removed.
  bool is_live(const GrantId& session) const;
  // The sessions of a service.
  std::vector<GrantId> sessions_of(const ServiceName& service) const;
  std::size_t size() const { return by_label_.size(); }
  const DnsName& zone() const { return zone_; }
  const DeviceName& device() const { return device_; }

 private:
  bool is_over(const AccessGrant& grant, UnixTime now) const;
  void forget_old_cuts(UnixTime now);

  DeviceName device_;
  DnsName zone_;
  std::map<GrantLabel, AccessGrant> by_label_;
  std::map<GrantId, UnixTime> cut_;  // sessions that ended by force, until no grant of theirs can be in force
};

}  // namespace sallyport::tunnel
