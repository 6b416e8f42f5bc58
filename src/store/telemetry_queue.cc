#include "store/telemetry_queue.h"

#include <atomic>

#include "store/detail/checksum.h"
#include "store/detail/shared_database.h"

namespace sallyport::store {
namespace {

using telemetry::Acknowledgement;
using telemetry::Batch;
using telemetry::BatchLimits;
using telemetry::Item;
using telemetry::QueueState;
using telemetry::Sample;
using telemetry::StreamIncarnation;
using telemetry::StreamName;
using telemetry::WhenFull;

struct Stream {
  std::int64_t id = 0;
  std::uint64_t next_sequence = 1;
};

struct Totals {
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
};

std::uint32_t checksum(const Item& item) {
  Writer numbers;
  numbers.u64(item.sequence).u64(static_cast<std::uint64_t>(item.time.time_since_epoch().count()));
  return Crc32().update(numbers.view()).update(as_bytes(item.topic)).update(item.payload).value();
}

Result<Stream> find_or_make_stream(Database& database, const StreamName& name, Random& random) {
  {
    TRY(auto query, database.query("SELECT id, next_sequence FROM stream WHERE name = ?1", name));
    TRY(auto found, query.next());
    if (found) return Stream{.id = query.integer(0), .next_sequence = query.unsigned_integer(1)};
  }
  const auto incarnation = telemetry::draw_stream_incarnation(random);
  TRY_VOID(database.run("INSERT INTO stream(name, incarnation) VALUES(?1, ?2)", name, incarnation));
  return Stream{.id = database.last_insert_id(), .next_sequence = 1};
}

Result<Totals> totals(Database& database) {
  TRY(auto query, database.query("SELECT items, bytes FROM total"));
  TRY_VOID(query.next());
  return Totals{.items = query.unsigned_integer(0), .bytes = query.unsigned_integer(1)};
}

Result<void> change_totals(Database& database, std::int64_t items, std::int64_t bytes) {
  TRY_VOID(database.run("UPDATE total SET items = items + ?1, bytes = bytes + ?2", items, bytes));
  return {};
}

// Removes the items of `stream` up to `through`; returns what they were.
Result<Totals> remove_items(Database& database, std::int64_t stream, std::uint64_t through) {
  Totals removed;
  {
    TRY(auto query,
        database.query("SELECT count(*), coalesce(sum(size), 0) FROM item WHERE stream = ?1 AND sequence <= ?2", stream,
                       through));
    TRY_VOID(query.next());
    removed = {.items = query.unsigned_integer(0), .bytes = query.unsigned_integer(1)};
  }
  if (removed.items == 0) return removed;
  TRY_VOID(database.run("DELETE FROM item WHERE stream = ?1 AND sequence <= ?2", stream, through));
  TRY_VOID(
      change_totals(database, -static_cast<std::int64_t>(removed.items), -static_cast<std::int64_t>(removed.bytes)));
  return removed;
}

Result<void> count_dropped(Database& database, std::int64_t stream, std::uint64_t items) {
  TRY_VOID(database.run("UPDATE stream SET dropped = dropped + ?2 WHERE id = ?1", stream, items));
  return {};
}

// The sequence up to which the oldest items of `stream` must go to make room for `items` and `bytes`; absent when all
// of them would not be enough.
Result<std::optional<std::uint64_t>> find_drop_point(Database& database, std::int64_t stream, std::uint64_t items,
                                                     std::uint64_t bytes) {
  TRY(auto query, database.query("SELECT sequence, size FROM item WHERE stream = ?1 ORDER BY sequence", stream));
  Totals freed;
  while (true) {
    TRY(auto found, query.next());
    if (!found) return std::nullopt;
    freed.items += 1;
    freed.bytes += query.unsigned_integer(1);
    if (freed.items >= items && freed.bytes >= bytes) return query.unsigned_integer(0);
  }
}

std::uint64_t excess(std::uint64_t present, std::uint64_t more, std::uint64_t limit) {
  return present + more > limit ? present + more - limit : 0;
}

std::uint64_t size_of(const std::vector<Sample>& samples) {
  std::uint64_t bytes = 0;
  for (const Sample& sample : samples) bytes += telemetry::kItemOverhead + sample.topic.size() + sample.payload.size();
  return bytes;
}

// What one reading of the queue found.
struct Reading {
  std::optional<Batch> batch;
  std::int64_t stream = 0;
  std::vector<std::uint64_t> unreadable;  // sequences
};

Result<void> read_stream_head(Database& database, Reading& reading) {
  TRY(auto query,
      database.query("SELECT id, name, incarnation, dropped FROM stream WHERE id = (SELECT stream FROM item "
                     "ORDER BY id LIMIT 1)"));
  TRY(auto found, query.next());
  if (!found) return {};
  Batch batch;
  TRY(auto incarnation, query.array<16>(2));
  TRY(batch.stream, telemetry::parse_stream_name(query.text(1)));
  batch.incarnation = StreamIncarnation(incarnation);
  batch.dropped = query.unsigned_integer(3);
  reading.stream = query.integer(0);
  reading.batch = std::move(batch);
  return {};
}

Result<void> read_items(Database& database, BatchLimits limits, Reading& reading) {
  std::size_t bytes = telemetry::kBatchOverhead;
  TRY(auto query, database.query("SELECT sequence, time, topic, payload, checksum FROM item WHERE stream = ?1 "
                                 "ORDER BY sequence LIMIT ?2",
                                 reading.stream, std::min(limits.items, telemetry::kMaxBatchItems)));
  auto& items = reading.batch->items;
  while (true) {
    TRY(auto found, query.next());
    if (!found) return {};
    Item item{.sequence = query.unsigned_integer(0),
              .time = telemetry::SampleTime(milliseconds(query.integer(1))),
              .topic = query.text(2),
              .payload = query.bytes(3)};
    if (checksum(item) != query.unsigned_integer(4)) {
      reading.unreadable.push_back(item.sequence);
      continue;
    }
    bytes += telemetry::encoded_size(item);
    if (!items.empty() && bytes > std::min(limits.bytes, telemetry::kMaxBatchBytes)) return {};
    items.push_back(std::move(item));
  }
}

class SqliteTelemetryQueue final : public telemetry::TelemetryQueue {
 public:
  SqliteTelemetryQueue(std::unique_ptr<SharedDatabase> database, TelemetryQueueSettings settings, Random& random)
      : settings_(std::move(settings)), random_(random), database_(std::move(database)) {}

