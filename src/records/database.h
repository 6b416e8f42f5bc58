// The authority's database as its users see it: transactions over all the records.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>

#include "records/audit_record.h"
#include "records/certificate_record.h"
#include "records/device_record.h"
#include "records/log_record.h"
#include "records/site_record.h"
#include "records/user_record.h"

namespace sallyport::records {

// All the records inside one transaction. Lives as long as the transaction; not thread-safe.
class Records {
 public:
  virtual ~Records() = default;
  virtual CertificateStore& certificates() = 0;
  virtual DeviceDirectory& devices() = 0;
  virtual SiteDirectory& sites() = 0;
  virtual UserDirectory& users() = 0;
  virtual AuditLog& audit() = 0;
  virtual AccessSessionLog& access_sessions() = 0;
  virtual LogStore& log() = 0;

  // Rises with every transaction that changed a certificate or a device; the number of the snapshot that shows it.
  virtual Result<std::uint64_t> change_number() const = 0;
  // Raises it for a change that is in no certificate or device: another root CRL, another CA.
  virtual Result<void> raise_change_number() = 0;
  // Raises it above `known`, a number that roles may have been told before these records were set back to an older
  // state. Nothing happens when it is above already.
  virtual Result<void> raise_change_number_above(std::uint64_t known) = 0;

  // Small named values of the installation: its id, the root CRL, CA certificates, counters that never go back.
  virtual Result<std::optional<Bytes>> find_value(std::string_view name) const = 0;
  virtual Result<void> put_value(std::string_view name, ByteView value) = 0;
};

// A database of records. Thread-safe. Work is run on the database's own threads and must not touch what belongs to
// others.
class RecordDatabase {
 public:
  using Work = std::function<Result<void>(Records&)>;
  using Done = std::function<void(Result<void>)>;

  virtual ~RecordDatabase() = default;

  // Runs `work` in a transaction; works that wait share one commit and one fsync, and each sees those before it. An
  // error of `work` undoes that work alone. `done` is called once, on a thread of the database, after the commit is
  // durable.
  virtual void write(Work work, Done done) = 0;
  // The same, cheaper where many wait, for a work that may be run more than once before the commit: whatever it does
  // beyond its records must be right when the last run alone counts.
  virtual void write_repeatable(Work work, Done done) { write(std::move(work), std::move(done)); }
  // The same as write(), waiting. Not for threads that serve a network.
  virtual Result<void> write_and_wait(Work work) = 0;
  // Runs `work` at once on the calling thread over a consistent state of committed transactions; writing in it is
  // Errc::internal.
  virtual Result<void> read(const Work& work) const = 0;
  // Rises with every commit, before any `done` of it is called: while it is the same, read() sees the same.
  // Thread-safe.
  virtual std::uint64_t commit_count() const = 0;
};

}  // namespace sallyport::records
