// Opening a database file with distrust.
#pragma once

#include <filesystem>

#include "store/detail/schema.h"
#include "store/detail/sqlite.h"

namespace sallyport::store {

// The proof that this process alone uses a database: a locked file beside it. Move-only.
class FileLock {
 public:
  // Errc::unavailable when another holder exists. Nothing is locked for ":memory:".
  static Result<FileLock> take(const std::filesystem::path& database);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

// Opens the writing connection: WAL, synchronous=FULL. A new file is made whole under another name first, so that a
// file of this name is never half-made, and an empty one is always damage. An existing one is examined before anything
// is written: application id, version, PRAGMA quick_check (for files up to kMaxQuickCheckBytes); then missing
// migrations run, each in a transaction. The caller holds the FileLock.
Result<Database> open_writer(const std::filesystem::path& path, const Schema& schema);

// Whether open_writer would know the file, if there is one: application id and version. Errc::unavailable when another
// process has it open.
Result<void> check_file(const std::filesystem::path& path, const Schema& schema);

// Opens another connection to a file that has a writer; it refuses to write.
Result<Database> open_reader(const std::filesystem::path& path);

inline constexpr std::uintmax_t kMaxQuickCheckBytes = 1ULL << 30U;

}  // namespace sallyport::store
