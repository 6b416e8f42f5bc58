// The gateway's telemetry store in one SQLite file of its own.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "telemetry/sink.h"

namespace sallyport::store {

// Opens the store at `path`, making it when the file does not exist; errors and
// `on_failure` as of open_record_database.
Result<std::unique_ptr<telemetry::TelemetrySink>> open_telemetry_sink(const std::filesystem::path& path,
                                                                      std::function<void()> on_failure = {});

// The same of a file of telemetry as check_record_database.
Result<void> check_telemetry_sink(const std::filesystem::path& path);

}  // namespace sallyport::store
