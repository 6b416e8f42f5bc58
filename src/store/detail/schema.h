// What a database file must be: whose it is, and the steps that make it what this program knows.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/time.h"

namespace sallyport::store {

// Pages that a writer keeps in memory.
inline constexpr std::int64_t kWriterCacheKib = 1'000;
// Each of the readers, of which there are as many as ever read at once: the upper levels of what is looked up. The rest
// is in the kernel's memory, which all of them share.
inline constexpr std::int64_t kReaderCacheKib = 256;

// How a writer works while many write at once (CommitQueue::kCrowd).
struct CrowdRules {
  // How long it lets works gather for one commit. Each commit costs some of a millisecond of the processor, as much as
  // many works.
  milliseconds gathering{0};
  // Pages that it keeps meanwhile, and for so long after nobody writes. A commit that changes more writes some of them
  // twice.
  std::int64_t cache_kib = kWriterCacheKib;
  milliseconds pages_kept{10'000};
};

// A kind of database. Never change a migration that was released: add the next one.
struct Schema {
  std::string_view name;                    // for errors: "records"
  std::uint32_t application_id;             // in the file's header (PRAGMA application_id)
  std::span<const char* const> migrations;  // number i + 1 makes version i + 1 of version i
  CrowdRules crowd;
  // Readers that none of so many reads needed are closed, and their pages freed.
  std::uint64_t idle_reader_kept = 1'000;

  std::int64_t version() const { return static_cast<std::int64_t>(migrations.size()); }
};

extern const Schema kRecordsSchema;
extern const Schema kTelemetryQueueSchema;
extern const Schema kTelemetrySinkSchema;

}  // namespace sallyport::store
