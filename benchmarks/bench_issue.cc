// Issuing on one machine.
//
//   bench_issue csr SECONDS               certificates for requests, one core, in memory: the request parsed and its
//                                         signature verified, the certificate built, linted and signed by the signer
//   bench_issue durable SECONDS FOLDER    the same through the authority's issuance: intent durable, signer in a
//                                         process of its own over its socket, result and log entry durable, the
//                                         log's head signed as it grows; a database file in FOLDER
//
// Prints {"per_second":…}. Every certificate is parsed and counted; after `durable` each must be in the record.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "authority/issuance.h"
#include "crypto/system_random.h"
#include "net/listener.h"
#include "net/run.h"
#include "net/timer.h"
#include "pki/csr.h"
#include "pki/issue.h"
#include "records/installation_values.h"
#include "signer/key_folder.h"
#include "signer/server.h"
#include "store/record_database.h"

namespace sallyport::bench {
namespace {

constexpr std::size_t kRequests = 512;
constexpr std::size_t kUnderWay = pki::kMaxIssuingCalls;
const DnsName kZone("devices.example");
const records::CaName kOnlineCa("online-ca");

// The root, the CAs whose certificates an installation has, and what devices send.
class Material {
 public:
  explicit Material(UnixTime now) : now_(now) {}

  Result<void> make() {
    const auto& profile = pki::profile(pki::ProfileId::root);
    const pki::CertificateFields fields{.common_name = pki::ca_common_name("root", "bench"),
                                        .public_key = root_key_.public_key(),
                                        .validity = pki::choose_validity(profile, nullptr, now_, profile.longest),
                                        .serial = pki::SerialNumber::draw(random_)};
    TRY(auto linted, pki::prepare_self_signed(profile, fields, now_));
    TRY(root_, pki::issue(std::move(linted), root_key_));
    for (const records::CaName& name : records::online_ca_names()) TRY_VOID(make_ca(name));
    TRY_VOID(make_checkpoint_certificate());
    for (std::size_t i = 0; i < kRequests; ++i) {
      auto key = crypto::PrivateKey::generate();
      TRY(const auto subject, pki::DistinguishedName::of("device"));
      TRY(auto csr, pki::build_csr(key, subject));
      requests_.push_back(std::move(csr));
    }
    return {};
  }

  const std::vector<Bytes>& requests() const { return requests_; }

  // A signer that keeps the position of the log in a file, where there is one to be kept.
  Result<signer::Signer> make_signer(const Clock& clock, const std::filesystem::path& mark = {}) const {
    signer::Keys keys;
    if (!mark.empty()) {
      TRY(auto file, signer::CheckpointFile::open(mark));
      keys.checkpoint_mark = std::make_unique<signer::CheckpointFile>(std::move(file));
      keys.control.push_back({.kind = pki::ControlKind::checkpoint,
                              .key = std::make_unique<crypto::PrivateKey>(checkpoint_key_.clone()),
                              .certificate = checkpoint_certificate_});
    }
    for (const auto& [name, certificate] : cas_) {
      keys.cas.push_back({.name = name.get(),
                          .certificate = certificate,
                          .key = std::make_unique<crypto::PrivateKey>(ca_keys_.at(name).clone())});
    }
    return signer::Signer::create(std::move(keys), clock);
  }

  Result<void> fill(records::Records& records) {
    TRY_VOID(records::put_installation_facts(
        records, {.name = "bench", .zone = kZone, .console_name = DnsName("console.example")}));
    TRY_VOID(records::put_ca_certificate(records, records::CaName("root"), root_->der()));
    for (const auto& [name, certificate] : cas_) {
      TRY_VOID(records::put_ca_certificate(records, name, certificate.der()));
    }
    pki::CrlFields crl;
    crl.number = 1;
    crl.this_update = now_;
    crl.next_update = now_ + 90 * kDay;
    TRY(const auto der, pki::build_crl(*root_, std::move(crl), root_key_));
    TRY_VOID(records::put_root_crl(records, der));
    return records.raise_change_number();
  }

