#include "store/detail/schema.h"

namespace sallyport::store {
namespace {

// `changed` is the change number of the row's last change that snapshots show, 0 before the first.
constexpr const char* kRecordsMigrations[] = {
    R"sql(
CREATE TABLE value(
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE change(
  one INTEGER PRIMARY KEY CHECK(one = 1),
  number INTEGER NOT NULL
) STRICT;
INSERT INTO change VALUES(1, 0);

CREATE TABLE certificate(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ca TEXT NOT NULL,
  serial BLOB NOT NULL CHECK(length(serial) BETWEEN 1 AND 20),
  kind INTEGER NOT NULL,
  state INTEGER NOT NULL CHECK(state BETWEEN 1 AND 4),
  subject TEXT NOT NULL,
  spki_sha256 BLOB NOT NULL CHECK(length(spki_sha256) = 32),
  der BLOB NOT NULL,
  not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  revoked_at INTEGER,
  reason INTEGER NOT NULL,
  changed INTEGER NOT NULL DEFAULT 0,
  UNIQUE(ca, serial)
) STRICT;
CREATE INDEX certificate_by_subject ON certificate(subject, kind);
CREATE INDEX certificate_by_key ON certificate(spki_sha256);
CREATE INDEX certificate_by_state ON certificate(state, ca);
CREATE INDEX certificate_by_change ON certificate(changed) WHERE changed > 0;

CREATE TABLE device(
  id INTEGER PRIMARY KEY,
  site TEXT NOT NULL,
  serial_id TEXT NOT NULL,
  state INTEGER NOT NULL CHECK(state BETWEEN 1 AND 6),
  factory_spki_sha256 BLOB NOT NULL CHECK(length(factory_spki_sha256) = 32),
  factory_serial BLOB NOT NULL,
  name TEXT UNIQUE,
  enrolled_spki_sha256 BLOB CHECK(length(enrolled_spki_sha256) = 32),
  tenant TEXT NOT NULL,
  alias TEXT NOT NULL,
  remote_access INTEGER NOT NULL,
  claim_hash BLOB CHECK(length(claim_hash) = 32),
  alarms INTEGER NOT NULL,
  created INTEGER NOT NULL,
  connected_at INTEGER,
  claimed_at INTEGER,
  changed INTEGER NOT NULL DEFAULT 0,
  UNIQUE(site, serial_id)
) STRICT;
CREATE INDEX device_by_serial_id ON device(serial_id);
CREATE INDEX device_by_tenant ON device(tenant, site, serial_id) WHERE tenant != '';
CREATE INDEX device_by_state ON device(site, state);
CREATE INDEX device_by_change ON device(changed) WHERE changed > 0;

CREATE TABLE site(
  name TEXT PRIMARY KEY,
  state INTEGER NOT NULL CHECK(state BETWEEN 1 AND 3),
  ca_certificate BLOB NOT NULL,
  permit BLOB NOT NULL,
  permitted INTEGER NOT NULL,
  activation_quota INTEGER NOT NULL,
  enrolled INTEGER NOT NULL,
  ledger_sequence INTEGER NOT NULL,
  ledger_head BLOB NOT NULL CHECK(length(ledger_head) = 32),
  created INTEGER NOT NULL
) STRICT;

CREATE TABLE user(
  login TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  role INTEGER NOT NULL CHECK(role BETWEEN 1 AND 3),
  password_hash TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  created INTEGER NOT NULL
) STRICT;
CREATE TABLE login_session(
  token_sha256 BLOB PRIMARY KEY CHECK(length(token_sha256) = 32),
  login TEXT NOT NULL REFERENCES user(login),
  csrf_token BLOB NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  last_used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX login_session_by_login ON login_session(login);

CREATE TABLE audit(
  sequence INTEGER PRIMARY KEY,
  time INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL,
  previous BLOB NOT NULL CHECK(length(previous) = 32),
  hash BLOB NOT NULL CHECK(length(hash) = 32)
) STRICT;
CREATE INDEX audit_by_subject ON audit(subject);
CREATE INDEX audit_by_action ON audit(action);

CREATE TABLE access_session(
  grant_id BLOB PRIMARY KEY CHECK(length(grant_id) = 16),
  login TEXT NOT NULL,
  device TEXT NOT NULL,
  service TEXT NOT NULL,
  label TEXT NOT NULL,
  source TEXT NOT NULL,
  opened INTEGER NOT NULL,
  ended INTEGER,
  end_reason TEXT NOT NULL,
  bytes_to_device INTEGER NOT NULL,
  bytes_to_user INTEGER NOT NULL,
  connections INTEGER NOT NULL
) STRICT;
CREATE INDEX access_session_by_device ON access_session(device, opened);
CREATE INDEX access_session_by_opened ON access_session(opened);
)sql",
    // A fourth state of sites, and the ledger entry that goes with it.
    R"sql(
CREATE TABLE site_with_four_states(
  name TEXT PRIMARY KEY,
  state INTEGER NOT NULL CHECK(state BETWEEN 1 AND 4),
  ca_certificate BLOB NOT NULL,
  permit BLOB NOT NULL,
  permitted INTEGER NOT NULL,
  activation_quota INTEGER NOT NULL,
  enrolled INTEGER NOT NULL,
  ledger_sequence INTEGER NOT NULL,
  ledger_head BLOB NOT NULL CHECK(length(ledger_head) = 32),
  created INTEGER NOT NULL,
  kept_until INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO site_with_four_states(name, state, ca_certificate, permit, permitted, activation_quota, enrolled,
                                  ledger_sequence, ledger_head, created)
  SELECT name, state, ca_certificate, permit, permitted, activation_quota, enrolled, ledger_sequence, ledger_head,
         created FROM site;
DROP TABLE site;
ALTER TABLE site_with_four_states RENAME TO site;
)sql",
    // The transparency log: its entries, and the tiles of hashes above them.
    R"sql(
CREATE TABLE log_entry(
  log_index INTEGER PRIMARY KEY CHECK(log_index >= 0),
  entry BLOB NOT NULL CHECK(length(entry) BETWEEN 1 AND 65535),
  certificate_sha256 BLOB CHECK(length(certificate_sha256) = 32),
  audit_sequence INTEGER
) STRICT;
CREATE UNIQUE INDEX log_entry_by_certificate ON log_entry(certificate_sha256) WHERE certificate_sha256 IS NOT NULL;
CREATE UNIQUE INDEX log_entry_by_audit_sequence ON log_entry(audit_sequence) WHERE audit_sequence IS NOT NULL;
CREATE TABLE log_tile(
  level INTEGER NOT NULL CHECK(level BETWEEN 0 AND 7),
  tile INTEGER NOT NULL CHECK(tile >= 0),
  hashes BLOB NOT NULL CHECK(length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
  PRIMARY KEY(level, tile)
) STRICT, WITHOUT ROWID;
)sql",
    // How many certificates of a CA are alive, without looking at each.
    R"sql(
DROP INDEX certificate_by_state;
CREATE INDEX certificate_by_state ON certificate(state, ca, not_after);
)sql",
    R"sql(
ALTER TABLE device ADD COLUMN void_claim_hash BLOB CHECK(length(void_claim_hash) = 32);
ALTER TABLE device ADD COLUMN freeze_on_alarm INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN renew_asked INTEGER;
)sql",
};

}  // namespace

extern const Schema kRecordsSchema{.name = "records",
                                   .application_id = 0x53507264 /* SPrd */,
                                   .migrations = kRecordsMigrations,
                                   .crowd = {.gathering = milliseconds(4), .cache_kib = 32 * 1'024}};

}  // namespace sallyport::store
