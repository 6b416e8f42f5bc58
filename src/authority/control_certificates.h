// The certificates of the signer's own keys for grants, snapshots and permits: ordered anew in time, so that an
// installation that is left alone goes on sealing (30 days for grants and snapshots).
#pragma once

#include "authority/core.h"
#include "authority/issuance.h"
#include "net/task.h"

namespace sallyport::authority {

// How often the lifetimes are looked at.
inline constexpr minutes kControlRound{60};

// The order for a certificate of the signer's key for `kind`, of the longest lifetime that its profile allows.
IssueOrder control_certificate_order(pki::ControlKind kind, const crypto::PublicKey& key);

// Orders a certificate for every control key whose newest one has less than a third of its life left. A kind that never
// had one is left to init. Returns how many were ordered.
net::Task<Result<std::size_t>> renew_control_certificates(Core& core);

// Orders a certificate for the key of `kind` whatever the age of its newest one: the signer says that the one it holds
// has ended, since it was restarted with an older file. Errc::not_found when the kind never had one.
net::Task<Result<void>> renew_control_certificate(Core& core, pki::ControlKind kind);

}  // namespace sallyport::authority
