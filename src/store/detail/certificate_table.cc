#include "store/detail/record_tables.h"

namespace sallyport::store {
namespace {

using records::CaName;
using records::CertificateKind;
using records::CertificateRecord;
using records::CertificateSerial;
using records::CertificateState;
using records::RevocationReason;

#define CERTIFICATE_COLUMNS \
  "ca, serial, kind, state, subject, spki_sha256, der, not_before, not_after, recorded_at, revoked_at, reason"
#define CERTIFICATE_COLUMNS_WITHOUT_DER \
  "ca, serial, kind, state, subject, spki_sha256, x'', not_before, not_after, recorded_at, revoked_at, reason"

Result<CertificateRecord> read_certificate(const Query& row) {
  CertificateRecord record{.ca = CaName(row.text(0)),
                           .serial = CertificateSerial(row.bytes(1)),
                           .kind = static_cast<CertificateKind>(row.integer(2)),
                           .state = static_cast<CertificateState>(row.integer(3)),
                           .subject = row.text(4),
                           .der = row.bytes(6),
                           .not_before = row.time(7),
                           .not_after = row.time(8),
                           .recorded_at = row.time(9),
                           .revoked_at = row.optional_time(10),
                           .reason = static_cast<RevocationReason>(row.integer(11))};
  TRY(record.spki_sha256, row.array<32>(5));
  return record;
}

Result<records::NumberedCertificate> read_numbered(const Query& row) {
  TRY(auto record, read_certificate(row));
  return records::NumberedCertificate{row.unsigned_integer(12), std::move(record)};
}

}  // namespace

Result<std::uint64_t> ChangeCounter::current() {
  if (!state_.change_number) {
    TRY(auto number, database_.integer("SELECT number FROM change"));
    state_.change_number = static_cast<std::uint64_t>(number);
  }
  return *state_.change_number;
}

Result<std::uint64_t> ChangeCounter::next() {
  TRY(const auto number, current());
  state_.change_number = number + 1;
  state_.is_raised = true;
  return number + 1;
}

Result<void> ChangeCounter::raise_above(std::uint64_t known) {
  TRY(const auto number, current());
  if (known < number) return {};
  state_.change_number = known + 1;
  state_.is_raised = true;
  return {};
}

Result<void> ChangeCounter::store() {
  if (!state_.is_raised) return {};
  TRY_VOID(database_.run("UPDATE change SET number = ?1", state_.change_number));
  state_.is_raised = false;
  return {};
}

Result<void> CertificateTable::record_intent(const CertificateRecord& record) {
  if (record.state != CertificateState::intent || !record.der.empty())
    return fail(Errc::internal, "certificate: an intent has no certificate yet");
  TRY(auto inserted,
      database_.run("INSERT INTO certificate(" CERTIFICATE_COLUMNS
                    ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, x'', ?7, ?8, ?9, NULL, 0) ON CONFLICT(ca, serial) DO NOTHING",
                    record.ca, record.serial, record.kind, record.state, record.subject, record.spki_sha256,
                    record.not_before, record.not_after, record.recorded_at));
  if (inserted == 0) return failf(Errc::conflict, "certificate: {} has used this serial", record.ca.get());
  return {};
}

Result<void> CertificateTable::record_issued(const CaName& ca, const CertificateSerial& serial, ByteView der) {
  TRY(auto number, changes_.next());
  TRY(auto updated,
      database_.run("UPDATE certificate SET state = ?3, der = ?4, changed = ?5 WHERE ca = ?1 AND serial = ?2 "
                    "AND state = ?6",
                    ca, serial, CertificateState::issued, der, number, CertificateState::intent));
  if (updated == 0) return failf(Errc::not_found, "certificate: {} has no such intent", ca.get());
  return {};
}

Result<void> CertificateTable::void_intent(const CaName& ca, const CertificateSerial& serial) {
  TRY(auto updated, database_.run("UPDATE certificate SET state = ?3 WHERE ca = ?1 AND serial = ?2 AND state = ?4", ca,
                                  serial, CertificateState::void_intent, CertificateState::intent));
  if (updated == 0) return failf(Errc::not_found, "certificate: {} has no such intent", ca.get());
  return {};
}

Result<void> CertificateTable::revoke(const CaName& ca, const CertificateSerial& serial, UnixTime at,
                                      RevocationReason reason) {
  TRY(auto recorded, find(ca, serial));
  if (!recorded) return failf(Errc::not_found, "certificate: {} has never recorded this serial", ca.get());
  if (recorded->state == CertificateState::revoked) return {};
  TRY(auto number, changes_.next());
  TRY_VOID(
      database_.run("UPDATE certificate SET state = ?3, revoked_at = ?4, reason = ?5, changed = ?6 WHERE ca = ?1 AND "
                    "serial = ?2",
                    ca, serial, CertificateState::revoked, at, reason, number));
  return {};
}

Result<std::optional<CertificateRecord>> CertificateTable::find(const CaName& ca,
                                                                const CertificateSerial& serial) const {
  TRY(auto query,
      database_.query("SELECT " CERTIFICATE_COLUMNS " FROM certificate WHERE ca = ?1 AND serial = ?2", ca, serial));
  return read_first(std::move(query), read_certificate);
}

