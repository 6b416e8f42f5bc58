// One call to a role of this machine, over its Unix socket.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/time.h"

namespace sallyport::cli {

inline constexpr milliseconds kSocketCallLimit{60'000};

// Returns the answer; absent when nobody listens there. `role` is who errors say did not answer. What fails after the
// connection was made may have been done.
Result<std::optional<Bytes>> call_socket(const std::filesystem::path& socket, Bytes request, std::string_view role);

}  // namespace sallyport::cli
