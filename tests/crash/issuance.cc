#include "issuance.h"

#include "authority/administration.h"
#include "authority/enrolment.h"
#include "authority/issuance.h"
#include "authority/ledger_import.h"
#include "authority/renewal.h"
#include "codec/der.h"
#include "pki/csr.h"

namespace sallyport::crash {
namespace {

using integration::kNow;
using integration::kSite;

// The serial in to-be-signed bytes (RFC 5280 §4.1: version, then serialNumber); absent for a CRL, whose version is a
// plain INTEGER (§5.1).
std::optional<records::CertificateSerial> serial_of(ByteView tbs) {
  auto fields = codec::der::enter_only(tbs, codec::der::Tag::sequence, "to-be-signed certificate or CRL");
  EXPECT_TRUE(fields.has_value());
  if (fields->peek() == codec::der::Tag::integer) return std::nullopt;
  EXPECT_TRUE(fields->any());
  const auto serial = fields->integer();
  EXPECT_TRUE(serial.has_value());
  return records::CertificateSerial(to_bytes(*serial));
}

// Lets what a finished task has left on the loop run, so that nothing of it outlives what it works on.
net::Task<void> settle() {
  for (int i = 0; i < 8; ++i) co_await net::yield();
}

net::Task<Result<void>> administer_task(authority::Core& core, records::AdminRequest request) {
  CO_TRY(auto answer, co_await authority::administer(core, std::move(request)));
  static_cast<void>(answer);
  co_return Result<void>{};
}

net::Task<Result<void>> import_task(authority::Core& core, Bytes exported) {
  const auto work = [&core, exported](records::Records& records) -> Result<void> {
    const std::vector<pki::Certificate> anchors(core.installation().anchors().begin(),
                                                core.installation().anchors().end());
    std::optional<authority::SiteAlarm> alarm;
    TRY(auto imported, authority::import_ledger(records, kSite, exported, anchors, core.clock().now(), "test", alarm));
    static_cast<void>(imported);
    return {};
  };
  co_return co_await core.commit(work);
}

net::Task<void> ask_into(AuthorityRun& run, Ask& ask) {
  auto leaf = co_await run.ask_task(ask);
  ask.answered = FileCalls::get().position();
  if (leaf) {
    ask.leaf = *std::move(leaf);
  } else {
    ask.refusal = leaf.error().code;
  }
}

net::Task<void> ask_all(integration::Installation& installation, AuthorityRun& run, std::vector<Ask>& asks) {
  for (Ask& ask : asks) net::spawn(installation.io().executor(), ask_into(run, ask), "test.ask");
  const net::Deadline deadline(integration::kCallLimit);
  const auto is_answered = [](const Ask& ask) { return ask.answered.has_value(); };
  while (!std::ranges::all_of(asks, is_answered) && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
}

// The fixture's own authority has the same signer: its log is signed before ours begins.
net::Task<void> let_it_sign(integration::Installation& installation) {
  const auto administrator = co_await installation.connect("admin");
  const auto answer =
      co_await installation.administer(administrator, "log.checkpoint", codec::Json(codec::Json::Object{}));
  EXPECT_TRUE(answer.has_value());
}

template <class T>
T outcome(net::Io& io, net::Task<T> task) {
  auto result = net::run(io, std::move(task));
  SALLYPORT_CHECK(result.has_value());
  net::run(io, settle());
  return *std::move(result);
}

}  // namespace

Result<std::unique_ptr<AuthorityRun>> AuthorityRun::open(integration::Installation& installation,
                                                         const std::filesystem::path& database, Random& random,
                                                         std::function<void()> on_failure) {
  std::unique_ptr<AuthorityRun> run(new AuthorityRun(installation));
  TRY(run->database_, store::open_record_database(database, std::move(on_failure)));
  run->core_ = std::make_unique<authority::Core>(installation.io().executor(), *run->database_, installation.clock(),
                                                 random, installation.socket("signer"));
  TRY_VOID(run->core_->reload_installation());
  TRY_VOID(outcome(installation.io(), authority::void_unfinished_intents(*run->core_)));
  return run;
}

AuthorityRun::~AuthorityRun() {
  net::run(installation_.io(), settle());
}

net::Task<Result<Bytes>> AuthorityRun::ask_task(Ask ask) {
  if (ask.kind == Ask::Kind::enrol) {
    records::EnrolRequest request{.client_certificate = ask.shown,
                                  .client_chain = {to_bytes(installation_.site_ca(kSite).der())},
                                  .csr = ask.csr,
                                  .source = "192.0.2.1"};
    CO_TRY(auto chain, co_await authority::enrol(*core_, std::move(request)));
    co_return std::move(chain.certificates.front());
  }
  records::RenewRequest request{.client_certificate = ask.shown, .csr = ask.csr, .source = "192.0.2.1"};
  auto answered = ask.kind == Ask::Kind::web ? co_await authority::issue_web_certificate(*core_, std::move(request))
                                             : co_await authority::renew(*core_, std::move(request));
  if (!answered) co_return std::unexpected(std::move(answered).error());
  co_return std::move(answered->certificates.front());
}

Result<Bytes> AuthorityRun::ask(const Ask& ask) {
  return outcome(installation_.io(), ask_task(ask));
}

Result<void> AuthorityRun::administer(std::string method, codec::Json parameters) {
  records::AdminRequest request;
  request.method = std::move(method);
  request.actor = "alice";
  request.role = records::UserRole::owner;
  request.parameters = parameters.write();
  return outcome(installation_.io(), administer_task(*core_, std::move(request)));
}

Result<void> AuthorityRun::import_ledger(Bytes exported) {
  return outcome(installation_.io(), import_task(*core_, std::move(exported)));
}

Result<authority::SignedHead> AuthorityRun::sign_log() {
  return outcome(installation_.io(), core_->log().until_signed(integration::kCallLimit));
}

Issuance::Issuance() {
  for (std::size_t i = 0; i < kDevices; ++i) {
    devices_.push_back(installation_.make_device("d-" + std::to_string(i), false));
    const pki::LedgerHead head = entries_.empty()
                                     ? pki::LedgerHead()
                                     : pki::LedgerHead{entries_.back().sequence, pki::entry_hash(entries_.back())};
    entries_.push_back(pki::next_entry(head.sequence, head.hash, devices_.back().serial_id,
                                       *devices_.back().factory_certificate, kNow));
  }
  net::run(installation_.io(), let_it_sign(installation_));
  make_base();
}

void Issuance::put_back(const Image& image) {
  write_image(folder_.path(), image);
  installation_.checkpoint_mark().put({});
}

void Issuance::make_base() {
  auto opened = store::open_record_database(database());
  EXPECT_TRUE(opened) << opened.error().detail;
  SALLYPORT_CHECK(opened.has_value());
  const Bytes permit = installation_.make_permit(1'000);
  const auto fill = [&](records::Records& to) -> Result<void> {
    return installation_.database().read([&](records::Records& from) -> Result<void> {
      TRY(auto facts, records::load_installation_facts(from));
      TRY_VOID(records::put_installation_facts(to, facts));
      std::vector<records::CaName> cas = records::online_ca_names();
      cas.emplace_back("root");
      for (const records::CaName& ca : cas) {
        TRY(auto der, records::find_ca_certificate(from, ca));
        TRY_VOID(records::put_ca_certificate(to, ca, *der));
      }
      TRY_VOID(records::put_root_crl(to, installation_.make_root_crl(1)));
      TRY(auto site, from.sites().find(kSite));
      site->activation_quota = kQuota;
      site->permit = permit;
      TRY_VOID(to.sites().add(*site));
      return to.raise_change_number();
    });
  };
  const auto filled = (*opened)->write_and_wait(fill);
  SALLYPORT_CHECK(filled.has_value());
  opened->reset();
  base_ = read_image(folder_.path());
}

Ask Issuance::make_ask(Ask::Kind kind, std::size_t device, Bytes shown) {
  auto key = crypto::PrivateKey::generate();
  Ask ask{.kind = kind, .device = device, .csr = {}, .shown = std::move(shown)};
  ask.csr = *pki::build_csr(key, *pki::DistinguishedName::of("device"));
  if (kind == Ask::Kind::enrol) ask.shown = to_bytes(devices_.at(device).factory_certificate->der());
  return ask;
}

Bytes Issuance::ledger(std::size_t after, std::size_t through) {
  pki::LedgerExport out{.site = kSite, .permit_number = 1, .entries = {}, .certificates = {}, .exported_at = kNow};
  for (std::size_t i = after; i < through; ++i) {
    out.entries.push_back(entries_[i]);
    out.certificates.push_back(to_bytes(devices_[i].factory_certificate->der()));
  }
  SALLYPORT_CHECK(pki::sign_ledger_export(out, installation_.site_key(kSite)).has_value());
  return pki::encode_ledger_export(out);
}

void Issuance::do_ask(AuthorityRun& run, History& history, Ask ask) {
  std::vector<Ask> one;
  one.push_back(std::move(ask));
  do_at_once(run, history, std::move(one));
}

void Issuance::do_at_once(AuthorityRun& run, History& history, std::vector<Ask> asks) {
  for (Ask& ask : asks) ask.begun = FileCalls::get().position();
  net::run(installation_.io(), ask_all(installation_, run, asks));
  net::run(installation_.io(), settle());
  for (Ask& ask : asks) {
    EXPECT_TRUE(ask.answered.has_value());
    history.asks.push_back(std::move(ask));
  }
}

void Issuance::do_import(AuthorityRun& run, History& history, std::size_t after, std::size_t through) {
  Deed deed{.begun = FileCalls::get().position(), .done = {}, .number = through};
  const auto imported = run.import_ledger(ledger(after, through));
  EXPECT_TRUE(imported) << imported.error().detail;
  deed.done = FileCalls::get().position();
  history.imports.push_back(deed);
}

void Issuance::do_revoke(AuthorityRun& run, History& history, std::size_t device) {
  Deed deed{.begun = FileCalls::get().position(), .done = {}, .number = device};
  std::string name;
  EXPECT_TRUE(run.database().read([&](records::Records& records) -> Result<void> {
    TRY(auto found, records.devices().find(kSite, devices_[device].serial_id));
    name = found->name->get();
    return {};
  }));
  installation_.clock().advance(seconds(7));  // leases of an earlier run have lapsed
  const auto revoked = run.administer(
      "device.revoke", codec::Json::Object{{"name", name}, {"confirm", devices_[device].serial_id.get()}});
  EXPECT_TRUE(revoked) << revoked.error().detail;
  deed.done = FileCalls::get().position();
  history.revocations.push_back(deed);
}

void Issuance::first_run(AuthorityRun& run, History& history) {
  do_import(run, history, 0, 5);
  do_ask(run, history, make_ask(Ask::Kind::enrol, 0));
  const Bytes operational = history.asks.front().leaf.value();
  std::vector<Ask> at_once = {make_ask(Ask::Kind::enrol, 1), make_ask(Ask::Kind::enrol, 2)};
  at_once.push_back(at_once.front());  // the same request twice
  do_at_once(run, history, std::move(at_once));
  do_ask(run, history, make_ask(Ask::Kind::renew, 0, operational));
  do_ask(run, history, make_ask(Ask::Kind::web, 0, operational));
  do_revoke(run, history, 1);
  do_import(run, history, 5, kDevices);
}

void Issuance::second_run(AuthorityRun& run, History& history) {
  do_ask(run, history, make_ask(Ask::Kind::enrol, 3));
  std::vector<Ask> contenders;
  for (std::size_t device = 4; device < kDevices; ++device) {
    contenders.push_back(make_ask(Ask::Kind::enrol, device));
    contenders.back().may_lose = true;
  }
  do_at_once(run, history, std::move(contenders));
  do_ask(run, history, make_ask(Ask::Kind::renew, 0, *history.asks.front().leaf));
}

History Issuance::record() {
  History history;
  put_back(base_);
  FileCalls& files = FileCalls::get();
  files.watch(folder_.path());
  installation_.on_signature = [&](ByteView tbs) {
    if (auto serial = serial_of(tbs)) history.signatures.push_back({FileCalls::get().position(), *std::move(serial)});
  };
  installation_.checkpoint_mark().on_raise = [&](const signer::LogMark& mark) {
    history.heads.push_back({FileCalls::get().position(), mark});
  };
  SeededRandom random(1);
  {
    auto run = AuthorityRun::open(installation_, database(), random);
    SALLYPORT_CHECK(run.has_value());
    first_run(**run, history);
    const auto head = (*run)->sign_log();
    EXPECT_TRUE(head) << head.error().detail;
  }
  {
    auto run = AuthorityRun::open(installation_, database(), random);
    SALLYPORT_CHECK(run.has_value());
    second_run(**run, history);
    const auto head = (*run)->sign_log();
    EXPECT_TRUE(head) << head.error().detail;
  }
  installation_.on_signature = nullptr;
  installation_.checkpoint_mark().on_raise = nullptr;
  history.recording.operations = files.stop();
  history.recording.base = base_;
  for (const Ask& ask : history.asks) history.recording.promises.push_back(*ask.answered);
  for (const Signature& signature : history.signatures) history.recording.promises.push_back(signature.position);
  for (const SignedLog& head : history.heads) history.recording.promises.push_back(head.position);
  for (const auto* deeds : {&history.imports, &history.revocations}) {
    for (const Deed& deed : *deeds) history.recording.promises.push_back(*deed.done);
  }
  std::ranges::sort(history.recording.promises);
  return history;
}

}  // namespace sallyport::crash