  void append(StreamName stream, std::vector<Sample> samples, Done done) override {
    if (auto checked = check(stream, samples); !checked) return done(std::move(checked));
    database_->write(appending(std::move(stream), std::move(samples)), std::move(done));
  }

  Result<void> append_and_wait(StreamName stream, std::vector<Sample> samples) override {
    TRY_VOID(check(stream, samples));
    return database_->write_and_wait(appending(std::move(stream), std::move(samples)));
  }

  Result<std::optional<Batch>> peek(BatchLimits limits) override {
    while (true) {
      Reading reading;
      TRY_VOID(database_->read([&](Database& database) -> Result<void> {
        TRY_VOID(read_stream_head(database, reading));
        return reading.batch ? read_items(database, limits, reading) : Result<void>{};
      }));
      if (reading.unreadable.empty()) return std::move(reading.batch);
      TRY_VOID(drop_unreadable(reading));
    }
  }

  void remove_through(Acknowledgement acknowledgement, Done done) override {
    database_->write(removing(acknowledgement), std::move(done));
  }

  Result<void> remove_through_and_wait(Acknowledgement acknowledgement) override {
    return database_->write_and_wait(removing(acknowledgement));
  }

  Result<QueueState> state() const override {
    QueueState state;
    TRY_VOID(database_->read([&](Database& database) -> Result<void> {
      TRY(auto present, totals(database));
      TRY(auto dropped, database.integer("SELECT coalesce(sum(dropped), 0) FROM stream"));
      state = {.items = present.items, .bytes = present.bytes, .dropped = static_cast<std::uint64_t>(dropped)};
      return {};
    }));
    state.refused = refused_.load();
    return state;
  }

 private:
  static Result<void> check(const StreamName& stream, const std::vector<Sample>& samples) {
    TRY_VOID(telemetry::parse_stream_name(stream.get()));
    if (samples.empty()) return fail(Errc::malformed, "telemetry: no samples");
    for (const Sample& sample : samples) TRY_VOID(telemetry::check_sample(sample));
    return {};
  }

