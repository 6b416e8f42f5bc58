#include "agent/server_check.h"

#include <algorithm>

#include "agent/status_interview.h"
#include "base/log.h"
#include "codec/text.h"
#include "http/client.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kMaxGoodAnswers = 64;
constexpr std::size_t kKeyIdSize = 20;  // RFC 7093 §2, as pki::key_identifier makes it
constexpr std::string_view kUnreachable = "unreachable";

// The second status host has delegates of its own, of other ages: what is remembered of them is under the CA's key id
// and this octet.
constexpr std::uint8_t kSecondHost = 2;
using Signers = std::map<Bytes, UnixTime>;

Bytes as_second(Bytes key_id) {
  key_id.push_back(kSecondHost);
  return key_id;
}

Signers as_second(const Signers& signers) {
  Signers out;
  for (const auto& [key_id, not_before] : signers) out.emplace(as_second(key_id), not_before);
  return out;
}

// What is remembered of the second host's signers, as a question to it wants it; the rest as it is.
Ratchets second_ratchets(Ratchets ratchets) {
  Signers out;
  for (const auto& [key, not_before] : ratchets.signer_not_before) {
    const bool is_its = key.size() > kKeyIdSize && key.back() == kSecondHost;
    if (is_its) out.emplace(Bytes(key.begin(), key.end() - 1), not_before);
  }
  ratchets.signer_not_before = std::move(out);
  return ratchets;
}

}  // namespace

ServerCheck::ServerCheck(AgentState& state, DeviceTime& time, Random& random, WayOut& way_out)
    : state_(state), time_(time), random_(random), way_out_(way_out) {}

std::string ServerCheck::cache_key(ByteView issuer_key, const pki::SerialNumber& serial) {
  return codec::encode_hex(issuer_key) + "/" + serial.hex();
}

std::array<ServerCheck::Way, 2> ServerCheck::order() const {
  const bool tls_first = http_failed_ && time_.monotonic() - *http_failed_ < kTryBetterAfter;
  return tls_first ? std::array{Way::tls, Way::http} : std::array{Way::http, Way::tls};
}

net::Task<Result<http::Client>> ServerCheck::open(Way way, std::vector<pki::Certificate> anchors,
                                                  net::Deadline deadline) {
  const DnsName name = state_.settings().server_name("status");
  if (way != Way::tls) {
    CO_TRY(auto reached,
           way == Way::http ? co_await way_out_.dial_http(deadline) : co_await way_out_.dial_second_status(deadline));
    co_return http::Client(std::move(reached.stream), name.get(), std::move(reached.form));
  }
  TlsWanted wanted{.settings = {}, .server_name = name.get(), .anchors = anchors};
  wanted.settings.alpn = {"http/1.1"};
  wanted.settings.verify_server = [anchors = std::move(anchors), name,
                                   rule = time_.rule()](std::span<const Bytes> der) -> Result<void> {
    TRY(const auto chain, pki::parse_chain(der));
    TRY_VOID(pki::verify_chain(chain, anchors, pki::ServerPurpose{.name = name}, rule));
    return {};
  };
  CO_TRY(auto reached, co_await way_out_.connect_tls(std::move(wanted), time_.monotonic()));
  co_return http::Client(std::move(reached.stream), name.get());
}

net::Task<InterviewOutcome> ServerCheck::ask_over(Way way, pki::VerifiedChain subject,
                                                  std::vector<pki::Certificate> anchors) {
  auto client = co_await open(way, anchors, kStatusLimit);
  if (!client) co_return unreachable(client.error());
  const net::Deadline deadline(kStatusLimit);
  Interview interview(*client, deadline);

  const bool is_second = way == Way::second;
  const StatusQuestion question{.subject = std::move(subject),
                                .time = time_.rule(),
                                .nonce = random_.bytes(pki::kOcspNonceSize),
                                .ratchets = is_second ? second_ratchets(state_.ratchets()) : state_.ratchets(),
                                .anchors = std::move(anchors)};
  StatusEvidence evidence;
  if (!is_second) {
    evidence.control_ca = control_ca_;
    evidence.witness = witness_;
  }
  evidence.root_crls = state_.root_crls();
  InterviewOutcome out = co_await interview.judge(question, evidence);
  if (!out.reached) co_return out;
  if (is_second) {
    if (out.verdict) out.verdict->seen.signer_not_before = as_second(out.verdict->seen.signer_not_before);
    co_return out;
  }
  control_ca_ = out.verdict ? evidence.control_ca : Bytes();
  witness_ = out.verdict ? evidence.witness : std::string();
  co_return out;
}

