// Values from local programs on their way to the gateway (docs/threat-model.md, P6): durable before they are
// acknowledged, deleted only when the gateway has committed them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/gateway_link.h"
#include "agent/latest_values.h"
#include "http/router.h"
#include "net/timer.h"
#include "telemetry/queue.h"
#include "telemetry/upload_session.h"

namespace sallyport::agent {

inline constexpr std::size_t kMaxTelemetryBody = 1U << 20U;
inline constexpr std::size_t kMaxLines = 4'096;
// Telemetry::last_error() while the gateway answers 429: nothing is lost, and nothing is to be done.
inline constexpr std::string_view kTelemetryPaused =
    "telemetry: the gateway takes no more at present (429); what waits is sent later";

// Reads JSON lines, each {"value": any, "topic"?: text, "time"?: milliseconds since the epoch}; what has no time was
// true at `now`. Empty lines are skipped; at least one must be there. Errc::malformed names the line.
Result<std::vector<telemetry::Sample>> parse_telemetry_lines(std::string_view text, telemetry::SampleTime now);

// One per agent. One thread; the queue has its own. Borrows everything for its lifetime.
class Telemetry {
 public:
  Telemetry(net::Executor executor, telemetry::TelemetryQueue& queue, GatewayLink& link, DeviceTime& time,
            Random& random);

  // POST /telemetry/{stream}: 204 when everything is on disk, 400 or 503 when nothing was taken.
  void add_route(http::Router& router);
  // The same for a TCP port of this machine, which browsers reach too: Host must be `authority` and Origin absent.
  void add_guarded_route(http::Router& router, std::string authority);
  // Uploads for ever.
  net::Task<void> run();
  // Uploads what is queued; ends when nothing is left, or with Errc::expired.
  net::Task<Result<void>> drain(net::Deadline deadline);

  Result<telemetry::QueueState> queue_state() const { return queue_.state(); }
  const std::string& last_error() const { return last_error_; }
  // What was handed in since the agent began.
  const LatestValues& latest() const { return latest_; }

 private:
  net::Task<http::Response> take(http::Request request);
  net::Task<http::Response> take_guarded(http::Request request, std::string authority);
  net::Task<void> perform_all(telemetry::UploadActions actions);
  net::Task<telemetry::UploadActions> perform(telemetry::UploadAction action);
  net::Task<telemetry::UploadActions> read_queue(telemetry::BatchLimits limits);
  net::Task<telemetry::UploadActions> send_batch(Bytes batch);
  net::Task<telemetry::UploadActions> remove(telemetry::Acknowledgement through);
  void note(const Error& error);
  telemetry::UploadActions failed(const Error& error, milliseconds not_before = milliseconds(0));

  telemetry::TelemetryQueue& queue_;
  GatewayLink& link_;
  DeviceTime& time_;
  telemetry::UploadSession session_;
  LatestValues latest_;
  net::Event appended_;
  std::optional<Instant> wake_;
  std::string last_error_;
};

}  // namespace sallyport::agent