 private:
  Result<void> make_ca(const records::CaName& name) {
    TRY(const auto kind, pki::ca_kind_of(name.get()));
    const auto& profile = pki::profile(pki::ca_profile_of(kind));
    auto key = crypto::PrivateKey::generate();
    pki::CertificateFields fields{.common_name = pki::ca_common_name(name.get(), "bench"),
                                  .public_key = key.public_key(),
                                  .validity = pki::choose_validity(profile, &*root_, now_, profile.longest),
                                  .serial = pki::SerialNumber::draw(random_),
                                  .permitted_dns = {kZone.get()}};
    if (name.get() == "people-ca") fields.permitted_dns = {pki::people_namespace(kZone).get()};
    if (name.get() == "roles-ca") fields.permitted_dns = {pki::roles_namespace(kZone).get()};
    if (name.get() == "server-ca") fields.permitted_dns = {"gateway." + kZone.get(), "console.example"};
    if (name.get() == "control-ca") fields.permitted_dns = {};
    TRY(auto linted, pki::prepare(profile, fields, *root_, now_));
    TRY(auto certificate, pki::issue(std::move(linted), root_key_));
    cas_.emplace(name, std::move(certificate));
    ca_keys_.emplace(name, std::move(key));
    return {};
  }

  Result<void> make_checkpoint_certificate() {
    const auto& profile = pki::profile(pki::profile_of(pki::ControlKind::checkpoint));
    const pki::Certificate& issuer = cas_.at(records::CaName("control-ca"));
    pki::CertificateFields fields{.common_name = "checkpoint",
                                  .public_key = checkpoint_key_.public_key(),
                                  .validity = pki::choose_validity(profile, &issuer, now_, profile.longest),
                                  .serial = pki::SerialNumber::draw(random_)};
    TRY(auto linted, pki::prepare(profile, fields, issuer, now_));
    TRY(checkpoint_certificate_, pki::issue(std::move(linted), ca_keys_.at(records::CaName("control-ca"))));
    return {};
  }

  UnixTime now_;
  crypto::SystemRandom random_;
  crypto::PrivateKey root_key_ = crypto::PrivateKey::generate();
  crypto::PrivateKey checkpoint_key_ =
      crypto::PrivateKey::generate(signer::control_key_type(pki::ControlKind::checkpoint));
  std::optional<pki::Certificate> root_;
  std::optional<pki::Certificate> checkpoint_certificate_;
  std::map<records::CaName, pki::Certificate> cas_;
  std::map<records::CaName, crypto::PrivateKey> ca_keys_;
  std::vector<Bytes> requests_;
};

double seconds_since(const Clock& clock, Instant began) {
  return std::chrono::duration<double>(clock.monotonic() - began).count();
}

// What the authority has the signer issue to a device (authority/issuance.cc), without its record.
pki::IssueCertificate device_request(const crypto::PublicKey& key, std::string_view name, UnixTime now,
                                     Random& random) {
  const auto& profile = pki::profile(pki::ProfileId::operational_device);
  return {
      kOnlineCa.get(), profile.id,
      pki::CertificateFields{.common_name = std::string(name),
                             .dns_names = {std::string(name) + "." + kZone.get()},
                             .public_key = key,
                             .validity = pki::choose_validity(profile, nullptr, now, authority::kOperationalLifetime),
                             .serial = pki::SerialNumber::draw(random),
                             .ocsp_urls = {"http://status." + kZone.get() + "/ocsp"},
                             .crl_urls = {"http://status." + kZone.get() + "/crl/online-ca.crl"}}};
}

Result<double> measure_csr(double wanted) {
  const SystemClock clock;
  crypto::SystemRandom random;
  Material material(clock.now());
  TRY_VOID(material.make());
  TRY(auto signer, material.make_signer(clock));
  std::uint64_t issued = 0;
  const Instant began = clock.monotonic();
  double took = 0;
  while (took < wanted) {
    for (int i = 0; i < 64; ++i) {
      TRY(const auto csr, pki::parse_csr(material.requests()[issued % kRequests]));
      const auto answer = signer.answer(device_request(csr.public_key, "abcdefgh23", clock.now(), random));
      const auto* certificate = std::get_if<pki::IssuedCertificate>(&answer);
      if (certificate == nullptr) return std::unexpected(std::get<Error>(answer));
      ++issued;
    }
    took = seconds_since(clock, began);
  }
  return static_cast<double>(issued) / took;
}

// One of those who ask at once.
struct Work {
  authority::Core& core;
  const std::vector<Bytes>& requests;
  const Clock& clock;
  Instant end;
  std::uint64_t begun = 0;
  std::uint64_t issued = 0;
  std::size_t idle = 0;
  std::optional<Error> error;
};

net::Task<Result<void>> issue_one(Work& work) {
  CO_TRY(auto csr, co_await authority::check_request(work.requests[work.begun++ % kRequests]));
  const std::string name = "abcdefgh23";
  authority::IssueOrder order{.ca = kOnlineCa,
                              .profile = pki::ProfileId::operational_device,
                              .kind = records::CertificateKind::operational,
                              .subject = name,
                              .common_name = name,
                              .dns_names = {name + "." + kZone.get()},
                              .public_key = csr.public_key,
                              .lifetime = authority::kOperationalLifetime,
                              .with_intent = {},
                              .with_result = {}};
  CO_TRY(auto certificate, co_await authority::issue_certificate(work.core, std::move(order)));
  static_cast<void>(certificate);
  ++work.issued;
  co_return Result<void>{};
}

net::Task<void> issue_until_the_end(Work& work) {
  while (!work.error && work.clock.monotonic() < work.end) {
    if (auto done = co_await issue_one(work); !done) work.error = std::move(done).error();
  }
  ++work.idle;
}

net::Task<void> issue_at_once(net::Executor executor, Work& work) {
  for (std::size_t i = 0; i < kUnderWay; ++i) net::spawn(executor, issue_until_the_end(work), "bench.issue");
  while (work.idle < kUnderWay) co_await net::sleep_for(milliseconds(5));
}

// A child that serves the signer's socket until it is killed.
class SignerProcess {
 public:
  SignerProcess(const Material& material, const std::filesystem::path& socket) : pid_(::fork()) {
    if (pid_ != 0) return;
    const SystemClock clock;
    net::Io io;
    auto signer = material.make_signer(clock, std::filesystem::path(socket).replace_extension("mark"));
    auto listener = net::Listener::unix_socket(io.executor(), socket.string());
    if (!signer || !listener) ::_exit(1);
    net::spawn(io.executor(), signer::serve_signer(**listener, *signer, ::getuid()), "bench.signer");
    io.run();
    ::_exit(0);
  }
  ~SignerProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  SignerProcess(const SignerProcess&) = delete;
  SignerProcess& operator=(const SignerProcess&) = delete;

