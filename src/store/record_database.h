// The authority's records in one SQLite file.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "records/database.h"

namespace sallyport::store {

// Opens the database at `path`, making it when the file does not exist; ":memory:" is a private one that ends with the
// object. Checks that it is ours, whole and not newer than this program before anything is written, then brings its
// schema up to date. Errc::conflict for a file that is another program's or newer; Errc::malformed for a damaged one;
// Errc::unavailable when another process has it open.
//
// When the disk fails (an fsync that returns EIO, a page that cannot be read) or damage is found, what reached the disk
// is unknown: nothing is written from then on, nor is a sync tried again, and `on_failure` is told once, on any thread.
// The process should end; the next one recovers.
Result<std::unique_ptr<records::RecordDatabase>> open_record_database(const std::filesystem::path& path,
                                                                      std::function<void()> on_failure = {});

// Whether an existing file is a database of records of a version that this program knows: Errc::conflict as in
// open_record_database. Nothing is changed. Good where there is no file.
Result<void> check_record_database(const std::filesystem::path& path);

}  // namespace sallyport::store
