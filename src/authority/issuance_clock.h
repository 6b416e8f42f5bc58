// Nothing is issued by a clock that went back: what it dated would be mis-dated for its whole life.
#pragma once

#include <optional>

#include "base/time.h"
#include "records/database.h"

namespace sallyport::authority {

// Clocks are corrected by little all the time; requests that wait for each other may be recorded in another order.
inline constexpr seconds kClockTolerance{60};

// When the newest certificate was recorded, by the clock of then; absent before the first.
Result<std::optional<UnixTime>> latest_issuance(records::Records& records);

// Part of the transaction that takes a serial: Errc::unavailable, in one sentence, when `now` is more than
// kClockTolerance before the latest issuance; otherwise remembers `now`.
Result<void> advance_issuance_clock(records::Records& records, UnixTime now);

// Somebody vouches for `now` although certificates were recorded later: the clock had been too far ahead.
Result<void> accept_issuance_clock(records::Records& records, UnixTime now);

}  // namespace sallyport::authority
