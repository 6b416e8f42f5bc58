#include "store/detail/schema.h"

namespace sallyport::store {
namespace {

constexpr const char* kMigrations[] = {
    R"sql(
CREATE TABLE device(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE stream(
  id INTEGER PRIMARY KEY,
  device INTEGER NOT NULL REFERENCES device(id),
  name TEXT NOT NULL,
  items INTEGER NOT NULL DEFAULT 0,
  newest INTEGER NOT NULL DEFAULT 0,
  UNIQUE(device, name)
) STRICT;
-- How far each incarnation has come in; rows are never removed, so that nothing is ever stored twice.
CREATE TABLE incarnation(
  device INTEGER NOT NULL REFERENCES device(id),
  incarnation BLOB NOT NULL CHECK(length(incarnation) = 16),
  stream INTEGER NOT NULL REFERENCES stream(id),
  committed INTEGER NOT NULL,
  missing INTEGER NOT NULL,
  dropped INTEGER NOT NULL,
  PRIMARY KEY(device, incarnation)
) STRICT, WITHOUT ROWID;
CREATE INDEX incarnation_by_stream ON incarnation(stream);
-- `id` is the position: the order of storing.
CREATE TABLE item(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  stream INTEGER NOT NULL REFERENCES stream(id),
  sequence INTEGER NOT NULL,
  time INTEGER NOT NULL,
  topic TEXT NOT NULL,
  payload BLOB NOT NULL
) STRICT;
CREATE INDEX item_by_position ON item(stream);
CREATE INDEX item_by_time ON item(stream, time);
)sql",
};

}  // namespace

extern const Schema kTelemetrySinkSchema{
    .name = "telemetry", .application_id = 0x53507473 /* SPts */, .migrations = kMigrations};

}  // namespace sallyport::store
