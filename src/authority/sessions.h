// Access sessions: grants made, renewed while they are used, and ended.
#pragma once

#include <optional>
#include <string>

#include "authority/core.h"
#include "base/secret.h"
#include "net/task.h"
#include "tunnel/grant.h"

namespace sallyport::authority {

struct GrantOrder {
  records::DeviceRecord device;
  ServiceName service;
  std::string login;
  std::string tenant;                            // the device's
  std::optional<records::Digest> login_session;  // the session ends with this console login
  std::optional<records::Digest> client_key;     // SHA-256 of the SPKI that proves it; absent: an entry secret is drawn
  bool is_direct = false;                        // the user brings it to the device himself
};
struct Granted {
  tunnel::AccessGrant grant;
  Bytes sealed;  // it, signed, with its signer's chain
  std::optional<Secret<32>> entry_secret;
};

// How long every worker may take to acknowledge a grant before the order fails with Errc::unavailable.
inline constexpr milliseconds kGrantSpreadLimit{3'000};

// Signs a grant, tells every relay worker, records the session, and returns when all of them know it. At the limit of
// sessions of one user the oldest that was never used ends for it; Errc::overloaded when all are in use. Errc::conflict
// when the device was closed or the login has ended meanwhile. For direct access no worker is waited for.
net::Task<Result<Granted>> create_grant(Core& core, GrantOrder order);

// The newest grant of a session, for its user, who says by asking that he uses it where the relay does not see him: it
// counts as used now, and is renewed first where that is due. Errc::not_found unless it lives and was opened by
// `login` in the console login `login_session`.
struct Renewed {
  Bytes sealed;
  UnixTime expires;
};
net::Task<Result<Renewed>> renew_for_user(Core& core, tunnel::GrantId session, std::string login,
                                          std::optional<records::Digest> login_session);

// Cuts a session at every worker and on the device, and records why. Nothing happens when it has ended before.
net::Task<void> end_session(Core& core, tunnel::GrantId session, std::string reason);

// A report of worker `worker` of a session: counts, its last use, and that it ended there, which ends it everywhere.
net::Task<Result<void>> take_session_report(Core& core, std::uint32_t worker, records::AccessSessionReport report);

// Renews what is used, ends what is over, also because the console login behind it is. Called every few seconds.
net::Task<void> keep_sessions(Core& core);

// Ends in the records what an earlier run of the authority left live: its grants have lost their books.
net::Task<Result<void>> close_orphaned_sessions(Core& core);

}  // namespace sallyport::authority
