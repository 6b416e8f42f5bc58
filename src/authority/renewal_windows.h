// When devices shall renew (RFC 9773 §4.2): two thirds of the lifetime, plus or minus a tenth of it, or earlier where
// somebody asked.
#pragma once

#include <variant>

#include "records/database.h"
#include "records/role_messages.h"

namespace sallyport::authority {

// Whose certificates are asked for.
using RenewalScope = std::variant<records::CaName, SiteName>;

inline constexpr seconds kRenewAtOnce{1};                // the window of a single device
inline constexpr seconds kDefaultRenewalSpread{86'400};  // the window of a CA or site
inline constexpr seconds kMaxRenewalSpread{60 * 86'400};

// Asks for every certificate of the scope that was recorded before `now` to be renewed within `spread`. The newest word
// on a scope counts.
Result<void> ask_renewal(records::Records& records, const RenewalScope& scope, UnixTime now, seconds spread);

// The window of a certificate by its lifetime alone.
records::RenewalWindow usual_window(UnixTime not_before, UnixTime not_after);

// The windows of the operational certificate and of the newest web certificate of its device. Errc::not_found when
// there is no such operational certificate or it is revoked.
Result<records::RenewalWindows> find_renewal_windows(records::Records& records, const records::FindCertificate& shown);

}  // namespace sallyport::authority
