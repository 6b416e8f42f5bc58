// The authority's records in one SQLite file.
#pragma once

#include <filesystem>
#include <memory>

#include "records/database.h"

namespace sallyport::store {

// Opens the database at `path`, making it when the file does not exist; ":memory:" is a private one that ends with the
// object. Checks that it is ours, whole and not newer than this program before anything is written, then brings its
// schema up to date. Errc::conflict for a file that is another program's or newer; Errc::malformed for a damaged one;
// Errc::unavailable when another process has it open.
Result<std::unique_ptr<records::RecordDatabase>> open_record_database(const std::filesystem::path& path);

}  // namespace sallyport::store
