#include "store/telemetry_sink.h"

#include <algorithm>

#include "store/detail/shared_database.h"
#include "telemetry/ingest.h"

namespace sallyport::store {
namespace {

using telemetry::Acknowledgement;
using telemetry::Batch;
using telemetry::IngestPosition;
using telemetry::Item;
using telemetry::SampleTime;
using telemetry::StoredItem;
using telemetry::StreamName;
using telemetry::StreamState;

constexpr std::uint64_t kReserveDivisor = 20;
constexpr std::uint64_t kJournalDivisor = 4;  // of the reserve: what writing within the file takes meanwhile

std::int64_t milliseconds_of(SampleTime time) {
  return time.time_since_epoch().count();
}

Result<std::optional<std::int64_t>> find_id(Query query) {
  TRY(auto found, query.next());
  if (!found) return std::nullopt;
  return std::optional(query.integer(0));
}

Result<std::int64_t> find_or_make_device(Database& database, const DeviceName& name) {
  TRY(auto query, database.query("SELECT id FROM device WHERE name = ?1", name));
  TRY(auto existing, find_id(std::move(query)));
  if (existing) return *existing;
  TRY_VOID(database.run("INSERT INTO device(name) VALUES(?1)", name));
  return database.last_insert_id();
}

Result<std::int64_t> find_or_make_stream(Database& database, std::int64_t device, const StreamName& name) {
  TRY(auto query, database.query("SELECT id FROM stream WHERE device = ?1 AND name = ?2", device, name));
  TRY(auto existing, find_id(std::move(query)));
  if (existing) return *existing;
  TRY(auto count, database.integer("SELECT count(*) FROM stream WHERE device = ?1", device));
  if (static_cast<std::size_t>(count) >= telemetry::kMaxStreamsPerDevice)
    return failf(Errc::overloaded, "telemetry: the device has {} streams already", telemetry::kMaxStreamsPerDevice);
  TRY_VOID(database.run("INSERT INTO stream(device, name) VALUES(?1, ?2)", device, name));
  return database.last_insert_id();
}

// The position of the batch's incarnation, made with zeros when it is new.
Result<IngestPosition> load_position(Database& database, std::int64_t device, std::int64_t stream, const Batch& batch) {
  {
    TRY(auto query, database.query("SELECT stream, committed, missing, dropped FROM incarnation WHERE device = ?1 AND "
                                   "incarnation = ?2",
                                   device, batch.incarnation));
    TRY(auto found, query.next());
    if (found && query.integer(0) != stream)
      return fail(Errc::conflict, "telemetry: the incarnation belongs to another stream of the device");
    if (found) {
      return IngestPosition{.committed = query.unsigned_integer(1),
                            .missing = query.unsigned_integer(2),
                            .dropped = query.unsigned_integer(3)};
    }
  }
  TRY(auto count, database.integer("SELECT count(*) FROM incarnation WHERE device = ?1", device));
  if (static_cast<std::size_t>(count) >= telemetry::kMaxIncarnationsPerDevice)
    return failf(Errc::overloaded, "telemetry: the device has had {} incarnations",
                 telemetry::kMaxIncarnationsPerDevice);
  TRY_VOID(database.run("INSERT INTO incarnation VALUES(?1, ?2, ?3, 0, 0, 0)", device, batch.incarnation, stream));
  return IngestPosition{};
}

Result<void> store_items(Database& database, std::int64_t stream, std::span<const Item> items) {
  if (items.empty()) return {};
  std::int64_t newest = 0;
  for (const Item& item : items) {
    TRY_VOID(database.run("INSERT INTO item(stream, sequence, time, topic, payload) VALUES(?1, ?2, ?3, ?4, ?5)", stream,
                          item.sequence, milliseconds_of(item.time), item.topic, item.payload));
    newest = std::max(newest, milliseconds_of(item.time));
  }
  TRY_VOID(database.run("UPDATE stream SET items = items + ?2, newest = max(newest, ?3) WHERE id = ?1", stream,
                        items.size(), newest));
  return {};
}

Result<Acknowledgement> commit_in(Database& database, const DeviceName& name, const Batch& batch) {
  TRY(auto device, find_or_make_device(database, name));
  TRY(auto stream, find_or_make_stream(database, device, batch.stream));
  TRY(auto before, load_position(database, device, stream, batch));
  const auto decision = telemetry::decide_ingest(before, batch);
  TRY_VOID(store_items(database, stream, std::span(batch.items).subspan(decision.duplicates)));
  if (decision.after != before) {
    TRY_VOID(database.run(
        "UPDATE incarnation SET committed = ?3, missing = ?4, dropped = ?5 WHERE device = ?1 AND "
        "incarnation = ?2",
        device, batch.incarnation, decision.after.committed, decision.after.missing, decision.after.dropped));
  }
  return Acknowledgement{.incarnation = batch.incarnation, .committed = decision.after.committed};
}

Result<std::vector<StoredItem>> read_items(Query query) {
  std::vector<StoredItem> out;
  while (true) {
    TRY(auto found, query.next());
    if (!found) return out;
    out.push_back({.position = query.unsigned_integer(0),
                   .item = {.sequence = query.unsigned_integer(1),
                            .time = SampleTime(milliseconds(query.integer(2))),
                            .topic = query.text(3),
                            .payload = query.bytes(4)}});
  }
}

constexpr std::string_view kStreamOf =
    "(SELECT stream.id FROM stream JOIN device ON device.id = stream.device WHERE device.name = ?1 AND stream.name = "
    "?2)";

std::string select_items(std::string_view condition_and_order) {
  return fmt::format("SELECT id, sequence, time, topic, payload FROM item WHERE stream = {} {}", kStreamOf,
                     condition_and_order);
}

Result<std::vector<std::int64_t>> streams_with_items(Database& database) {
  std::vector<std::int64_t> out;
  TRY(auto query, database.query("SELECT id FROM stream WHERE items > 0"));
  while (true) {
    TRY(auto found, query.next());
    if (!found) return out;
    out.push_back(query.integer(0));
  }
}

Result<std::uint64_t> remove_in(Database& database, SampleTime time, std::size_t limit) {
  std::uint64_t removed = 0;
  TRY(const auto streams, streams_with_items(database));
  for (const auto stream : streams) {
    if (removed == limit) break;
    TRY(auto count, database.run("DELETE FROM item WHERE id IN (SELECT id FROM item WHERE stream = ?1 AND time < ?2 "
                                 "ORDER BY time LIMIT ?3)",
                                 stream, milliseconds_of(time), limit - removed));
    removed += count;
    if (count > 0) TRY_VOID(database.run("UPDATE stream SET items = items - ?2 WHERE id = ?1", stream, count));
  }
  return removed;
}

SpaceProbe probe_of(std::filesystem::path path) {
  return [path = std::move(path)]() -> std::optional<std::filesystem::space_info> {
    std::error_code error;
    const auto space = std::filesystem::space(path, error);
    return error ? std::nullopt : std::optional(space);  // a database in memory has no file system
  };
}

// Removing gives nothing back to the file system, so the file's own free pages are room too.
Result<void> check_room(Database& database, const SpaceProbe& probe, const std::string& file) {
  const auto space = probe();
  if (!space) return {};
  const std::uint64_t reserve = telemetry_reserve(space->capacity);
  if (space->available >= reserve) return {};
  TRY(const auto pages, database.integer("PRAGMA freelist_count"));
  TRY(const auto page_size, database.integer("PRAGMA page_size"));
  const std::uint64_t within = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_size);
  if (space->available >= reserve / kJournalDivisor && space->available + within >= reserve) return {};
  return failf(Errc::overloaded, "{}: the disk is full; make room: {} MB are left, which telemetry does not take", file,
               space->available >> 20U);
}

class SqliteTelemetrySink final : public telemetry::TelemetrySink {
 public:
  SqliteTelemetrySink(std::unique_ptr<SharedDatabase> database, const std::filesystem::path& path, SpaceProbe space)
      : file_(path.parent_path().filename().string() + "/" + path.filename().string()),
        space_(std::move(space)),
        database_(std::move(database)) {}