Result<std::optional<CertificateRecord>> CertificateTable::find_by_spki(CertificateKind kind,
                                                                        const records::Digest& spki_sha256) const {
  TRY(auto query, database_.query("SELECT " CERTIFICATE_COLUMNS
                                  " FROM certificate WHERE spki_sha256 = ?2 AND kind = ?1 AND state = ?3 "
                                  "ORDER BY id DESC LIMIT 1",
                                  kind, spki_sha256, CertificateState::issued));
  return read_first(std::move(query), read_certificate);
}

Result<std::vector<CertificateRecord>> CertificateTable::list_by_spki(CertificateKind kind,
                                                                      const records::Digest& spki_sha256) const {
  TRY(auto query,
      database_.query("SELECT " CERTIFICATE_COLUMNS
                      " FROM certificate WHERE spki_sha256 = ?2 AND kind = ?1 AND state != ?3 ORDER BY id DESC",
                      kind, spki_sha256, CertificateState::void_intent));
  return read_all(std::move(query), read_certificate);
}

Result<std::vector<CertificateRecord>> CertificateTable::list_by_subject(CertificateKind kind,
                                                                         std::string_view subject) const {
  TRY(auto query, database_.query("SELECT " CERTIFICATE_COLUMNS
                                  " FROM certificate WHERE subject = ?2 AND kind = ?1 AND state != ?3 ORDER BY id DESC",
                                  kind, subject, CertificateState::void_intent));
  return read_all(std::move(query), read_certificate);
}

Result<std::vector<CertificateRecord>> CertificateTable::list_by_state(CertificateState state,
                                                                       std::size_t limit) const {
  TRY(auto query,
      database_.query("SELECT " CERTIFICATE_COLUMNS " FROM certificate WHERE state = ?1 LIMIT ?2", state, limit));
  return read_all(std::move(query), read_certificate);
}

Result<std::vector<CertificateRecord>> CertificateTable::changed_after(std::uint64_t after, std::size_t limit) const {
  TRY(auto query, database_.query("SELECT " CERTIFICATE_COLUMNS
                                  " FROM certificate WHERE changed > 0 AND changed > ?1 ORDER BY changed LIMIT ?2",
                                  after, limit));
  return read_all(std::move(query), read_certificate);
}

Result<void> CertificateTable::visit_changed(std::uint64_t after,
                                             const std::function<Result<void>(const CertificateRecord&)>& visit) const {
  TRY(auto query, database_.query("SELECT " CERTIFICATE_COLUMNS_WITHOUT_DER
                                  " FROM certificate WHERE changed > 0 AND changed > ?1 ORDER BY changed",
                                  after));
  return visit_all(std::move(query), read_certificate, visit);
}

Result<void> CertificateTable::visit_of_ca(const CaName& ca,
                                           const std::function<Result<void>(const CertificateRecord&)>& visit) const {
  TRY(auto query, database_.query("SELECT " CERTIFICATE_COLUMNS_WITHOUT_DER
                                  " FROM certificate WHERE ca = ?1 AND state != ?2 ORDER BY id",
                                  ca, CertificateState::void_intent));
  return visit_all(std::move(query), read_certificate, visit);
}

Result<std::vector<records::NumberedCertificate>> CertificateTable::list_after(std::uint64_t number,
                                                                               std::size_t limit) const {
  TRY(auto query,
      database_.query("SELECT " CERTIFICATE_COLUMNS ", id FROM certificate WHERE id > ?1 ORDER BY id LIMIT ?2", number,
                      limit));
  return read_all(std::move(query), read_numbered);
}

// A bare column beside max() is of the row that has it (https://www.sqlite.org/lang_select.html#bareagg).
Result<void> CertificateTable::visit_lasting(CertificateKind kind,
                                             const std::function<Result<void>(const CertificateRecord&)>& visit) const {
  TRY(auto query, database_.query("SELECT ca, serial, kind, state, subject, spki_sha256, x'', not_before, "
                                  "max(not_after), recorded_at, revoked_at, reason FROM certificate "
                                  "WHERE kind = ?1 AND state = ?2 GROUP BY subject ORDER BY subject",
                                  kind, CertificateState::issued));
  return visit_all(std::move(query), read_certificate, visit);
}

Result<std::uint64_t> CertificateTable::count_alive(const CaName& ca, UnixTime now) const {
  TRY(auto found, database_.integer("SELECT count(*) FROM certificate WHERE state = ?2 AND ca = ?1 AND not_after > ?3",
                                    ca, CertificateState::issued, now));
  return static_cast<std::uint64_t>(found);
}

Result<std::uint64_t> CertificateTable::count(const CaName& ca, CertificateState state) const {
  TRY(auto found, database_.integer("SELECT count(*) FROM certificate WHERE state = ?2 AND ca = ?1", ca, state));
  return static_cast<std::uint64_t>(found);
}

}  // namespace sallyport::store
