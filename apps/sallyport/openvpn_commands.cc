// sallyport openvpn verify: what a stock OpenVPN server asks about each device (openvpn(8): --tls-verify).
#include <cstdlib>

#include "agent/openvpn_peer.h"
#include "agent/status_interview.h"
#include "commands.h"
#include "folders.h"
#include "net/connect.h"
#include "net/run.h"

namespace sallyport::cli {
namespace {

// OpenVPN does nothing else meanwhile, for anybody.
constexpr seconds kAskLimit{5};
constexpr seconds kHardLimit{8};

std::string environment_text(const char* name) {
  const char* found = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  return found == nullptr ? std::string() : std::string(found);
}

struct DeviceQuestion {
  pki::Certificate leaf;
  std::vector<pki::Certificate> roots;
  DnsName zone;
  net::Address status;
  UnixTime now;
  Bytes nonce;
};

// The device's name when everything is proven: the chain up to one of the roots, and by the status service, under our
// nonce, that the certificate was issued and still counts. Nothing is remembered from one call to the next: the clock
// is trusted, and the newest root CRL is named under the same nonce.
net::Task<pki::Verdict<DeviceName>> judge_device(DeviceQuestion asked) {
  const net::Deadline deadline(kAskLimit);
  auto stream = co_await net::connect_tcp(asked.status, deadline);
  if (!stream) co_return std::unexpected(agent::unreachable(stream.error()).verdict.error());
  http::Client client(*std::move(stream), under("status", asked.zone).get());
  agent::Interview interview(client, deadline);
  auto issuer = co_await interview.fetch_issuer("online-ca", asked.leaf);
  if (!issuer) co_return std::unexpected(std::move(issuer).error());
  const std::vector chain{asked.leaf, *std::move(issuer)};
  const auto rule = pki::TimeRule::clock(asked.now);
  auto subject = pki::verify_chain(chain, asked.roots, pki::OperationalDevicePurpose{asked.zone}, rule);
  if (!subject) co_return std::unexpected(std::move(subject).error());
  DeviceName name = subject->identity_as<DeviceName>();
  const agent::StatusQuestion question{
      .subject = *std::move(subject), .time = rule, .nonce = asked.nonce, .ratchets = {}, .anchors = asked.roots};
  agent::StatusEvidence evidence;
  auto outcome = co_await interview.judge(question, evidence);
  if (!outcome.verdict) co_return std::unexpected(std::move(outcome.verdict).error());
  co_return name;
}

Result<DeviceQuestion> read_question(const Arguments& arguments, pki::Certificate leaf, Environment& environment) {
  TRY(auto roots, read_certificates(arguments.path("root")));
  if (roots.empty()) return failf(Errc::not_found, "{}: found no root, want at least one", arguments.text("root"));
  TRY(auto zone, parse_dns_name(arguments.text("zone")));
  TRY(auto status, net::parse_address(arguments.text("status")));
  return DeviceQuestion{.leaf = std::move(leaf),
                        .roots = std::move(roots),
                        .zone = std::move(zone),
                        .status = std::move(status),
                        .now = environment.clock.now(),
                        .nonce = environment.random.bytes(pki::kOcspNonceSize)};
}

// Every failure has a status of its own that is not 0, which OpenVPN takes for a refusal.
Outcome openvpn_verify(const Arguments& arguments, Environment& environment) {
  TRY(auto leaf, agent::read_openvpn_peer({.depth = arguments.text("DEPTH"),
                                           .file = environment_text("peer_cert"),
                                           .sha256 = environment_text("tls_digest_sha256_0")}));
  if (!leaf) return {};
  agent::end_openvpn_hook_after(kHardLimit);
  const std::string who = leaf->subject().common_name().value_or("a certificate without a name");
  TRY(auto question, read_question(arguments, *std::move(leaf), environment));
  net::Io io;
  auto judged = net::run(io, judge_device(std::move(question)));
  if (!judged) return fail(Errc::internal, "openvpn: the question was interrupted");
  if (*judged) {
    fmt::print("sallyport: openvpn: {} may enter\n", (*judged)->get());
    return {};
  }
  const pki::Refusal& refusal = judged->error();
  return std::unexpected(
      Failure({refusal.error.code, fmt::format("openvpn: {} is refused: {}: {}", who, pki::to_string(refusal.reason),
                                               refusal.error.detail)}));
}

}  // namespace

std::vector<Command> openvpn_commands() {
  return {
      {.words = "openvpn verify",
       .summary = "tell OpenVPN whether a device may enter; called by the configuration that 'export' makes",
       .example = "sallyport openvpn verify --root roots.pem --zone devices.example --status "
                  "status.devices.example:80 -- 0 CN=kq3vexample",
       .options =
           {{.name = "root", .value = "FILE", .help = "the roots that are trusted (PEM)", .required = true},
            {.name = "zone", .value = "ZONE", .help = "the DNS suffix of devices", .required = true},
            {.name = "status", .value = "HOST:PORT", .help = "the status service, over plain HTTP", .required = true},
            {.name = "DEPTH", .value = "DEPTH", .help = "as OpenVPN gives it", .required = true},
            {.name = "SUBJECT", .value = "SUBJECT", .help = "as OpenVPN gives it; not looked at"}},
       .run = openvpn_verify}};
}

}  // namespace sallyport::cli
