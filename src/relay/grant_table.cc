#include "relay/grant_table.h"

#include "pki/signed_object.h"
#include "relay/limits.h"

namespace sallyport::relay {

using tunnel::AccessGrant;
using tunnel::GrantId;

Result<GrantTable::Taken> GrantTable::take(ByteView sealed, std::span<const pki::Certificate> anchors, UnixTime now) {
  TRY(const auto opened, pki::open_object(pki::ControlKind::grant, sealed, anchors, pki::TimeRule::clock(now)));
  TRY(auto grant, tunnel::parse_grant(opened.payload()));
  TRY_VOID(tunnel::check_grant(grant, grant.device, now));
  const GrantId session = grant.session();
  const auto known = sessions_.find(session);
  if (known != sessions_.end()) {
    if (known->second.grant == grant) return Taken{.id = grant.id, .renewal = false, .grant = known->second};
    TRY_VOID(tunnel::check_renewal(known->second.grant, grant));
    known->second = LiveGrant{.grant = std::move(grant), .sealed = to_bytes(sealed)};
    return Taken{.id = known->second.grant.id, .renewal = true, .grant = known->second};
  }
  if (sessions_.size() >= kMaxGrants) return failf(Errc::overloaded, "grants: {} are live", sessions_.size());
  if (labels_.contains(grant.label)) return fail(Errc::conflict, "grant: its label is another session's");
  labels_.emplace(grant.label, session);
  const auto& entered =
      sessions_.emplace(session, LiveGrant{.grant = std::move(grant), .sealed = to_bytes(sealed)}).first->second;
  return Taken{.id = entered.grant.id, .renewal = false, .grant = entered};
}

const LiveGrant* GrantTable::find(const GrantLabel& label, UnixTime now) const {
  const auto found = labels_.find(label);
  if (found == labels_.end()) return nullptr;
  const LiveGrant& live = sessions_.at(found->second);
  return tunnel::check_grant(live.grant, live.grant.device, now) ? &live : nullptr;
}

const LiveGrant* GrantTable::find(const GrantId& session) const {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? nullptr : &found->second;
}

std::optional<LiveGrant> GrantTable::cut(const GrantId& session) {
  auto node = sessions_.extract(session);
  if (node.empty()) return std::nullopt;
  labels_.erase(node.mapped().grant.label);
  return std::move(node.mapped());
}

std::vector<LiveGrant> GrantTable::expire(UnixTime now) {
  std::vector<LiveGrant> over;
  std::vector<GrantId> ids;
  for (const auto& [session, live] : sessions_) {
    if (!tunnel::check_grant(live.grant, live.grant.device, now)) ids.push_back(session);
  }
  for (const GrantId& id : ids) over.push_back(*cut(id));
  return over;
}

}  // namespace sallyport::relay
