#include "store/detail/sqlite.h"

#include <sqlite3.h>

#include <type_traits>

namespace sallyport::store {
namespace {

constexpr int kBusyMilliseconds = 5'000;
constexpr std::size_t kMaxIdleStatements = 200;

struct Fault {
  Errc code;
  std::string_view meaning;
};

// No room for the index of the journal, which is in shared memory or a file beside it, and of which nothing is lost.
bool is_index_without_room(int code) {
  return code == SQLITE_IOERR_SHMSIZE || code == SQLITE_IOERR_SHMOPEN;
}

// What a result code means to those who operate us.
Fault fault_of(int code, bool read_only) {
  if (is_index_without_room(code)) return {Errc::overloaded, "the disk is full; make room"};
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return {Errc::overloaded, "the disk is full; make room"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Errc::unavailable, "another process uses it"};
    case SQLITE_CONSTRAINT:
      return {Errc::conflict, "contradicts what is stored"};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {Errc::malformed, "the file is damaged; restore a backup"};
    case SQLITE_IOERR:
      return {Errc::unavailable, "the disk failed"};
    case SQLITE_CANTOPEN:
      return {Errc::unavailable, "cannot be opened"};
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return {Errc::unauthorized, "permission denied"};
    case SQLITE_READONLY:
      return read_only ? Fault{Errc::internal, "a reader tried to write"}
                       : Fault{Errc::unauthorized, "the file cannot be written; check its owner and mode"};
    case SQLITE_TOOBIG:
      return {Errc::overloaded, "a value is too large"};
    case SQLITE_NOMEM:
      return {Errc::overloaded, "out of memory"};
    default:
      return {Errc::internal, "sqlite refused"};
  }
}

}  // namespace

Query::Query(Query&& other) noexcept
    : database_(other.database_),
      place_(std::move(other.place_)),
      statement_(std::exchange(other.statement_, nullptr)) {}

Query::~Query() {
  if (statement_ != nullptr) database_->give_back(std::move(place_));
}

Result<void> Query::bind(int parameter, const Value& value) {
  const int code = std::visit(
      [&](const auto& held) {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, std::nullptr_t>) {
          return sqlite3_bind_null(statement_, parameter);
        } else if constexpr (std::is_same_v<T, std::int64_t>) {
          return sqlite3_bind_int64(statement_, parameter, held);
        } else if constexpr (std::is_same_v<T, std::string_view>) {
          const char* text = held.data() == nullptr ? "" : held.data();
          return sqlite3_bind_text64(statement_, parameter, text, held.size(), SQLITE_STATIC, SQLITE_UTF8);
        } else {
          if (held.empty()) return sqlite3_bind_zeroblob(statement_, parameter, 0);
          return sqlite3_bind_blob64(statement_, parameter, held.data(), held.size(), SQLITE_STATIC);
        }
      },
      value);
  if (code != SQLITE_OK) return database_->error(code);
  return {};
}

Result<bool> Query::next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->error(code);
}

bool Query::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t Query::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string Query::text(int column) const {
  return std::string(as_text(blob(column)));
}