  void commit(DeviceName device, Batch batch, Committed done) override {
    // Shared by the work, which fills it, and the completion, which runs after it on the same thread.
    auto answer = std::make_shared<Acknowledgement>();
    database_->write(committing(std::move(device), std::move(batch), answer), [answer, done = std::move(done)](
                                                                                  Result<void> committed) {
      done(committed ? Result<Acknowledgement>(*answer) : std::unexpected(std::move(committed).error()));
    });
  }

  Result<Acknowledgement> commit_and_wait(DeviceName device, Batch batch) override {
    auto answer = std::make_shared<Acknowledgement>();
    TRY_VOID(database_->write_and_wait(committing(std::move(device), std::move(batch), answer)));
    return *answer;
  }

  Result<std::vector<StoredItem>> query(const DeviceName& device, const StreamName& stream, SampleTime from,
                                        std::size_t limit) const override {
    static const std::string kSql = select_items("AND time >= ?3 ORDER BY time, id LIMIT ?4");
    std::vector<StoredItem> out;
    TRY_VOID(database_->read([&](Database& database) -> Result<void> {
      TRY(auto query,
          database.query(kSql, device, stream, milliseconds_of(from), std::min(limit, telemetry::kMaxQueryItems)));
      TRY(out, read_items(std::move(query)));
      return {};
    }));
    return out;
  }

