#include "store/detail/open_database.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace sallyport::store {
namespace {

namespace fs = std::filesystem;

// Frames of the journal are folded into the database once there are this many; and a journal that grew is cut to this
// size.
constexpr std::string_view kWriterPragmas =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000; "
    "PRAGMA journal_size_limit = 67108864";

bool in_memory(const fs::path& path) {
  return path == ":memory:";
}

fs::path beside(const fs::path& path, std::string_view suffix) {
  return path.native() + std::string(suffix);
}

std::unexpected<Error> damaged(const fs::path& path, std::string_view what) {
  return failf(Errc::malformed, "{}: {}; restore a backup, or move the file away to begin anew", path.native(), what);
}

Result<void> check_identity(Database& database, const fs::path& path, const Schema& schema) {
  TRY(auto application_id, database.integer("PRAGMA application_id"));
  if (application_id != static_cast<std::int32_t>(schema.application_id)) {
    return failf(Errc::conflict, "{}: found application id {:#x}, want {:#x}: not a {} database", path.native(),
                 application_id, schema.application_id, schema.name);
  }
  TRY(auto version, database.integer("PRAGMA user_version"));
  if (version > schema.version()) {
    return failf(Errc::conflict, "{}: found schema version {}, this program knows {}; use the newer program",
                 path.native(), version, schema.version());
  }
  return {};
}

Result<void> quick_check(Database& database, const fs::path& path) {
  std::error_code ignored;
  if (fs::file_size(path, ignored) > kMaxQuickCheckBytes) return {};
  TRY(auto query, database.query("PRAGMA quick_check(1)"));
  auto row = query.next();
  if (!row) return std::unexpected(std::move(row).error());
  if (!*row || query.text(0) != "ok") return damaged(path, "quick_check failed");
  return {};
}

Result<void> migrate(Database& database, const Schema& schema) {
  TRY(auto found, database.integer("PRAGMA user_version"));
  for (auto version = found; version < schema.version(); ++version) {
    TRY(auto transaction, Transaction::begin(database));
    TRY_VOID(database.execute(schema.migrations[static_cast<std::size_t>(version)]));
    TRY_VOID(database.execute(fmt::format("PRAGMA user_version = {}", version + 1)));
    TRY_VOID(
        database.execute(fmt::format("PRAGMA application_id = {}", static_cast<std::int32_t>(schema.application_id))));
    TRY_VOID(transaction.commit());
  }
  return {};
}

Result<void> sync_path(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int number = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!synced) return failf(Errc::unavailable, "{}: cannot be made durable: {}", path.native(), std::strerror(number));
  return {};
}

// Makes the database under another name, folds its journal in, and moves it to `path`.
Result<void> create_file(const fs::path& path, const Schema& schema) {
  const fs::path unfinished = beside(path, ".new");
  std::error_code ignored;
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) fs::remove(beside(unfinished, suffix), ignored);
  const int descriptor = ::open(unfinished.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return failf(Errc::unavailable, "{}: cannot be made: {}; check the folder", path.native(), std::strerror(errno));
  }
  ::close(descriptor);
  {
    TRY(auto database, Database::open(unfinished, Database::Open::existing));
    TRY_VOID(migrate(database, schema));
  }
  TRY_VOID(sync_path(unfinished));
  if (::rename(unfinished.c_str(), path.c_str()) != 0)
    return failf(Errc::unavailable, "{}: cannot be made: {}", path.native(), std::strerror(errno));
  return sync_path(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

Result<void> require_plausible_file(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return damaged(path, "is not a regular file");
  if (fs::file_size(path, error) == 0) return damaged(path, "is empty");
  return {};
}

Result<void> create_if_missing(const fs::path& path, const Schema& schema) {
  std::error_code error;
  const bool exists = fs::exists(path, error);
  if (error) return failf(Errc::unavailable, "{}: cannot be examined: {}", path.native(), error.message());
  if (exists) return require_plausible_file(path);
  if (fs::exists(beside(path, "-wal"), error)) return damaged(path, "is missing though its journal is there");
  return create_file(path, schema);
}

}  // namespace

Result<FileLock> FileLock::take(const fs::path& database) {
  if (in_memory(database)) return FileLock(-1);
  const fs::path path = beside(database, ".lock");
  FileLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (lock.descriptor_ < 0)
    return failf(Errc::unavailable, "{}: cannot be opened: {}; check the folder", path.native(), std::strerror(errno));
  if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0)
    return failf(Errc::unavailable, "{}: another process has it open; stop it first", database.native());
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<Database> open_writer(const fs::path& path, const Schema& schema) {
  if (!in_memory(path)) TRY_VOID(create_if_missing(path, schema));
  TRY(auto database, Database::open(path, Database::Open::existing));
  if (!in_memory(path)) {
    TRY_VOID(check_identity(database, path, schema));
    TRY_VOID(quick_check(database, path));
  }
  TRY_VOID(database.execute(std::string(kWriterPragmas)));
  TRY_VOID(database.set_cache(kWriterCacheKib));
  TRY_VOID(migrate(database, schema));
  // A process before us may have stopped because an fsync of the journal failed. What we read of it can then be in the
  // kernel's memory alone, which takes it for written: it must not lie before what we are going to acknowledge.
  TRY_VOID(database.execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  return database;
}

Result<void> check_file(const fs::path& path, const Schema& schema) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return {};
  TRY(const auto lock, FileLock::take(path));
  TRY(auto database, Database::open(path, Database::Open::existing));
  return check_identity(database, path, schema);
}

Result<Database> open_reader(const fs::path& path) {
  TRY(auto database, Database::open(path, Database::Open::existing));
  database.leave_as_it_is();
  TRY_VOID(database.set_cache(kReaderCacheKib));
  // Setting it has read a page, by the size that is SQLite's own.
  database.drop_cache();
  TRY_VOID(database.set_read_only(true));
  return database;
}

}  // namespace sallyport::store
