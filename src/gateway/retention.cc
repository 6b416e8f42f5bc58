#include "gateway/retention.h"

#include <memory>

#include "base/log.h"
#include "net/io.h"
#include "net/timer.h"

namespace sallyport::gateway {

net::Task<Result<std::uint64_t>> forget_before(telemetry::TelemetrySink& sink, telemetry::SampleTime time) {
  std::uint64_t forgotten = 0;
  for (;;) {
    const auto removed = std::make_shared<std::uint64_t>();
    const auto start = [&sink, time, removed](std::function<void(Result<void>)> done) {
      sink.remove_before(time, kForgottenAtOnce, [removed, done = std::move(done)](Result<std::uint64_t> result) {
        if (!result) return done(std::unexpected(std::move(result).error()));
        *removed = *result;
        done({});
      });
    };
    CO_TRY_VOID(co_await net::await_callback(start));
    forgotten += *removed;
    if (*removed < kForgottenAtOnce) co_return forgotten;
    co_await net::sleep_for(kForgetPause);
  }
}

net::Task<void> forget_old_telemetry(telemetry::TelemetrySink& sink, const Clock& clock, seconds keep) {
  for (;;) {
    const auto forgotten =
        co_await forget_before(sink, telemetry::SampleTime(seconds((clock.now() - keep).since_epoch())));
    if (!forgotten) log::warn("gateway.telemetry-not-forgotten", {{"error", forgotten.error()}});
    if (forgotten && *forgotten > 0) log::info("gateway.telemetry-forgotten", {{"items", *forgotten}});
    co_await net::sleep_for(kForgetInterval);
  }
}

}  // namespace sallyport::gateway
