#include "store/detail/record_tables.h"

namespace sallyport::store {
namespace {

using records::AccessSessionRecord;
using records::AuditEntry;

#define AUDIT_COLUMNS "sequence, time, actor, action, subject, detail, previous, hash"
#define ACCESS_SESSION_COLUMNS                                                                                   \
  "grant_id, login, device, service, label, source, opened, ended, end_reason, bytes_to_device, bytes_to_user, " \
  "connections"

Result<AuditEntry> read_entry(const Query& row) {
  AuditEntry entry{.sequence = row.unsigned_integer(0),
                   .time = row.time(1),
                   .actor = row.text(2),
                   .action = row.text(3),
                   .subject = row.text(4),
                   .detail = row.text(5)};
  TRY(entry.previous, row.array<32>(6));
  TRY(entry.hash, row.array<32>(7));
  return entry;
}

Result<AccessSessionRecord> read_access_session(const Query& row) {
  return AccessSessionRecord{.grant_id = row.bytes(0),
                             .login = row.text(1),
                             .device = DeviceName(row.text(2)),
                             .service = ServiceName(row.text(3)),
                             .label = GrantLabel(row.text(4)),
                             .source = row.text(5),
                             .opened = row.time(6),
                             .ended = row.optional_time(7),
                             .end_reason = row.text(8),
                             .bytes_to_device = row.unsigned_integer(9),
                             .bytes_to_user = row.unsigned_integer(10),
                             .connections = static_cast<std::uint32_t>(row.integer(11))};
}

}  // namespace

Result<void> AuditTable::append(const AuditEntry& entry) {
  TRY(auto last, head());
  const std::uint64_t want = last ? last->sequence + 1 : 1;
  if (entry.sequence != want) return failf(Errc::conflict, "audit: entry {}, want {}", entry.sequence, want);
  if (entry.previous != (last ? last->hash : records::Digest{}))
    return failf(Errc::conflict, "audit: entry {} does not continue the hash of the one before", entry.sequence);
  TRY_VOID(database_.run("INSERT INTO audit(" AUDIT_COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", entry.sequence,
                         entry.time, entry.actor, entry.action, entry.subject, entry.detail, entry.previous,
                         entry.hash));
  return {};
}

Result<std::optional<AuditEntry>> AuditTable::head() const {
  TRY(auto query, database_.query("SELECT " AUDIT_COLUMNS " FROM audit ORDER BY sequence DESC LIMIT 1"));
  return read_first(std::move(query), read_entry);
}

Result<std::vector<AuditEntry>> AuditTable::list(const records::AuditFilter& filter) const {
#define AUDIT_MATCH \
  " FROM audit WHERE sequence > ?1 AND substr(action, 1, length(?2)) = ?2 AND (?3 = '' OR subject = ?3) "
  const char* const text = filter.newest_first ? "SELECT " AUDIT_COLUMNS AUDIT_MATCH "ORDER BY sequence DESC LIMIT ?4"
                                               : "SELECT " AUDIT_COLUMNS AUDIT_MATCH "ORDER BY sequence LIMIT ?4";
  TRY(auto query, database_.query(text, filter.after, filter.action, filter.subject, filter.limit));
  return read_all(std::move(query), read_entry);
}

Result<void> AccessSessionTable::put(const AccessSessionRecord& session) {
  TRY_VOID(database_.run("INSERT OR REPLACE INTO access_session(" ACCESS_SESSION_COLUMNS
                         ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                         session.grant_id, session.login, session.device, session.service, session.label,
                         session.source, session.opened, session.ended, session.end_reason, session.bytes_to_device,
                         session.bytes_to_user, session.connections));
  return {};
}

Result<std::optional<AccessSessionRecord>> AccessSessionTable::find(ByteView grant_id) const {
  TRY(auto query,
      database_.query("SELECT " ACCESS_SESSION_COLUMNS " FROM access_session WHERE grant_id = ?1", grant_id));
  return read_first(std::move(query), read_access_session);
}

Result<std::vector<AccessSessionRecord>> AccessSessionTable::list(const std::optional<DeviceName>& device,
                                                                  bool live_only, std::size_t limit) const {
  if (device) {
    TRY(auto query,
        database_.query("SELECT " ACCESS_SESSION_COLUMNS
                        " FROM access_session WHERE device = ?1 AND (NOT ?2 OR ended IS NULL) ORDER BY opened "
                        "DESC LIMIT ?3",
                        *device, live_only, limit));
    return read_all(std::move(query), read_access_session);
  }
  TRY(auto query, database_.query("SELECT " ACCESS_SESSION_COLUMNS
                                  " FROM access_session WHERE (NOT ?1 OR ended IS NULL) ORDER BY opened DESC LIMIT ?2",
                                  live_only, limit));
  return read_all(std::move(query), read_access_session);
}

}  // namespace sallyport::store