net::Task<std::expected<StatusFinding, ServerCheck::Failing>> ServerCheck::confirm(
    pki::VerifiedChain subject, std::vector<pki::Certificate> anchors, StatusFinding first) {
  constexpr std::string_view kWho = "second status host: ";
  InterviewOutcome second = co_await ask_over(Way::second, std::move(subject), std::move(anchors));
  if (!second.verdict) {
    auto refusal = std::move(second.verdict).error();
    refusal.error.detail.insert(0, kWho);
    const std::string reason(second.reached ? to_string(refusal.reason) : "second_unreachable");
    co_return std::unexpected(
        Failing{.reason = reason, .error = std::move(refusal.error), .is_final = is_final(refusal.reason)});
  }
  const auto against = [&](std::string_view reason, std::string why) {
    why.insert(0, kWho);
    return std::unexpected(
        Failing{.reason = std::string(reason), .error = {.code = Errc::unauthorized, .detail = std::move(why)}});
  };
  switch (compare_witnesses(first, *second.verdict)) {
    case Agreement::same_signer:
      co_return against("second_same_signer", "found a signer that spoke at the first too, want another's key");
    case Agreement::apart:
      co_return against("second_disagrees", fmt::format("found the time {}, and {} at the first, want them within {} s",
                                                        to_iso8601(second.verdict->produced_at),
                                                        to_iso8601(first.produced_at), kWitnessAgreement.count()));
    case Agreement::agree:
      break;
  }
  co_return *std::move(second.verdict);
}

void ServerCheck::accept(const pki::VerifiedChain& subject, const StatusFinding& finding) {
  time_.learn(finding.produced_at);
  for (const pki::VerifiedCrl& crl : finding.root_crls) {
    const auto held = state_.find_root_crl(crl.issuer());
    if (held && held->number() >= crl.crl().number()) continue;
    if (auto stored = state_.store_root_crl(crl); !stored)
      log::warn("agent.crl-not-stored", {{"error", stored.error()}});
  }
  if (auto raised = state_.raise_ratchets(finding.seen); !raised)
    log::warn("agent.ratchets-not-stored", {{"error", raised.error()}});
  if (good_until_.size() >= kMaxGoodAnswers) good_until_.clear();
  const Instant until = time_.monotonic() + kRecheckAfter;
  const auto& key_id = subject.issuer().extensions().subject_key_id;
  good_until_[cache_key(key_id.value_or(Bytes()), subject.leaf().serial())] = until;
  good_until_[cache_key(finding.witness_issuer_key, finding.witness)] = until;
}

void ServerCheck::record(const pki::Certificate& subject, const std::string& name, std::string_view reason,
                         std::string_view detail) {
  const CheckRecord made{.subject = name,
                         .reason = std::string(reason),
                         .detail = std::string(detail),
                         .at = time_.now(),
                         .certificate = codec::encode_hex(subject.fingerprint())};
  if (made.is_good()) {
    log::info("agent.server-good", {{"server", name}});
  } else {
    log::warn("agent.server-refused", {{"server", name}, {"reason", reason}, {"detail", detail}});
  }
  records_.insert_or_assign(name, made);
}

// Absent when the subject was found good, by two where two are wanted.
net::Task<std::optional<ServerCheck::Failing>> ServerCheck::try_way(Way way, pki::VerifiedChain subject,
                                                                    std::string name,
                                                                    std::vector<pki::Certificate> anchors) {
  InterviewOutcome outcome = co_await ask_over(way, subject, anchors);
  if (!outcome.verdict) {
    auto refusal = std::move(outcome.verdict).error();
    const std::string reason(outcome.reached ? to_string(refusal.reason) : kUnreachable);
    co_return Failing{.reason = reason, .error = std::move(refusal.error), .is_final = is_final(refusal.reason)};
  }
  std::vector<StatusFinding> findings{*std::move(outcome.verdict)};
  if (way_out_.has_second_status() && !time_.has_clock()) {
    auto second = co_await confirm(subject, std::move(anchors), findings.front());
    // Nothing is learned from one of two.
    if (!second) co_return std::move(second).error();
    findings.push_back(*std::move(second));
  }
  // The later time is the one to go on with.
  std::ranges::sort(findings, {}, &StatusFinding::produced_at);
  for (const StatusFinding& finding : findings) accept(subject, finding);
  const std::string_view more = findings.size() > 1 ? ", and a second host" : "";
  record(subject.leaf(), name, "good", fmt::format("asked over {}{}", way == Way::tls ? "TLS" : "HTTP", more));
  co_return std::nullopt;
}

