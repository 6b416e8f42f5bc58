#include "authority/core.h"

#include <utility>

#include "authority/admin_json.h"
#include "authority/control_certificates.h"
#include "authority/pauses.h"
#include "authority/sessions.h"
#include "base/counted.h"
#include "base/log.h"
#include "codec/text.h"
#include "net/io.h"

namespace sallyport::authority {
namespace {

constexpr std::size_t kMaxAnnouncedEntries = 1'000;  // of one commit; consoles read the rest
constexpr milliseconds kAuditWalkLimit{30'000};      // for another walk that is under way

net::RpcLinkOptions signer_link(std::string path) {
  net::RpcLinkOptions options;
  options.path = std::move(path);
  options.rpc.max_frame = pki::kMaxSigningRequestBytes;
  options.rpc.max_calls = pki::kMaxSigningCalls;
  return options;
}

// A read on another thread, for which the core waits before it goes, until it goes itself.
class Aside {
 public:
  explicit Aside(std::shared_ptr<std::atomic<int>> count) : count_(std::move(count)) {}
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;
  ~Aside() {
    --*count_;
    count_->notify_all();
  }

 private:
  std::shared_ptr<std::atomic<int>> count_;
};

}  // namespace

Core::Core(net::Executor executor, records::RecordDatabase& database, const Clock& clock, Random& random,
           std::string signer_socket, Policy policy)
    : executor_(executor),
      database_(database),
      clock_(clock),
      random_(random),
      signer_(executor, random, signer_link(std::move(signer_socket))),
      policy_(policy),
      turns_(executor),
      feed_(*this, executor),
      log_(*this, executor),
      crls_(*this) {}

Core::~Core() {
  for (int left = asides_->load(); left != 0; left = asides_->load()) asides_->wait(left);
}

net::Task<Result<void>> Core::read_aside(records::RecordDatabase::Work work) const {
  ++*asides_;
  const auto read = [&database = database_, work = std::move(work), asides = asides_]() -> Result<void> {
    const Aside aside(asides);
    return database.read(work);
  };
  co_return co_await net::run_blocking(read);
}

net::Task<Result<void>> Core::walk_audit(bool anew) {
  CO_TRY(auto turn, co_await turns_.take("audit/walk", kAuditWalkLimit));
  if (audit_walked_ && !anew) co_return Result<void>{};
  const auto walk = std::make_shared<AuditWalk>();
  CO_TRY_VOID(co_await read_aside([walk](records::Records& records) { return walk->go_on(records); }));
  if (audit_walked_) walk->compare(audit_walk_);
  audit_walk_ = std::move(*walk);
  audit_walked_ = true;
  if (const auto broken = audit_walk_.broken_at()) {
    announce_alarm("audit.broken", {}, "audit log",
                   fmt::format("entry {} does not continue the chain: it was altered, or one is missing", *broken));
  }
  co_return Result<void>{};
}

std::string Core::tenant_of(std::string_view device_name) const {
  std::string tenant;
  const auto name = parse_device_name(device_name);
  if (!name) return tenant;
  static_cast<void>(read([&](records::Records& records) -> Result<void> {
    TRY(auto device, records.devices().find_by_name(*name));
    if (device) tenant = device->tenant;
    return {};
  }));
  return tenant;
}

Result<void> Core::reload_installation() {
  return database_.read([this](records::Records& records) -> Result<void> {
    TRY(auto installation, Installation::load(records));
    installation_ = std::make_unique<Installation>(std::move(installation));
    if (!audit_told_) {
      TRY(auto head, records.audit().head());
      audit_told_ = head ? head->sequence : 0;
    }
    return {};
  });
}

net::Task<Result<pki::SigningAnswer>> Core::sign(pki::SigningRequest request) {
  std::optional<Counted> counted;
  if (std::holds_alternative<pki::IssueCertificate>(request)) {
    if (issuing_ >= pki::kMaxIssuingCalls) {
      co_return failf(Errc::overloaded, "signer: {} certificates are being issued already", issuing_);
    }
    counted.emplace(issuing_);
  }
  Bytes encoded = pki::encode_signing_request(request);
  const auto* object = std::get_if<pki::SignObject>(&request);
  CO_TRY(auto bytes, co_await signer_.call(std::move(encoded), kSigningLimit));
  CO_TRY(auto answer, pki::parse_signing_answer(bytes));
  if (auto* refusal = std::get_if<Error>(&answer)) {
    if (object != nullptr && refusal->code == Errc::expired && renewing_.insert(object->kind).second) {
      net::spawn(executor_, renew_ended(object->kind), "authority.control-certificate");
    }
    co_return std::unexpected(std::move(*refusal).at("signer"));
  }
  co_return answer;
}

net::Task<void> Core::renew_ended(pki::ControlKind kind) {
  if (auto renewed = co_await renew_control_certificate(*this, kind); !renewed) {
    log::error("control-certificate.not-renewed", {{"kind", pki::to_string(kind)}, {"error", renewed.error()}});
  }
  renewing_.erase(kind);
}

net::Task<Result<void>> Core::store(records::RecordDatabase::Work work) {
  auto start = [this, work = std::move(work)](std::function<void(Result<void>)> done) mutable {
    database_.write(std::move(work), std::move(done));
  };
  return net::await_callback(std::move(start));
}

net::Task<Result<void>> Core::store_repeatable(records::RecordDatabase::Work work) {
  auto start = [this, work = std::move(work)](std::function<void(Result<void>)> done) mutable {
    database_.write_repeatable(std::move(work), std::move(done));
  };
  return net::await_callback(std::move(start));
}

net::Task<Result<void>> Core::commit(records::RecordDatabase::Work work) {
  auto result = co_await store(std::move(work));
  if (result) tell_of_commits();
  co_return result;
}

net::Task<Result<void>> Core::commit_repeatable(records::RecordDatabase::Work work) {
  auto result = co_await store_repeatable(std::move(work));
  if (result) tell_of_commits();
  co_return result;
}

// Once for all works that shared a commit: whoever is told reads what is committed by then.
void Core::tell_of_commits() {
  const std::uint64_t commits = database_.commit_count();
  if (std::exchange(told_commits_, commits) == commits) return;
  feed_.changed();
  log_.changed();
  announce_audit();
}

Result<Core::Heads> Core::find_heads() {
  const std::uint64_t commits = database_.commit_count();  // first: what is read is of this commit or a later one
  if (heads_ && heads_->commits == commits) return *heads_;
  Heads found{.commits = commits};
  TRY_VOID(read([&found](records::Records& records) -> Result<void> {
    TRY(found.change_number, records.change_number());
    TRY(const auto audit, records.audit().head());
    if (audit) found.audit_sequence = audit->sequence;
    return {};
  }));
  heads_ = found;
  return found;
}

// Entries that were there before this process began are read by who wants them, not announced.
void Core::announce_audit() {
  const auto heads = find_heads();
  if (!heads) return log::error("authority.audit-not-announced", {{"error", heads.error()}});
  const std::uint64_t newest = heads->audit_sequence;
  if (audit_told_ && *audit_told_ >= newest) return;
  const auto announced = read([this, newest](records::Records& records) -> Result<void> {
    records::AuditFilter filter;
    filter.after = std::exchange(audit_told_, newest).value_or(newest);
    filter.limit = kMaxAnnouncedEntries;
    TRY(auto entries, records.audit().list(filter));
    for (const records::AuditEntry& entry : entries) announce("audit", audit_entry_json(entry));
    return {};
  });
  if (!announced) log::error("authority.audit-not-announced", {{"error", announced.error()}});
}

net::Task<Result<void>> Core::until_in_force() {
  CO_TRY(const auto heads, find_heads());
  co_return co_await feed_.until_in_force(heads.change_number);
}

net::Task<Result<void>> Core::until_known() {
  CO_TRY(const auto heads, find_heads());
  co_return co_await feed_.until_known(heads.change_number);
}

Result<codec::Json> Core::describe_device(records::Records& records, const records::DeviceRecord& device) const {
  DeviceSurroundings around;
  around.now = clock_.now();
  around.pause = pauses_.find(pause_name(device.site, device.serial_id), clock_.monotonic());
  if (device.name) {
    around.online = presence_.find(*device.name);
    around.last_seen = presence_.last_seen(*device.name);
    around.live_sessions = grants_.of_device(*device.name).size();
    TRY(auto certificates,
        records.certificates().list_by_subject(records::CertificateKind::operational, device.name->get()));
    for (const records::CertificateRecord& certificate : certificates) {
      if (certificate.state != records::CertificateState::issued) continue;
      around.certificate_expires = certificate.not_after;
      if (!around.pause) around.pause = pauses_.find(pause_name(certificate.serial), clock_.monotonic());
      break;
    }
  }
  return device_json(device, around);
}

void Core::announce_record(const records::DeviceRecord& device, const codec::Json& shown) {
  feed_.announce("device", device.tenant, shown);
}

void Core::announce_device(const DeviceName& name) {
  static_cast<void>(read([&](records::Records& records) -> Result<void> {
    TRY(auto device, records.devices().find_by_name(name));
    if (!device) return {};
    TRY(auto shown, describe_device(records, *device));
    announce_record(*device, shown);
    return {};
  }));
}

void Core::announce_device(const SiteName& site, const SerialId& serial_id) {
  static_cast<void>(read([&](records::Records& records) -> Result<void> {
    TRY(auto device, records.devices().find(site, serial_id));
    if (!device) return {};
    TRY(auto shown, describe_device(records, *device));
    announce_record(*device, shown);
    return {};
  }));
}

void Core::announce_alarm(std::string_view kind, std::string_view tenant, std::string_view subject,
                          std::string_view detail) {
  kind = codec::cut_utf8(kind, records::kMaxAlarmKind);
  subject = codec::cut_utf8(subject, records::kMaxAlarmSubject);
  detail = codec::cut_utf8(detail, records::kMaxAlarmDetail);
  log::warn("alarm", {{"kind", kind}, {"tenant", tenant}, {"subject", subject}, {"detail", detail}});
  feed_.announce(
      "alarm", tenant,
      codec::Json::Object{{"kind", kind}, {"time", to_iso8601(clock_.now())}, {"device", subject}, {"detail", detail}});
}

net::Task<void> Core::cut_sessions_of(DeviceName device, std::string reason) {
  for (const tunnel::GrantId& session : grants_.of_device(device)) co_await end_session(*this, session, reason);
}

}  // namespace sallyport::authority
