// What a database file must be: whose it is, and the steps that make it what this program knows.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/time.h"

namespace sallyport::store {

// A kind of database. Never change a migration that was released: add the next one.
struct Schema {
  std::string_view name;                    // for errors: "records"
  std::uint32_t application_id;             // in the file's header (PRAGMA application_id)
  std::span<const char* const> migrations;  // number i + 1 makes version i + 1 of version i
  // Pages that the writer keeps in memory. A commit that changes more writes some of them twice.
  std::int64_t writer_cache_kib = 2'000;
  // How long the writer lets works gather for one commit while many write at once. Each commit costs some of a
  // millisecond of the processor, as much as many works.
  milliseconds gathering{0};

  std::int64_t version() const { return static_cast<std::int64_t>(migrations.size()); }
};

extern const Schema kRecordsSchema;
extern const Schema kTelemetryQueueSchema;
extern const Schema kTelemetrySinkSchema;

}  // namespace sallyport::store
