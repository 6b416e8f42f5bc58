// Calls of the administration interface: through the authority's admin socket while it runs, otherwise by the authority
// inside this process under the state folder's lock.
#pragma once

#include <filesystem>
#include <string_view>

#include "codec/json.h"
#include "command.h"

namespace sallyport::cli {

// `method` is a dotted name ("site.list"); `parameters` must be an object. The caller acts as owner of the
// installation, as "cli:uid N" in the audit log.
Try<codec::Json> administer(const std::filesystem::path& state, std::string_view method, codec::Json parameters,
                            Environment& environment);

}  // namespace sallyport::cli
