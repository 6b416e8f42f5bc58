// The device's telemetry queue in one SQLite file.
#pragma once

#include <filesystem>
#include <map>
#include <memory>

#include "base/random.h"
#include "telemetry/queue.h"

namespace sallyport::store {

struct TelemetryQueueSettings {
  telemetry::QueueLimits limits;
  // Streams that do not refuse when the queue is full.
  std::map<telemetry::StreamName, telemetry::WhenFull> when_full;
};

// Opens the queue at `path`, making it when the file does not exist; errors as open_record_database. `random` draws the
// incarnations of streams and must outlive the queue.
Result<std::unique_ptr<telemetry::TelemetryQueue>> open_telemetry_queue(const std::filesystem::path& path,
                                                                        TelemetryQueueSettings settings,
                                                                        Random& random);

}  // namespace sallyport::store
