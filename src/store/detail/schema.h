// What a database file must be: whose it is, and the steps that make it what this program knows.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sallyport::store {

// A kind of database. Never change a migration that was released: add the next one.
struct Schema {
  std::string_view name;                    // for errors: "records"
  std::uint32_t application_id;             // in the file's header (PRAGMA application_id)
  std::span<const char* const> migrations;  // number i + 1 makes version i + 1 of version i

  std::int64_t version() const { return static_cast<std::int64_t>(migrations.size()); }
};

extern const Schema kRecordsSchema;
extern const Schema kTelemetryQueueSchema;
extern const Schema kTelemetrySinkSchema;

}  // namespace sallyport::store