 private:
  pid_t pid_;
};

Result<double> measure_durable(double wanted, const std::filesystem::path& folder) {
  const SystemClock clock;
  crypto::SystemRandom random;
  Material material(clock.now());
  TRY_VOID(material.make());
  const SignerProcess signer(material, folder / "signer.sock");  // forked before there is any thread
  TRY(const auto database, store::open_record_database(folder / "authority.db"));
  TRY_VOID(database->write_and_wait([&](records::Records& records) { return material.fill(records); }));
  net::Io io;
  authority::Core core(io.executor(), *database, clock, random, (folder / "signer.sock").string());
  TRY_VOID(core.reload_installation());
  const Instant began = clock.monotonic();
  Work work{.core = core,
            .requests = material.requests(),
            .clock = clock,
            .end = began + std::chrono::duration_cast<Instant::duration>(std::chrono::duration<double>(wanted)),
            .error = {}};
  net::run(io, issue_at_once(io.executor(), work));
  const double took = seconds_since(clock, began);
  if (work.error) return std::unexpected(*work.error);
  std::uint64_t recorded = 0;
  TRY_VOID(database->read([&](records::Records& records) -> Result<void> {
    TRY(recorded, records.certificates().count(kOnlineCa, records::CertificateState::issued));
    return {};
  }));
  if (recorded != work.issued)
    return failf(Errc::conflict, "bench_issue: {} certificates on record, want {}", recorded, work.issued);
  if (!core.log().head()) return fail(Errc::internal, "bench_issue: the log was never signed");
  return static_cast<double>(work.issued) / took;
}

Result<double> measure(std::string_view what, double wanted, const char* folder) {
  if (what == "csr") return measure_csr(wanted);
  if (what == "durable" && folder != nullptr) return measure_durable(wanted, folder);
  return fail(Errc::malformed, "usage: bench_issue csr SECONDS | durable SECONDS FOLDER");
}

}  // namespace
}  // namespace sallyport::bench

int main(int count, char** words) {
  const auto rate = sallyport::bench::measure(count > 1 ? words[1] : "", count > 2 ? std::atof(words[2]) : 1.0,
                                              count > 3 ? words[3] : nullptr);
  if (!rate) {
    static_cast<void>(std::fprintf(stderr, "%s\n", rate.error().detail.c_str()));
    return 1;
  }
  std::printf("{\"per_second\":%.1f}\n", *rate);
  return 0;
}
