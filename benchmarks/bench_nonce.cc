// Live OCSP answers a core makes: a request with a nonce of its own each time through the responder of the role
// `status`, without sockets.
//
//   bench_nonce SECONDS
//
// Prints {"per_second":…}. Every answer must be a signed "good" with that nonce. The responder's own limits, so many
// signatures per second and network, are met by a clock that is moved on and by addresses that change.
#include <cstdio>
#include <cstdlib>

#include "crypto/system_random.h"
#include "pki/issue.h"
#include "status/responder.h"

namespace sallyport::bench {
namespace {

// Below what the responder allows in a second of its clock.
constexpr int kRequestsPerTick = 4'000;

struct Issued {
  pki::Certificate certificate;
  std::shared_ptr<crypto::PrivateKey> key;
};

// A root, server-ca below it, its OCSP signer, and a server certificate to be asked about.
class Tree {
 public:
  explicit Tree(UnixTime now) : now_(now) {}

  Result<Issued> issue(pki::ProfileId id, const Issued* issuer, std::string name, std::vector<std::string> dns,
                       std::vector<std::string> permitted) {
    auto key = std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate());
    const pki::Profile& profile = pki::profile(id);
    const pki::Certificate* above = issuer == nullptr ? nullptr : &issuer->certificate;
    const pki::CertificateFields fields{.common_name = std::move(name),
                                        .dns_names = std::move(dns),
                                        .public_key = key->public_key(),
                                        .validity = pki::choose_validity(profile, above, now_, profile.longest),
                                        .serial = pki::SerialNumber::draw(random_),
                                        .permitted_dns = std::move(permitted)};
    auto linted = above == nullptr ? pki::prepare_self_signed(profile, fields, now_)
                                   : pki::prepare(profile, fields, *above, now_);
    if (!linted) return std::unexpected(std::move(linted).error());
    TRY(auto certificate, pki::issue(*std::move(linted), issuer == nullptr ? *key : *issuer->key));
    return Issued{std::move(certificate), std::move(key)};
  }

 private:
  UnixTime now_;
  crypto::SystemRandom random_;
};

records::SnapshotUpdate describe(const Issued& ca, const pki::Certificate& server, UnixTime now) {
  const records::CaName name("server-ca");
  records::SnapshotUpdate update{.number = 1, .base = 0, .issued_at = now};
  update.cas = {{name, to_bytes(ca.certificate.der())}};
  update.certificates = {{.ca = name,
                          .serial = records::CertificateSerial(to_bytes(server.serial().content())),
                          .kind = records::CertificateKind::server,
                          .subject = "gateway",
                          .not_after = server.validity().not_after}};
  return update;
}

Result<double> measure(double wanted) {
  const SystemClock real;
  ManualClock clock(real.now());
  Tree tree(clock.now());
  TRY(const auto root, tree.issue(pki::ProfileId::root, nullptr, "Sallyport root bench", {}, {}));
  TRY(const auto ca, tree.issue(pki::ProfileId::server_ca, &root, pki::ca_common_name("server-ca", "bench"), {},
                                {"devices.example", "console.example"}));
  TRY(const auto signer, tree.issue(pki::ProfileId::ocsp_signer, &ca, "server-ca OCSP", {}, {}));
  TRY(const auto server, tree.issue(pki::ProfileId::server, &ca, "gateway", {"gateway.devices.example"}, {}));

  records::SnapshotState state;
  TRY(const auto change, state.apply(describe(ca, server.certificate, clock.now())));
  status::Responder responder(clock);
  responder.use_snapshot(state, change);
  responder.use_signer(records::CaName("server-ca"), {signer.key, signer.certificate});

  const auto id = pki::make_cert_id(pki::CertIdHash::sha256, ca.certificate, server.certificate.serial());
  pki::OcspRequest request{.ids = {id}, .nonce = Bytes(16)};
  std::uint64_t answers = 0;
  double took = 0;
  const Instant began = real.monotonic();
  while (took < wanted) {
    clock.advance(seconds(1));
    for (int i = 0; i < kRequestsPerTick; ++i) {
      for (std::size_t octet = 0; octet < 8; ++octet) {
        (*request.nonce)[octet] = static_cast<std::uint8_t>((answers + static_cast<unsigned>(i)) >> (8 * octet));
      }
      const auto source = fmt::format("10.{}.{}.1", i / 256, i % 256);
      responder.answer(pki::encode_ocsp_request(request), true, source);
    }
    answers += kRequestsPerTick;
    took = std::chrono::duration<double>(real.monotonic() - began).count();
  }
  if (responder.counters().live != answers) {
    return failf(Errc::conflict, "bench_nonce: {} live answers, want {}", responder.counters().live, answers);
  }
  return static_cast<double>(answers) / took;
}

}  // namespace
}  // namespace sallyport::bench

int main(int count, char** words) {
  const auto rate = sallyport::bench::measure(count == 2 ? std::atof(words[1]) : 1.0);
  if (!rate) {
    static_cast<void>(std::fprintf(stderr, "%s\n", rate.error().detail.c_str()));
    return 1;
  }
  std::printf("{\"per_second\":%.1f}\n", *rate);
  return 0;
}