net::Task<Result<void>> ServerCheck::check(pki::VerifiedChain subject, std::string name,
                                           std::vector<pki::Certificate> anchors) {
  std::string reason(kUnreachable);
  Error failure{.code = Errc::unavailable, .detail = {}};
  bool http_failed = false;
  for (const Way way : order()) {
    const std::string_view how = way == Way::tls ? "over TLS" : "over HTTP";
    auto failing = co_await try_way(way, subject, name, anchors);
    if (!failing) {
      if (way == Way::http) http_failed_.reset();
      if (http_failed) http_failed_ = time_.monotonic();
      co_return Result<void>{};
    }
    http_failed |= way == Way::http && failing->reason == kUnreachable;
    if (!failure.detail.empty()) failure.detail += "; ";
    failure.detail += fmt::format("{}: {}", how, failing->error.detail);
    // What a responder said weighs more than a connection that broke.
    if (failing->reason == kUnreachable) continue;
    reason = failing->reason;
    failure.code = failing->error.code;
    if (failing->is_final) break;
  }
  // An answer that did not come takes nothing back of what was proven within the hour.
  if (failure.code != Errc::unavailable) good_until_.clear();
  record(subject.leaf(), name, reason, failure.detail);
  co_return std::unexpected(std::move(failure).at(name));
}

net::Task<pki::Verdict<pki::VerifiedChain>> ServerCheck::find_chain(Way way, pki::Certificate leaf, DnsName name) {
  auto client = co_await open(way, state_.anchors(), kStatusLimit);
  if (!client) co_return std::unexpected(unreachable(client.error()).verdict.error());
  const net::Deadline deadline(kStatusLimit);
  Interview interview(*client, deadline);
  auto issuer = co_await interview.fetch_issuer("server-ca", leaf);
  if (!issuer) co_return std::unexpected(std::move(issuer).error());
  const std::vector chain{std::move(leaf), *std::move(issuer)};
  co_return pki::verify_chain(chain, state_.anchors(), pki::ServerPurpose{.name = std::move(name)}, time_.rule());
}

net::Task<Result<void>> ServerCheck::check_leaf(pki::Certificate leaf, DnsName name) {
  Error failure{.code = Errc::unavailable, .detail = {}};
  for (const Way way : order()) {
    auto chain = co_await find_chain(way, leaf, name);
    if (chain) co_return co_await check(*std::move(chain), name.get());
    const pki::Refusal& refusal = chain.error();
    if (refusal.error.code != Errc::unavailable) {
      record(leaf, name.get(), to_string(refusal.reason), refusal.error.detail);
      co_return std::unexpected(Error(refusal.error).at(name.get()));
    }
    if (!failure.detail.empty()) failure.detail += "; ";
    failure.detail += fmt::format("over {}: {}", way == Way::tls ? "TLS" : "HTTP", refusal.error.detail);
  }
  record(leaf, name.get(), "unreachable", failure.detail);
  co_return std::unexpected(std::move(failure).at(name.get()));
}

bool ServerCheck::is_recent(const pki::VerifiedChain& subject) const {
  const auto& key_id = subject.issuer().extensions().subject_key_id;
  const auto found = good_until_.find(cache_key(key_id.value_or(Bytes()), subject.leaf().serial()));
  return found != good_until_.end() && time_.monotonic() < found->second;
}

net::Task<Result<void>> ServerCheck::check_recent(pki::VerifiedChain subject, std::string name) {
  // The path is judged by the newest root CRL even then.
  if (is_recent(subject)) {
    const auto crls = pki::verify_root_crls(state_.root_crls(), state_.anchors(), pki::TimeRule::clock(time_.now()));
    if (pki::check_path_against_crls(subject, crls)) co_return Result<void>{};
  }
  co_return co_await check(std::move(subject), std::move(name));
}

}  // namespace sallyport::agent
