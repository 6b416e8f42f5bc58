// What all parts of the authority share: records, signer, feed, the tables in memory. One thread.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "authority/audit.h"
#include "authority/crl_keeper.h"
#include "authority/failure_pause.h"
#include "authority/feed.h"
#include "authority/grant_book.h"
#include "authority/installation.h"
#include "authority/log_keeper.h"
#include "authority/presence.h"
#include "authority/site_alarm_limiter.h"
#include "authority/status_hosts.h"
#include "authority/try_limiter.h"
#include "authority/turns.h"
#include "base/random.h"
#include "base/time.h"
#include "codec/json.h"
#include "net/rpc_link.h"
#include "net/task.h"
#include "pki/signing_request.h"
#include "records/database.h"

namespace sallyport::authority {

inline constexpr milliseconds kSigningLimit{10'000};

// What an installation may choose.
struct Policy {
  // How long after its end an operational certificate may still be renewed, over the enrolment endpoint alone.
  seconds renew_expired = 5 * 365 * kDay;
};

class Core {
 public:
  // Borrows all that it is given for its lifetime. `signer_socket` is the path of the signer's socket.
  Core(net::Executor executor, records::RecordDatabase& database, const Clock& clock, Random& random,
       std::string signer_socket, Policy policy = {});
  // Waits for what is being read on other threads.
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // Reads CAs and root CRL anew; before the first success nothing else may be called.
  Result<void> reload_installation();

  const Clock& clock() const { return clock_; }
  Random& random() const { return random_; }
  net::Executor executor() const { return executor_; }
  const Installation& installation() const { return *installation_; }
  PresenceTable& presence() { return presence_; }
  const PresenceTable& presence() const { return presence_; }
  GrantBook& grants() { return grants_; }
  Feed& feed() { return feed_; }
  LogKeeper& log() { return log_; }
  CrlKeeper& crls() { return crls_; }
  StatusHosts& status_hosts() { return status_hosts_; }
  TryLimiter& claim_limiter() { return claim_limiter_; }
  TryLimiter& alarm_limiter() { return alarm_limiter_; }            // of the authority's own alarms
  TryLimiter& told_alarm_limiter() { return told_alarm_limiter_; }  // of those that roles tell
  TryLimiter& person_limiter() { return person_limiter_; }
  SiteAlarmLimiter& site_alarm_limiter() { return site_alarm_limiter_; }
  FailurePause& pauses() { return pauses_; }
  const FailurePause& pauses() const { return pauses_; }
  Turns& turns() { return turns_; }
  const Policy& policy() const { return policy_; }

  // How far the committed records have come; read at most once per commit of the database.
  struct Heads {
    std::uint64_t commits = 0;  // RecordDatabase::commit_count() when this was read
    std::uint64_t change_number = 0;
    std::uint64_t audit_sequence = 0;
  };
  Result<Heads> find_heads();

  // Asks the signer. A refusal of the signer is returned as its Error; Errc::overloaded while pki::kMaxIssuingCalls
  // certificates are being issued. When the certificate of a control key has ended,
  // a new one is ordered meanwhile, and the same call succeeds a moment later.
  net::Task<Result<pki::SigningAnswer>> sign(pki::SigningRequest request);
  // Commits durably and tells nobody. `work` runs on a thread of the database.
  net::Task<Result<void>> store(records::RecordDatabase::Work work);
  // Commits durably, then lets the feed tell the roles, and the consoles what the audit log gained. `work` runs on a
  // thread of the database.
  net::Task<Result<void>> commit(records::RecordDatabase::Work work);
  // The same for works that may be run more than once, as of RecordDatabase::write_repeatable().
  net::Task<Result<void>> store_repeatable(records::RecordDatabase::Work work);
  net::Task<Result<void>> commit_repeatable(records::RecordDatabase::Work work);
  Result<void> read(const records::RecordDatabase::Work& work) const { return database_.read(work); }
  // Runs `work` on another thread, for what takes long: the loop has leases to give. What it throws is Errc::internal.
  net::Task<Result<void>> read_aside(records::RecordDatabase::Work work) const;
  // Walks over the whole audit log and compares with the walk before; unless `anew`, only when there was none.
  net::Task<Result<void>> walk_audit(bool anew);
  AuditWalk& audit_walk() { return audit_walk_; }
  // Of the device of that name; empty when nobody has it.
  std::string tenant_of(std::string_view device_name) const;
  // Returns when everything committed before this call is in force at every role that may admit sessions.
  net::Task<Result<void>> until_in_force();
  // The same, for something new rather than something that ended: roles of which this run knows nothing do not count.
  net::Task<Result<void>> until_known();

  // The device as the administration interface shows it.
  Result<codec::Json> describe_device(records::Records& records, const records::DeviceRecord& device) const;

  // Tell the consoles.
  void announce_device(const DeviceName& name);
  void announce_device(const SiteName& site, const SerialId& serial_id);
  // `tenant` is whose thing `subject` is; empty: the installation's. Texts are cut to what an alarm may carry.
  void announce_alarm(std::string_view kind, std::string_view tenant, std::string_view subject,
                      std::string_view detail);
  void announce(std::string_view event, const codec::Json& data) { feed_.announce(event, {}, data); }
  void announce_to(std::string_view tenant, std::string_view event, const codec::Json& data) {
    feed_.announce(event, tenant, data);
  }

  // Ends every session of a device, everywhere.
  net::Task<void> cut_sessions_of(DeviceName device, std::string reason);
  void send_grant(ByteView sealed) { feed_.send_grant(sealed); }
  void send_cut(Bytes session, std::string reason) { feed_.send_cut({std::move(session), std::move(reason)}); }
  net::Task<Result<void>> until_grant_is_known(tunnel::GrantId session, net::Deadline deadline) {
    return feed_.until_grant_is_known(session, deadline);
  }

 private:
  net::Task<void> renew_ended(pki::ControlKind kind);
  void announce_record(const records::DeviceRecord& device, const codec::Json& shown);
  void announce_audit();
  void tell_of_commits();

  net::Executor executor_;
  records::RecordDatabase& database_;
  const Clock& clock_;
  Random& random_;
  net::RpcLink signer_;
  std::unique_ptr<Installation> installation_;
  std::optional<std::uint64_t> audit_told_;  // the last entry that was announced
  AuditWalk audit_walk_;
  bool audit_walked_ = false;
  std::shared_ptr<std::atomic<int>> asides_ = std::make_shared<std::atomic<int>>(0);  // reads on other threads
  PresenceTable presence_;
  StatusHosts status_hosts_;
  std::optional<Heads> heads_;
  std::uint64_t told_commits_ = 0;       // RecordDatabase::commit_count() of the last commit that was told of
  std::size_t issuing_ = 0;              // certificates that are at the signer
  std::set<pki::ControlKind> renewing_;  // control certificates that are being ordered
  GrantBook grants_;
  TryLimiter claim_limiter_;
  TryLimiter alarm_limiter_;
  TryLimiter told_alarm_limiter_;
  TryLimiter person_limiter_;
  SiteAlarmLimiter site_alarm_limiter_;
  FailurePause pauses_;
  Policy policy_;
  Turns turns_;
  Feed feed_;
  LogKeeper log_;
  CrlKeeper crls_;
};

}  // namespace sallyport::authority
