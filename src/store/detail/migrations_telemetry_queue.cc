#include "store/detail/schema.h"

namespace sallyport::store {
namespace {

constexpr const char* kQueueMigrations[] = {
    R"sql(
CREATE TABLE stream(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  incarnation BLOB NOT NULL UNIQUE CHECK(length(incarnation) = 16),
  next_sequence INTEGER NOT NULL DEFAULT 1,
  dropped INTEGER NOT NULL DEFAULT 0
) STRICT;
-- In order of appending. `size` is what the item takes in a batch, `checksum` the CRC-32 of its other fields.
CREATE TABLE item(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  stream INTEGER NOT NULL REFERENCES stream(id),
  sequence INTEGER NOT NULL,
  time INTEGER NOT NULL,
  topic TEXT NOT NULL,
  payload BLOB NOT NULL,
  size INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  UNIQUE(stream, sequence)
) STRICT;
CREATE TABLE total(
  one INTEGER PRIMARY KEY CHECK(one = 1),
  items INTEGER NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;
INSERT INTO total VALUES(1, 0, 0);
)sql",
};

}  // namespace

extern const Schema kTelemetryQueueSchema{
    .name = "telemetry queue", .application_id = 0x53507471 /* SPtq */, .migrations = kQueueMigrations};

}  // namespace sallyport::store
