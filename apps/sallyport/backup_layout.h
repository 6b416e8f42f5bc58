// The names of what is in a backup: those of the state folder, and the manifest.
#pragma once

#include <string_view>

namespace sallyport::cli {

inline constexpr std::string_view kManifest = "manifest.json";
inline constexpr std::string_view kAuthorityDatabase = "authority/authority.db";
inline constexpr std::string_view kTelemetryDatabase = "gateway/telemetry.db";
// What the signer remembers of the log that it signed, so that a database that was set back shows.
inline constexpr std::string_view kCheckpointMark = "checkpoint-mark";
// The value (records::Records::find_value) that says that this state came out of a backup, until somebody has seen it.
inline constexpr std::string_view kRestoredValue = "restored";

}  // namespace sallyport::cli
