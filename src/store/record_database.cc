#include "store/record_database.h"

#include "store/detail/log_table.h"
#include "store/detail/open_database.h"
#include "store/detail/record_tables.h"
#include "store/detail/shared_database.h"

namespace sallyport::store {
namespace {

using records::Records;

// The records of one work in one transaction, whose state they borrow.
class SqliteRecords final : public Records {
 public:
  SqliteRecords(Database& database, TransactionState& state)
      : database_(database),
        changes_(database, state),
        certificates_(database, changes_),
        devices_(database, changes_),
        sites_(database),
        users_(database),
        audit_(database),
        access_sessions_(database),
        log_(database, state) {}

  records::CertificateStore& certificates() override { return certificates_; }
  records::DeviceDirectory& devices() override { return devices_; }
  records::SiteDirectory& sites() override { return sites_; }
  records::UserDirectory& users() override { return users_; }
  records::AuditLog& audit() override { return audit_; }
  records::AccessSessionLog& access_sessions() override { return access_sessions_; }
  records::LogStore& log() override { return log_; }

  Result<std::uint64_t> change_number() const override { return changes_.current(); }

  Result<void> raise_change_number() override {
    TRY_VOID(changes_.next());
    return {};
  }

  Result<void> raise_change_number_above(std::uint64_t known) override { return changes_.raise_above(known); }

  Result<std::optional<Bytes>> find_value(std::string_view name) const override {
    TRY(auto query, database_.query("SELECT value FROM value WHERE name = ?1", name));
    TRY(auto found, query.next());
    if (!found) return std::nullopt;
    return std::optional(query.bytes(0));
  }

  Result<void> put_value(std::string_view name, ByteView value) override {
    TRY_VOID(database_.run("INSERT INTO value VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = excluded.value",
                           name, value));
    return {};
  }

 private:
  Database& database_;
  mutable ChangeCounter changes_;
  CertificateTable certificates_;
  DeviceTable devices_;
  SiteTable sites_;
  UserTable users_;
  AuditTable audit_;
  AccessSessionTable access_sessions_;
  LogTable log_;
};

// The change number is stored once for all works of a commit.
class RecordsOfGroup final : public GroupState {
 public:
  void begin() override { now_ = {}; }
  void mark() override { mark_ = now_; }
  void back_to_mark() override { now_ = mark_; }
  Result<void> store(Database& database) override { return ChangeCounter(database, now_).store(); }

  Result<void> run(Database& database, const records::RecordDatabase::Work& work) {
    SqliteRecords records(database, now_);
    return work(records);
  }

 private:
  TransactionState now_;
  TransactionState mark_;
};

class SqliteRecordDatabase final : public records::RecordDatabase {
 public:
  // Borrows `group`, which `database` has.
  SqliteRecordDatabase(std::unique_ptr<SharedDatabase> database, RecordsOfGroup& group)
      : group_(group), database_(std::move(database)) {}

  void write(Work work, Done done) override { database_->write(writing(std::move(work)), std::move(done)); }

  void write_repeatable(Work work, Done done) override {
    database_->write(writing(std::move(work)), std::move(done), Rerun::allowed);
  }

  Result<void> write_and_wait(Work work) override { return database_->write_and_wait(writing(std::move(work))); }

  Result<void> read(const Work& work) const override {
    return database_->read([&](Database& database) {
      TransactionState state;
      SqliteRecords records(database, state);
      return work(records);
    });
  }

  std::uint64_t commit_count() const override { return database_->commit_count(); }

 private:
  SharedDatabase::Work writing(Work work) {
    return [&group = group_, work = std::move(work)](Database& database) { return group.run(database, work); };
  }

  RecordsOfGroup& group_;
  std::unique_ptr<SharedDatabase> database_;
};

}  // namespace

Result<std::unique_ptr<records::RecordDatabase>> open_record_database(const std::filesystem::path& path,
                                                                      std::function<void()> on_failure) {
  auto group = std::make_unique<RecordsOfGroup>();
  RecordsOfGroup& records = *group;
  TRY(auto database, SharedDatabase::open(path, kRecordsSchema, std::move(on_failure), std::move(group)));
  return std::make_unique<SqliteRecordDatabase>(std::move(database), records);
}

Result<void> check_record_database(const std::filesystem::path& path) {
  return check_file(path, kRecordsSchema);
}

}  // namespace sallyport::store
