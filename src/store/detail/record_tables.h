// The records' interfaces over the tables of one connection, inside one transaction. None is thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "records/database.h"
#include "store/detail/sqlite.h"

namespace sallyport::store {

// What a transaction has read once and knows since.
struct TransactionState {
  std::optional<std::uint64_t> change_number;
  bool is_raised = false;  // the change number is not stored yet
  std::optional<std::uint64_t> log_size;
};

// Numbers the changes that snapshots show. Each changed row gets a number of its own, so that reading in portions by
// number loses none. Borrows the state of its transaction.
class ChangeCounter {
 public:
  ChangeCounter(Database& database, TransactionState& state) : database_(database), state_(state) {}
  Result<std::uint64_t> current();
  // Takes the next number.
  Result<std::uint64_t> next();
  Result<void> raise_above(std::uint64_t known);
  // Stores the last that was taken; called once, at the end of a transaction.
  Result<void> store();

 private:
  Database& database_;
  TransactionState& state_;
};

class CertificateTable final : public records::CertificateStore {
 public:
  CertificateTable(Database& database, ChangeCounter& changes) : database_(database), changes_(changes) {}

  Result<void> record_intent(const records::CertificateRecord& record) override;
  Result<void> record_issued(const records::CaName& ca, const records::CertificateSerial& serial,
                             ByteView der) override;
  Result<void> void_intent(const records::CaName& ca, const records::CertificateSerial& serial) override;
  Result<void> revoke(const records::CaName& ca, const records::CertificateSerial& serial, UnixTime at,
                      records::RevocationReason reason) override;
  Result<std::optional<records::CertificateRecord>> find(const records::CaName& ca,
                                                         const records::CertificateSerial& serial) const override;
  Result<std::optional<records::CertificateRecord>> find_by_spki(records::CertificateKind kind,
                                                                 const records::Digest& spki_sha256) const override;
  Result<std::vector<records::CertificateRecord>> list_by_spki(records::CertificateKind kind,
                                                               const records::Digest& spki_sha256) const override;
  Result<std::vector<records::CertificateRecord>> list_by_subject(records::CertificateKind kind,
                                                                  std::string_view subject) const override;
  Result<std::vector<records::CertificateRecord>> list_by_state(records::CertificateState state,
                                                                std::size_t limit) const override;
  Result<std::vector<records::CertificateRecord>> changed_after(std::uint64_t after, std::size_t limit) const override;
  Result<void> visit_changed(
      std::uint64_t after, const std::function<Result<void>(const records::CertificateRecord&)>& visit) const override;
  Result<void> visit_of_ca(const records::CaName& ca,
                           const std::function<Result<void>(const records::CertificateRecord&)>& visit) const override;
  Result<void> visit_lasting(
      records::CertificateKind kind,
      const std::function<Result<void>(const records::CertificateRecord&)>& visit) const override;
  Result<std::uint64_t> count(const records::CaName& ca, records::CertificateState state) const override;
  Result<std::vector<records::NumberedCertificate>> list_after(std::uint64_t number, std::size_t limit) const override;
  Result<std::uint64_t> count_alive(const records::CaName& ca, UnixTime now) const override;

 private:
  Database& database_;
  ChangeCounter& changes_;
};

class DeviceTable final : public records::DeviceDirectory {
 public:
  DeviceTable(Database& database, ChangeCounter& changes) : database_(database), changes_(changes) {}

  Result<void> add(const records::DeviceRecord& device) override;
  Result<void> update(const records::DeviceRecord& device) override;
  Result<std::optional<records::DeviceRecord>> find(const SiteName& site, const SerialId& serial_id) const override;
  Result<std::optional<records::DeviceRecord>> find_by_name(const DeviceName& name) const override;
  Result<std::vector<records::DeviceRecord>> find_by_serial_id(const SerialId& serial_id) const override;
  Result<std::vector<records::DeviceRecord>> list(std::string_view tenant_or_empty, std::size_t limit,
                                                  const std::optional<records::DeviceRecord>& after) const override;
  Result<std::vector<records::DeviceRecord>> changed_after(std::uint64_t after, std::size_t limit) const override;
  Result<void> visit_changed(std::uint64_t after,
                             const std::function<Result<void>(const records::DeviceRecord&)>& visit) const override;
  Result<std::uint64_t> count(const SiteName& site, records::DeviceState at_least) const override;

 private:
  Database& database_;
  ChangeCounter& changes_;
};

class SiteTable final : public records::SiteDirectory {
 public:
  explicit SiteTable(Database& database) : database_(database) {}

  Result<void> add(const records::SiteRecord& site) override;
  Result<void> update(const records::SiteRecord& site) override;
  Result<std::optional<records::SiteRecord>> find(const SiteName& name) const override;
  Result<std::vector<records::SiteRecord>> list() const override;

 private:
  Database& database_;
};

class UserTable final : public records::UserDirectory {
 public:
  explicit UserTable(Database& database) : database_(database) {}

  Result<void> add(const records::UserRecord& user) override;
  Result<void> update(const records::UserRecord& user) override;
  Result<std::optional<records::UserRecord>> find(std::string_view login) const override;
  Result<std::vector<records::UserRecord>> list() const override;
  Result<void> put_login_session(const records::LoginSessionRecord& session) override;
  Result<std::optional<records::LoginSessionRecord>> find_login_session(
      const records::Digest& token_sha256) const override;
  Result<std::vector<records::LoginSessionRecord>> list_login_sessions(UnixTime expired_by, UnixTime unused_since,
                                                                       std::size_t limit) const override;
  Result<void> end_login_session(const records::Digest& token_sha256) override;
  Result<void> end_login_sessions(std::string_view login) override;

 private:
  Database& database_;
};

class AuditTable final : public records::AuditLog {
 public:
  explicit AuditTable(Database& database) : database_(database) {}

  Result<void> append(const records::AuditEntry& entry) override;
  Result<std::optional<records::AuditEntry>> head() const override;
  Result<std::vector<records::AuditEntry>> list(const records::AuditFilter& filter) const override;

 private:
  Database& database_;
};

class AccessSessionTable final : public records::AccessSessionLog {
 public:
  explicit AccessSessionTable(Database& database) : database_(database) {}

  Result<void> put(const records::AccessSessionRecord& session) override;
  Result<std::optional<records::AccessSessionRecord>> find(ByteView grant_id) const override;
  Result<std::vector<records::AccessSessionRecord>> list(const std::optional<DeviceName>& device, bool live_only,
                                                         std::size_t limit) const override;

 private:
  Database& database_;
};

// Reads every row of `query` with `read` and hands it to `visit`, until that fails.
template <class T>
Result<void> visit_all(Query query, Result<T> (*read)(const Query&),
                       const std::function<Result<void>(const T&)>& visit) {
  while (true) {
    TRY(auto found, query.next());
    if (!found) return {};
    TRY(auto row, read(query));
    TRY_VOID(visit(row));
  }
}

// Reads every row of `query` with `read`, a Result<T>(const Query&).
template <class T>
Result<std::vector<T>> read_all(Query query, Result<T> (*read)(const Query&)) {
  std::vector<T> out;
  while (true) {
    TRY(auto found, query.next());
    if (!found) return out;
    TRY(auto row, read(query));
    out.push_back(std::move(row));
  }
}

template <class T>
Result<std::optional<T>> read_first(Query query, Result<T> (*read)(const Query&)) {
  TRY(auto found, query.next());
  if (!found) return std::nullopt;
  TRY(auto row, read(query));
  return std::optional<T>(std::move(row));
}

}  // namespace sallyport::store
