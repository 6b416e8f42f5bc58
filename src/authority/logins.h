// Logins at the console: when they end by themselves, and who is told that one has ended.
#pragma once

#include <string>

#include "authority/core.h"
#include "records/user_record.h"

namespace sallyport::authority {

// Without a request under it, or a connection over an access session that it opened (OWASP ASVS 3.3.2 wants one).
inline constexpr seconds kLoginIdleLimit{2 * 3'600};
inline constexpr seconds kLoginUseStep{60};  // a use is written down when the one before is as old as this
inline constexpr seconds kLoginSweep{60};    // between two looks for what is over
inline constexpr std::size_t kMaxSweptLogins = 10'000;

// Whether it has ended: by its own limit or for want of use.
bool is_over(const records::LoginSessionRecord& session, UnixTime now);

// Remembers that it is used now; durable at most once in kLoginUseStep, and best effort.
net::Task<void> note_login_use(Core& core, records::Digest token);

// Counts the use of access sessions as one of the logins they live by, then deletes what is over, and says so.
net::Task<void> sweep_logins(Core& core);

// Tell the consoles, so that what is open under it closes: every session of `login`, or one.
void announce_logins_ended(Core& core, std::string_view login);
void announce_login_ended(Core& core, const records::Digest& token);

}  // namespace sallyport::authority