  SharedDatabase::Work appending(StreamName stream, std::vector<Sample> samples) {
    return [this, stream = std::move(stream), samples = std::move(samples)](Database& database) {
      return append_in(database, stream, samples);
    };
  }

  Result<void> append_in(Database& database, const StreamName& name, const std::vector<Sample>& samples) {
    TRY(auto stream, find_or_make_stream(database, name, random_));
    const std::uint64_t bytes = size_of(samples);
    TRY_VOID(make_room(database, name, stream, samples.size(), bytes));
    for (const Sample& sample : samples) {
      const Item item{
          .sequence = stream.next_sequence++, .time = sample.time, .topic = sample.topic, .payload = sample.payload};
      TRY_VOID(database.run(
          "INSERT INTO item(stream, sequence, time, topic, payload, size, checksum) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
          stream.id, item.sequence, item.time.time_since_epoch().count(), item.topic, item.payload,
          telemetry::encoded_size(item), checksum(item)));
    }
    TRY_VOID(database.run("UPDATE stream SET next_sequence = ?2 WHERE id = ?1", stream.id, stream.next_sequence));
    return change_totals(database, static_cast<std::int64_t>(samples.size()), static_cast<std::int64_t>(bytes));
  }

  Result<void> make_room(Database& database, const StreamName& name, const Stream& stream, std::uint64_t items,
                         std::uint64_t bytes) {
    TRY(auto present, totals(database));
    const std::uint64_t excess_items = excess(present.items, items, settings_.limits.items);
    const std::uint64_t excess_bytes = excess(present.bytes, bytes, settings_.limits.bytes);
    if (excess_items == 0 && excess_bytes == 0) return {};
    const auto policy = settings_.when_full.find(name);
    if (policy != settings_.when_full.end() && policy->second == WhenFull::drop_oldest) {
      TRY(auto through, find_drop_point(database, stream.id, excess_items, excess_bytes));
      if (through) {
        TRY(auto dropped, remove_items(database, stream.id, *through));
        return count_dropped(database, stream.id, dropped.items);
      }
    }
    refused_ += items;
    return failf(Errc::overloaded, "telemetry: the queue holds {} items of {} bytes, and {} more items do not fit",
                 present.items, present.bytes, items);
  }

  static SharedDatabase::Work removing(const Acknowledgement& acknowledgement) {
    return [acknowledgement](Database& database) -> Result<void> {
      std::int64_t stream = 0;
      {
        TRY(auto query, database.query("SELECT id FROM stream WHERE incarnation = ?1", acknowledgement.incarnation));
        TRY(auto found, query.next());
        if (!found) return {};
        stream = query.integer(0);
      }
      TRY_VOID(remove_items(database, stream, acknowledgement.committed));
      return {};
    };
  }

  // What the disk has spoilt is given up one by one, so that what follows it is sent.
  Result<void> drop_unreadable(const Reading& reading) {
    return database_->write_and_wait([&](Database& database) -> Result<void> {
      for (const auto sequence : reading.unreadable) {
        TRY(auto size, database.integer("SELECT coalesce(sum(size), 0) FROM item WHERE stream = ?1 AND sequence = ?2",
                                        reading.stream, sequence));
        TRY(auto removed,
            database.run("DELETE FROM item WHERE stream = ?1 AND sequence = ?2", reading.stream, sequence));
        if (removed == 0) continue;
        TRY_VOID(change_totals(database, -1, -size));
        TRY_VOID(count_dropped(database, reading.stream, 1));
      }
      return {};
    });
  }

  const TelemetryQueueSettings settings_;
  Random& random_;
  std::atomic<std::uint64_t> refused_ = 0;
  std::unique_ptr<SharedDatabase> database_;  // last: its thread uses the others
};

}  // namespace

Result<std::unique_ptr<telemetry::TelemetryQueue>> open_telemetry_queue(const std::filesystem::path& path,
                                                                        TelemetryQueueSettings settings,
                                                                        Random& random) {
  TRY(auto database, SharedDatabase::open(path, kTelemetryQueueSchema));
  return std::make_unique<SqliteTelemetryQueue>(std::move(database), std::move(settings), random);
}

}  // namespace sallyport::store
