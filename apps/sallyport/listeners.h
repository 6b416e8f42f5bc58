// Listening sockets that a supervisor passes down (environment SALLYPORT_LISTEN=name=fd,name=fd…), or that a role makes
// itself when nobody did.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "net/listener.h"

namespace sallyport::cli {

// Returns the inherited descriptor of `name`, absent when there is none. Errc::malformed when the variable does not
// follow its form.
Result<std::optional<net::Descriptor>> take_inherited(std::string_view name);

// The inherited socket of `name`, or a new Unix socket at `path` that this user alone may connect to.
Result<std::unique_ptr<net::Listener>> open_listener(net::Executor executor, std::string_view name,
                                                     const std::filesystem::path& path);

}  // namespace sallyport::cli
