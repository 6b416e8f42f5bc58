// The gateway's telemetry store in one SQLite file of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include "telemetry/sink.h"

namespace sallyport::store {

// What is left free of a file system of `capacity` bytes, for what else must be written there: a twentieth, and no more
// than kTelemetryReserve.
std::uint64_t telemetry_reserve(std::uint64_t capacity);
inline constexpr std::uint64_t kTelemetryReserve = 512U << 20U;  // bytes

// Tells how full a file system is; absent where nothing is known.
using SpaceProbe = std::function<std::optional<std::filesystem::space_info>()>;

// Opens the store at `path`, making it when the file does not exist; errors and `on_failure` as of
// open_record_database. Once less than telemetry_reserve() is free where it lies, batches are refused with
// Errc::overloaded; what was removed from the file and is not used again counts as free, as long as a quarter of the
// reserve is free beside it. `space`: of another file system, for tests.
Result<std::unique_ptr<telemetry::TelemetrySink>> open_telemetry_sink(const std::filesystem::path& path,
                                                                      std::function<void()> on_failure = {},
                                                                      SpaceProbe space = {});

// The same of a file of telemetry as check_record_database.
Result<void> check_telemetry_sink(const std::filesystem::path& path);

}  // namespace sallyport::store