ByteView Query::blob(int column) const {
  const void* start = sqlite3_column_blob(statement_, column);
  if (start == nullptr) return {};
  return {static_cast<const std::uint8_t*>(start), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::optional<UnixTime> Query::optional_time(int column) const {
  if (is_null(column)) return std::nullopt;
  return time(column);
}

Result<Database> Database::open(const std::filesystem::path& path, Open how) {
  // Statistics that nobody reads cost a lock at every allocation.
  [[maybe_unused]] static const int without_statistics = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (how == Open::create || path == ":memory:" ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  Database database(handle, path.native());
  if (code != SQLITE_OK) return database.error(code);
  if (sqlite3_db_readonly(handle, "main") == 1) return database.error(SQLITE_READONLY);
  sqlite3_busy_timeout(handle, kBusyMilliseconds);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  TRY_VOID(database.execute("PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY"));
  return database;
}

Database::Database(Database&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)),
      name_(std::move(other.name_)),
      read_only_(other.read_only_),
      storage_failed_(other.storage_failed_),
      idle_statements_(std::exchange(other.idle_statements_, {})) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(name_, other.name_);
  std::swap(read_only_, other.read_only_);
  std::swap(storage_failed_, other.storage_failed_);
  std::swap(idle_statements_, other.idle_statements_);
  return *this;
}

void Database::leave_as_it_is() {
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

Database::~Database() {
  if (storage_failed_) leave_as_it_is();
  for (const auto& [sql, statement] : idle_statements_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

Result<void> Database::execute(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code);
  return {};
}

Result<Query> Database::prepare(std::string_view sql) {
  if (const auto idle = idle_statements_.find(sql); idle != idle_statements_.end()) {
    return Query(*this, idle_statements_.extract(idle));
  }
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) return error(code);
  return Query(*this, idle_statements_.extract(idle_statements_.emplace(sql, statement)));
}

void Database::give_back(Query::Cache::node_type place) {
  sqlite3_stmt* const statement = place.mapped();
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  if (idle_statements_.size() >= kMaxIdleStatements) {
    sqlite3_finalize(statement);
    return;
  }
  idle_statements_.insert(std::move(place));
}

std::uint64_t Database::changes() const {
  return static_cast<std::uint64_t>(sqlite3_changes64(handle_));
}

std::int64_t Database::total_changes() const {
  return sqlite3_total_changes64(handle_);
}

std::int64_t Database::last_insert_id() const {
  return sqlite3_last_insert_rowid(handle_);
}

bool Database::in_transaction() const {
  return sqlite3_get_autocommit(handle_) == 0;
}

Result<void> Database::set_read_only(bool read_only) {
  read_only_ = read_only;
  return execute(read_only ? "PRAGMA query_only = ON" : "PRAGMA query_only = OFF");
}

Result<void> Database::set_cache(std::int64_t kib) {
  return execute(fmt::format("PRAGMA cache_size = -{}", kib));
}

std::int64_t Database::cached_bytes() const {
  int now = 0, most = 0;
  sqlite3_db_status(handle_, SQLITE_DBSTATUS_CACHE_USED, &now, &most, 0);
  return now;
}

void Database::drop_cache() {
  sqlite3_db_release_memory(handle_);
}

std::unexpected<Error> Database::error(int code) const {
  const Fault fault = fault_of(code, read_only_);
  const bool failed = (code & 0xFF) == SQLITE_IOERR && !is_index_without_room(code);
  if (failed || (code & 0xFF) == SQLITE_CORRUPT) storage_failed_ = true;
  const std::string_view kind = sqlite3_errstr(code);
  const std::string_view message = handle_ == nullptr ? "no memory" : sqlite3_errmsg(handle_);
  if (fault.code == Errc::overloaded) return failf(fault.code, "{}: {}", name_, fault.meaning);
  if (message == kind) return failf(fault.code, "{}: {} ({})", name_, fault.meaning, message);
  return failf(fault.code, "{}: {} ({}: {})", name_, fault.meaning, kind, message);
}

Result<Transaction> Transaction::begin(Database& database) {
  TRY_VOID(database.run("BEGIN IMMEDIATE"));
  return Transaction(database, false);
}

Result<Transaction> Transaction::begin_read(Database& database) {
  TRY_VOID(database.run("BEGIN"));
  return Transaction(database, false);
}

Result<Transaction> Transaction::savepoint(Database& database) {
  TRY_VOID(database.run("SAVEPOINT work"));
  return Transaction(database, true);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)), is_savepoint_(other.is_savepoint_) {}

Transaction::~Transaction() {
  // Nothing is left to undo where the error that brought us here has ended the transaction itself.
  if (database_ == nullptr || !database_->in_transaction()) return;
  if (is_savepoint_) {
    (void)database_->run("ROLLBACK TO work");
    (void)database_->run("RELEASE work");
  } else {
    (void)database_->run("ROLLBACK");
  }
}

Result<void> Transaction::commit() {
  TRY_VOID(database_->run(is_savepoint_ ? "RELEASE work" : "COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace sallyport::store
