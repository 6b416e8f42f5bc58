// SQLite's C interface as values that own: connections, statements, transactions. Errors are classified.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/strong.h"
#include "base/time.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sallyport::store {

// Something that can be bound to a parameter. Borrows for the call.
using Value = std::variant<std::nullptr_t, std::int64_t, std::string_view, ByteView>;
inline Value to_value(std::nullptr_t) {
  return nullptr;
}
inline Value to_value(std::integral auto number) {
  return static_cast<std::int64_t>(number);
}
template <class E>
  requires std::is_enum_v<E>
Value to_value(E value) {
  return static_cast<std::int64_t>(value);
}
inline Value to_value(std::string_view text) {
  return text;
}
inline Value to_value(const std::string& text) {
  return std::string_view(text);
}
inline Value to_value(const char* text) {
  return std::string_view(text);
}
inline Value to_value(ByteView bytes) {
  return bytes;
}
inline Value to_value(const Bytes& bytes) {
  return ByteView(bytes);
}
template <std::size_t N>
Value to_value(const std::array<std::uint8_t, N>& bytes) {
  return ByteView(bytes);
}
inline Value to_value(UnixTime time) {
  return time.since_epoch();
}
template <class T, class Tag>
Value to_value(const Strong<T, Tag>& strong) {
  return to_value(strong.get());
}
template <class T>
Value to_value(const std::optional<T>& value) {
  return value ? to_value(*value) : Value(nullptr);
}

class Database;

// A prepared statement while it is used; goes back to its connection's cache at the end. Columns count from 0 and are
// valid until the next call of next(). A column of another type than asked for reads as empty or zero; widths are
// checked by those who ask for fixed ones.
class Query {
 public:
  Query(Query&& other) noexcept;
  Query& operator=(Query&&) = delete;
  ~Query();

  // Whether there is another row.
  Result<bool> next();

  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  std::uint64_t unsigned_integer(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  bool boolean(int column) const { return integer(column) != 0; }
  std::string text(int column) const;
  ByteView blob(int column) const;
  Bytes bytes(int column) const { return to_bytes(blob(column)); }
  UnixTime time(int column) const { return UnixTime(integer(column)); }
  std::optional<UnixTime> optional_time(int column) const;
  // Fails with Errc::malformed unless the column holds exactly N bytes.
  template <std::size_t N>
  Result<std::array<std::uint8_t, N>> array(int column) const {
    const ByteView found = blob(column);
    if (found.size() != N) return failf(Errc::malformed, "database: column of {} bytes, want {}", found.size(), N);
    std::array<std::uint8_t, N> out;
    std::ranges::copy(found, out.begin());
    return out;
  }

 private:
  friend class Database;
  // A statement with its place in the cache, which it is taken from and given back to without a copy of its text.
  using Cache = std::multimap<std::string, sqlite3_stmt*, std::less<>>;
  Query(Database& database, Cache::node_type place)
      : database_(&database), place_(std::move(place)), statement_(place_.mapped()) {}
  Result<void> bind(int parameter, const Value& value);

  Database* database_;
  Cache::node_type place_;
  sqlite3_stmt* statement_;
};

// A connection. Not thread-safe.
class Database {
 public:
  enum class Open : std::uint8_t { existing, create };
  // `path` may be ":memory:". A file that can only be read is refused with Errc::unauthorized.
  static Result<Database> open(const std::filesystem::path& path, Open how);

  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  // Statements without parameters, any number of them.
  Result<void> execute(const std::string& sql);
  // Prepares (or takes from the cache) one statement with its parameters ?1, ?2, … bound. Borrowed arguments must live
  // as long as the query.
  template <class... Args>
  Result<Query> query(std::string_view sql, const Args&... args) {
    TRY(auto query, prepare(sql));
    int parameter = 0;
    Result<void> bound;
    (void)(... && (bound = query.bind(++parameter, to_value(args))).has_value());
    if (!bound) return std::unexpected(std::move(bound).error());
    return query;
  }
  // Runs one statement that returns no rows; returns how many rows it changed.
  template <class... Args>
  Result<std::uint64_t> run(std::string_view sql, const Args&... args) {
    TRY(auto running, query(sql, args...));
    TRY_VOID(running.next());
    return changes();
  }
  // The first column of the first row. Errc::not_found without a row.
  template <class... Args>
  Result<std::int64_t> integer(std::string_view sql, const Args&... args) {
    TRY(auto running, query(sql, args...));
    TRY(auto found, running.next());
    if (!found) return fail(Errc::not_found, "database: no such row");
    return running.integer(0);
  }

  std::int64_t last_insert_id() const;
  // Rows that all statements so far have inserted, changed or deleted.
  std::int64_t total_changes() const;
  // Whether a transaction is open: some errors end it.
  bool in_transaction() const;
  // From now on refuses (or again allows) everything that writes.
  Result<void> set_read_only(bool read_only);
  // How much of the file's pages this connection keeps in memory.
  Result<void> set_cache(std::int64_t kib);
  // How much memory its cached pages take.
  std::int64_t cached_bytes() const;
  // Gives up what is cached with its memory, which the next page takes anew by the size that was set.
  void drop_cache();
  // Whether the disk failed or damage was found: what was lost is unknown, so this process must not write any more.
  bool storage_failed() const { return storage_failed_; }
  // The end of this connection shall write nothing: what it would fold into the file may not have reached the disk.
  void leave_as_it_is();
  // The error of the last call that failed, with the category that fits.
  std::unexpected<Error> error(int code) const;

 private:
  friend class Query;
  Database(sqlite3* handle, std::string name) : handle_(handle), name_(std::move(name)) {}
  Result<Query> prepare(std::string_view sql);
  std::uint64_t changes() const;
  void give_back(Query::Cache::node_type place);

  sqlite3* handle_ = nullptr;
  std::string name_;
  bool read_only_ = false;
  mutable bool storage_failed_ = false;
  Query::Cache idle_statements_;
};

// A transaction (or a savepoint within one) that is undone at its end unless it was committed.
class Transaction {
 public:
  // The write lock is taken at once, so that no later statement can fail for want of it.
  static Result<Transaction> begin(Database& database);
  // A consistent view of the database.
  static Result<Transaction> begin_read(Database& database);
  static Result<Transaction> savepoint(Database& database);

  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // Durable when it returns (of a savepoint: kept if the transaction is).
  Result<void> commit();

 private:
  Transaction(Database& database, bool is_savepoint) : database_(&database), is_savepoint_(is_savepoint) {}
  Database* database_;
  bool is_savepoint_;
};

}  // namespace sallyport::store