  Result<std::vector<StoredItem>> newest(const DeviceName& device, const StreamName& stream,
                                         std::size_t limit) const override {
    static const std::string kSql = select_items("ORDER BY id DESC LIMIT ?3");
    std::vector<StoredItem> out;
    TRY_VOID(database_->read([&](Database& database) -> Result<void> {
      TRY(auto query, database.query(kSql, device, stream, std::min(limit, telemetry::kMaxQueryItems)));
      TRY(out, read_items(std::move(query)));
      return {};
    }));
    std::ranges::reverse(out);
    return out;
  }

  Result<std::vector<StreamState>> streams(const DeviceName& device) const override {
    std::vector<StreamState> out;
    TRY_VOID(database_->read([&](Database& database) -> Result<void> {
      TRY(auto query, database.query("SELECT stream.name, items, newest, CAST(total(missing) AS INTEGER), "
                                     "CAST(total(dropped) AS INTEGER) FROM stream JOIN device "
                                     "ON device.id = stream.device JOIN incarnation ON incarnation.stream = stream.id "
                                     "WHERE device.name = ?1 GROUP BY stream.id ORDER BY stream.name",
                                     device));
      while (true) {
        TRY(auto found, query.next());
        if (!found) return {};
        out.push_back({.stream = StreamName(query.text(0)),
                       .items = query.unsigned_integer(1),
                       .missing = query.unsigned_integer(3),
                       .dropped = query.unsigned_integer(4),
                       .newest = SampleTime(milliseconds(query.integer(2)))});
      }
    }));
    return out;
  }

  void remove_before(SampleTime time, std::size_t limit, Removed done) override {
    auto removed = std::make_shared<std::uint64_t>();
    database_->write(removing(time, limit, removed), [removed, done = std::move(done)](Result<void> written) {
      done(written ? Result<std::uint64_t>(*removed) : std::unexpected(std::move(written).error()));
    });
  }

  Result<std::uint64_t> remove_before_and_wait(SampleTime time, std::size_t limit) override {
    auto removed = std::make_shared<std::uint64_t>();
    TRY_VOID(database_->write_and_wait(removing(time, limit, removed)));
    return *removed;
  }

 private:
  SharedDatabase::Work committing(DeviceName device, Batch batch, std::shared_ptr<Acknowledgement> answer) const {
    return [this, device = std::move(device), batch = std::move(batch),
            answer = std::move(answer)](Database& database) -> Result<void> {
      TRY_VOID(check_room(database, space_, file_));
      TRY(*answer, commit_in(database, device, batch));
      return {};
    };
  }

  static SharedDatabase::Work removing(SampleTime time, std::size_t limit, std::shared_ptr<std::uint64_t> removed) {
    return [time, limit, removed = std::move(removed)](Database& database) -> Result<void> {
      TRY(*removed, remove_in(database, time, limit));
      return {};
    };
  }

  std::string file_;  // for people
  SpaceProbe space_;
  std::unique_ptr<SharedDatabase> database_;  // ends first: its works use the others
};

}  // namespace

std::uint64_t telemetry_reserve(std::uint64_t capacity) {
  return std::min(capacity / kReserveDivisor, kTelemetryReserve);
}

Result<std::unique_ptr<telemetry::TelemetrySink>> open_telemetry_sink(const std::filesystem::path& path,
                                                                      std::function<void()> on_failure,
                                                                      SpaceProbe space) {
  TRY(auto database, SharedDatabase::open(path, kTelemetrySinkSchema, std::move(on_failure)));
  return std::make_unique<SqliteTelemetrySink>(std::move(database), path, space ? std::move(space) : probe_of(path));
}

Result<void> check_telemetry_sink(const std::filesystem::path& path) {
  return check_file(path, kTelemetrySinkSchema);
}

}  // namespace sallyport::store
