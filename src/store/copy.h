// A consistent copy of a database that another process may be using.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace sallyport::store {

// Writes the database at `path`, as one moment had it, to the new file `copy`, which this user alone may read. Whoever
// uses it goes on meanwhile. Errc::not_found without one; Errc::conflict when `copy` exists; Errc::overloaded when the
// disk is full.
Result<void> copy_database(const std::filesystem::path& path, const std::filesystem::path& copy);

}  // namespace sallyport::store
