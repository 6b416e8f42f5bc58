// For how long the telemetry of devices is kept.
#pragma once

#include "base/time.h"
#include "net/task.h"
#include "telemetry/sink.h"

namespace sallyport::gateway {

inline constexpr std::size_t kForgottenAtOnce = 1'000;       // items of one step, in one transaction
inline constexpr milliseconds kForgetPause{50};              // between steps, in which batches of devices are stored
inline constexpr milliseconds kForgetInterval{10 * 60'000};  // from one round to the next

// Removes all items with a sample time before `time`, step by step; returns how many.
net::Task<Result<std::uint64_t>> forget_before(telemetry::TelemetrySink& sink, telemetry::SampleTime time);
// Does so for ever, with what is older than `keep`. Borrows both.
net::Task<void> forget_old_telemetry(telemetry::TelemetrySink& sink, const Clock& clock, seconds keep);

}  // namespace sallyport::gateway
