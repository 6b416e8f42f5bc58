#include "agent/enrolment.h"

#include <algorithm>

#include "base/log.h"
#include "codec/json.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "pki/csr.h"
#include "pki/est.h"
#include "pki/root_chain.h"

namespace sallyport::agent {
namespace {

constexpr milliseconds kRequestLimit{30'000};
constexpr milliseconds kLeastWait{1'000};
constexpr milliseconds kMostWait{3'600'000};
constexpr milliseconds kRefusedWait{30'000};
// How often the gateway is asked what became of the device: often until it is claimed, seldom after.
constexpr milliseconds kFactsUnclaimed{30'000};
constexpr milliseconds kFactsClaimed{600'000};
constexpr milliseconds kNoFactoryWait{5'000};
// How often a device that is refused asks for a new certificate.
constexpr milliseconds kTryAnew{3'600'000};
constexpr unsigned kAccepted = 202;
constexpr unsigned kConflict = 409;
constexpr unsigned kGone = 410;
constexpr unsigned kTooMany = 429;
constexpr std::string_view kClaimed = "claimed";
constexpr std::string_view kCsrType = "application/pkcs10";

http::Request est_request(std::string target, ByteView csr) {
  http::Request request =
      http::post(std::move(target), kCsrType, to_bytes(std::string_view(pki::encode_est_body(csr))));
  // Only who asks gets the proof: strongSwan reads no answer whose head is longer than a kilobyte.
  request.headers.set("Sallyport-Log-Proof", "wanted");
  return request;
}

// Absent where the gateway says nothing of it, or nothing that can be read.
std::optional<RenewalWindow> window_of(const codec::Json& facts, std::string_view member) {
  const codec::Json* window = facts.find(member);
  if (window == nullptr || window->is_null()) return std::nullopt;
  const auto start = window->text_at("start");
  const auto end = window->text_at("end");
  if (!start || !end) return std::nullopt;
  const auto from = parse_iso8601(*start);
  const auto until = parse_iso8601(*end);
  if (!from || !until) return std::nullopt;
  return RenewalWindow{*from, *until};
}

Result<std::vector<pki::Certificate>> read_certificates(ByteView body) {
  TRY(const Bytes der, pki::decode_est_body(as_text(body)));
  return pki::parse_certs_only(der);
}

}  // namespace

UnixTime renewal_time(const pki::Validity& validity, std::string_view device,
                      const std::optional<RenewalWindow>& window) {
  const auto digest = crypto::sha256(as_bytes(device));
  if (window && window->start < window->end && window->start < validity.not_after) {
    const std::int64_t length = (std::min(window->end, validity.not_after) - window->start).count();
    const std::int64_t part = digest[0] * 256 + digest[1];
    return window->start + seconds(length / 65'536 * part + length % 65'536 * part / 65'536);
  }
  // -100 to +100 thousandths of the lifetime.
  const std::int64_t jitter = (digest[0] * 256 + digest[1]) % 201 - 100;
  const std::int64_t lifetime = (validity.not_after - validity.not_before).count();
  return validity.not_before + seconds(lifetime / 3 * 2 + lifetime / 1'000 * jitter);
}

Result<std::vector<pki::Certificate>> read_issued(ByteView body, const crypto::PublicKey& key,
                                                  std::span<const pki::Certificate> ca_certificates,
                                                  std::span<const pki::Certificate> anchors,
                                                  const pki::Purpose& purpose, const pki::TimeRule& time) {
  TRY(const auto answered, read_certificates(body));
  const auto leaf =
      std::ranges::find_if(answered, [&](const pki::Certificate& each) { return each.public_key() == key; });
  if (leaf == answered.end()) return fail(Errc::unauthorized, "est: no certificate for the requested key");
  Error last{.code = Errc::unauthorized, .detail = "est: the issuer of the certificate is not among the CAs"};
  for (const std::span<const pki::Certificate> from : {std::span<const pki::Certificate>(answered), ca_certificates}) {
    for (const pki::Certificate& ca : from) {
      if (!(ca.subject() == leaf->issuer())) continue;
      std::vector<pki::Certificate> chain = {*leaf, ca};
      auto verified = pki::verify_chain(chain, anchors, purpose, time);
      if (verified) return chain;
      last = std::move(verified).error();
    }
  }
  return std::unexpected(std::move(last));
}

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::no_factory_certificate:
      return "no-factory-certificate";
    case Phase::enrolling:
      return "enrolling";
    case Phase::waiting_for_ledger:
      return "waiting-for-ledger";
    case Phase::refused:
      return "refused";
    case Phase::enrolled:
      return "enrolled";
  }
  return "unknown";
}

Enrolment::Enrolment(net::Executor executor, AgentState& state, DeviceTime& time, ServerDialer& dialer, Random& random)
    : state_(state),
      time_(time),
      dialer_(dialer),
      random_(random),
      link_(dialer, time, state.settings().server_name("gateway"),
            [this]() -> std::optional<crypto::TlsIdentity> {
              if (!operational_) return std::nullopt;
              return operational_->identity();
            }),
      backoff_({.least = kLeastWait, .most = kMostWait, .stable = milliseconds(60'000)}),
      enrolled_(executor),
      log_witness_(state) {}

Result<void> Enrolment::load() {
  TRY(web_, state_.web().load());
  TRY(auto operational, state_.operational().load());
  if (web_) log_witness_.load("web", web_->leaf(), time_.rule());
  if (!operational) return {};
  log_witness_.load("operational", operational->leaf(), time_.rule());
  return take_operational(*std::move(operational));
}

Result<void> Enrolment::take_name(const pki::Certificate& leaf) {
  const auto& names = leaf.extensions().alternative_names;
  if (!names || names->dns.empty()) return fail(Errc::malformed, "operational certificate: has no name");
  const std::string& host = names->dns.front();
  TRY(name_, parse_device_name(std::string_view(host).substr(0, host.find('.'))));
  return {};
}

Result<void> Enrolment::take_operational(Credential credential) {
  TRY_VOID(take_name(credential.leaf()));
  operational_ = std::move(credential);
  phase_ = Phase::enrolled;
  enrolled_.set();
  return {};
}

void Enrolment::changed() {
  link_.close();
  if (told_) told_();
}

void Enrolment::fail_with(const Error& error, std::string_view event) {
  last_error_ = error.detail;
  log::warn(event, {{"error", error}});
}

net::Task<void> Enrolment::until_enrolled() {
  static_cast<void>(co_await enrolled_.wait(net::Deadline::never()));
}

net::Task<void> Enrolment::run() {
  while (!operational_) {
    const milliseconds wait = co_await enrol_once();
    if (!operational_) co_await net::sleep_for(wait);
  }
  for (;;) {
    auto done = co_await keep_up();
    milliseconds wait = facts_ && facts_->state == kClaimed ? kFactsClaimed : kFactsUnclaimed;
    if (done) {
      last_error_.clear();
      backoff_.on_connected(time_.monotonic());
    } else {
      fail_with(done.error(), "agent.gateway");
      wait = std::min(wait, backoff_.on_lost(std::nullopt, time_.monotonic(), random_));
    }
    co_await net::sleep_for(wait);
  }
}

net::Task<Result<void>> Enrolment::enrol_within(net::Deadline deadline) {
  while (!operational_) {
    const milliseconds wait = co_await enrol_once();
    if (operational_) break;
    if (deadline.remaining() < wait) co_return fail(Errc::expired, last_error_);
    co_await net::sleep_for(wait);
  }
  co_return Result<void>{};
}

// One attempt of the first enrolment; returns how long to wait before the next.
net::Task<milliseconds> Enrolment::enrol_once() {
  const auto factory = state_.factory();
  if (!factory || !*factory) {
    phase_ = Phase::no_factory_certificate;
    const Error why =
        factory ? Error{Errc::not_found, "no factory certificate; run init --certificate"} : factory.error();
    if (last_error_ != why.detail) log::warn("agent.enrolment", {{"error", why}});
    last_error_ = why.detail;
    co_return kNoFactoryWait;
  }
  const auto identity = [credential = **factory]() -> std::optional<crypto::TlsIdentity> {
    return credential.identity();
  };
  GatewayLink link(dialer_, time_, state_.settings().server_name("gateway"), identity);
  milliseconds wait{0};
  auto done = co_await request_operational(link, "/.well-known/est/simpleenroll", wait);
  if (done) {
    last_error_.clear();
    backoff_.on_connected(time_.monotonic());
    co_return milliseconds(0);
  }
  fail_with(done.error(), "agent.enrolment");
  co_return std::max(wait, backoff_.on_lost(std::nullopt, time_.monotonic(), random_));
}

net::Task<Result<std::vector<pki::Certificate>>> Enrolment::fetch_ca_certificates(GatewayLink& link) {
  http::Request request;
  request.target = "/.well-known/est/cacerts";
  CO_TRY(const auto response, co_await link.send(std::move(request), kRequestLimit));
  if (response.status != 200) co_return failf(Errc::unavailable, "est: cacerts answered {}, want 200", response.status);
  CO_TRY(auto certificates, read_certificates(response.body));
  CO_TRY_VOID(take_roots(certificates));
  co_return certificates;
}

// Trust anchors travel with every renewal. None is forgotten on the word of a list: that takes a server
// whose status was proven by what is left (checked_stream.h).
Result<void> Enrolment::take_roots(std::span<const pki::Certificate> shown) {
  auto roots = pki::follow_root_links(state_.anchors(), shown, time_.rule());
  for (const pki::Certificate& known : state_.anchors()) {
    const bool is_there = std::ranges::find(roots, known) != roots.end();
    if (!is_there && roots.size() < pki::kMaxAnchorsInUse) roots.push_back(known);
  }
  return state_.take_anchors(std::move(roots));
}

net::Task<Result<void>> Enrolment::request_operational(GatewayLink& link, std::string target, milliseconds& wait) {
  CO_TRY(const auto ca_certificates, co_await fetch_ca_certificates(link));
  // The key is on disk before the request for it leaves.
  CO_TRY(auto key, state_.operational().pending_key());
  CO_TRY(const auto subject, pki::DistinguishedName::of(state_.settings().serial_id.get()));
  CO_TRY(const Bytes csr, pki::build_csr(key, subject));
  http::Request request = est_request(std::move(target), csr);
  CO_TRY(const auto response, co_await link.send(std::move(request), kRequestLimit));
  wait = retry_after(response, kLeastWait, kMostWait);
  if (response.status == kAccepted) {
    if (!operational_) phase_ = Phase::waiting_for_ledger;
    co_return fail(Errc::not_yet, "enrolment: the gateway does not know this device yet");
  }
  // Who was refused often is made to wait: it is the same key that somebody may have to name.
  if (response.status == 403 || (response.status == kTooMany && phase_ == Phase::refused)) {
    if (!operational_) phase_ = Phase::refused;
    wait = std::max(wait, kRefusedWait);
    co_return failf(Errc::unauthorized, "enrolment: refused by the gateway; key {}",
                    codec::encode_fingerprint(crypto::sha256(key.public_key().spki())));
  }
  if (response.status != 200)
    co_return failf(Errc::unavailable, "enrolment: the gateway answered {}, want 200", response.status);
  const pki::OperationalDevicePurpose purpose{.zone = state_.settings().zone};
  CO_TRY(const auto chain,
         read_issued(response.body, key.public_key(), ca_certificates, state_.anchors(), purpose, time_.rule()));
  CO_TRY(auto credential, state_.operational().store(chain));
  log_witness_.take("operational", response, chain.front(), ca_certificates, time_.rule());
  CO_TRY_VOID(take_operational(std::move(credential)));
  log::info("agent.certificate",
            {{"kind", "operational"}, {"not_after", to_iso8601(chain.front().validity().not_after)}});
  changed();
  co_return Result<void>{};
}

bool Enrolment::is_due(const std::optional<Credential>& credential, const std::optional<RenewalWindow>& window) const {
  if (!credential) return true;
  return time_.is_known() && time_.now() >= renewal_time(credential->leaf().validity(), name_->get(), window);
}

net::Task<Result<void>> Enrolment::keep_up() {
  // The first without a window: a certificate that has ended gets no facts.
  CO_TRY_VOID(co_await renew_what_is_due({}, {}));
  CO_TRY_VOID(co_await ask_for_facts());
  CO_TRY_VOID(co_await renew_what_is_due(facts_->renew_operational, facts_->renew_web));
  if (facts_->state == kClaimed) {
    claim_sent_ = false;
    co_return state_.forget_claim_code();
  }
  if (!claim_sent_) CO_TRY_VOID(co_await send_claim_hash());
  co_return Result<void>{};
}

// By a clock that has jumped everything is due, but no server of ours is good either: a new connection finds that out.
net::Task<Result<void>> Enrolment::renew_what_is_due(std::optional<RenewalWindow> operational,
                                                     std::optional<RenewalWindow> web) {
  if (is_due(operational_, operational)) {
    link_.close();
    CO_TRY_VOID(co_await renew_operational());
  }
  if (is_due(web_, web)) {
    if (web_) link_.close();
    CO_TRY_VOID(co_await obtain_web());
  }
  co_return Result<void>{};
}

net::Task<Result<void>> Enrolment::renew_operational() {
  milliseconds ignored{0};
  co_return co_await request_operational(link_, "/.well-known/est/simplereenroll", ignored);
}

net::Task<Result<void>> Enrolment::obtain_web() {
  CO_TRY(const auto ca_certificates, co_await fetch_ca_certificates(link_));
  CO_TRY(auto key, state_.web().pending_key());
  const DnsName host = under(name_->get(), state_.settings().zone);
  CO_TRY(const auto subject, pki::DistinguishedName::of(name_->get()));
  const std::vector<std::string> names = {host.get(), "*." + host.get()};
  CO_TRY(const Bytes csr, pki::build_csr(key, subject, names));
  http::Request request = est_request("/device/v1/web-certificate", csr);
  CO_TRY(const auto response, co_await link_.send(std::move(request), kRequestLimit));
  if (response.status != 200)
    co_return failf(Errc::unavailable, "web certificate: the gateway answered {}, want 200", response.status);
  const pki::WebDevicePurpose purpose{.zone = state_.settings().zone};
  CO_TRY(const auto chain,
         read_issued(response.body, key.public_key(), ca_certificates, state_.anchors(), purpose, time_.rule()));
  CO_TRY(web_, state_.web().store(chain));
  log_witness_.take("web", response, chain.front(), ca_certificates, time_.rule());
  log::info("agent.certificate", {{"kind", "web"}, {"not_after", to_iso8601(chain.front().validity().not_after)}});
  if (told_) told_();
  co_return Result<void>{};
}

// Who is refused though his certificate is good may be one whose CA was revoked: then a new certificate is the one
// thing that he can have.
net::Task<Result<void>> Enrolment::ask_for_facts() {
  auto asked = co_await refresh_facts();
  const Instant now = time_.monotonic();
  const bool was_tried = tried_anew_ && now - *tried_anew_ < kTryAnew;
  if (asked || asked.error().code != Errc::unauthorized || was_tried) co_return asked;
  tried_anew_ = now;
  CO_TRY_VOID(co_await renew_operational());
  co_return co_await refresh_facts();
}

net::Task<Result<void>> Enrolment::refresh_facts() {
  http::Request request;
  request.target = "/device/v1/facts";
  CO_TRY(const auto response, co_await link_.send(std::move(request), kRequestLimit));
  if (response.status == 403) co_return fail(Errc::unauthorized, "facts: refused by the gateway");
  if (response.status != 200)
    co_return failf(Errc::unavailable, "facts: the gateway answered {}, want 200", response.status);
  CO_TRY(const auto json, codec::parse_json(as_text(response.body)));
  DeviceFacts facts;
  CO_TRY(facts.state, json.text_at("state"));
  CO_TRY(facts.remote_access, json.boolean_at("remote_access"));
  facts.renew_operational = window_of(json, "renew_operational");
  facts.renew_web = window_of(json, "renew_web");
  if (json.find("public_port") != nullptr) {
    CO_TRY(const auto port, json.integer_at("public_port"));
    if (port < 1 || port > 65'535) co_return failf(Errc::malformed, "facts: public_port {}, want 1 to 65535", port);
    facts.public_port = static_cast<std::uint16_t>(port);
  }
  co_return take_facts(std::move(facts));
}

Result<void> Enrolment::take_facts(DeviceFacts facts) {
  if (facts.public_port) TRY_VOID(state_.remember_public_port(*facts.public_port));
  facts_ = std::move(facts);
  if (told_facts_) told_facts_();
  return {};
}

net::Task<Result<void>> Enrolment::send_claim_hash() {
  CO_TRY(const std::string code, state_.claim_code(random_));
  const ClaimHash hash = claim_hash(*name_, code);
  const codec::Json body(codec::Json::Object{{"hash", codec::encode_hex(hash)}});
  http::Request request = http::post("/device/v1/claim-hash", "application/json", to_bytes(body.write()));
  CO_TRY(const auto response, co_await link_.send(std::move(request), kRequestLimit));
  if (response.status == kGone) {
    CO_TRY_VOID(state_.forget_claim_code());
    co_return fail(Errc::expired, "claim code: it was used before, a new one is drawn");
  }
  // Claimed meanwhile: what became of the device is asked anew.
  if (response.status == kConflict) co_return co_await refresh_facts();
  if (response.status != 200 && response.status != 204)
    co_return failf(Errc::unavailable, "claim code: the gateway answered {}, want 200", response.status);
  CO_TRY_VOID(state_.acknowledge_claim(hash));
  claim_sent_ = true;
  co_return Result<void>{};
}

std::unexpected<Error> Enrolment::not_yet(std::string_view why) const {
  const std::string cause = last_error_.empty() ? std::string() : ": " + last_error_;
  return failf(Errc::not_yet, "claim code: {}{}", why, cause);
}

Result<std::string> Enrolment::claim_code() const {
  if (!name_) return not_yet("the device has not enrolled yet, so there is nothing to claim");
  if (facts_ && facts_->state == kClaimed)
    return fail(Errc::conflict, "claim code: the device is claimed, which has used it up");
  TRY(auto code, state_.find_claim_code());
  if (!code || !state_.is_claim_acknowledged(claim_hash(*name_, *code)))
    return not_yet("the gateway has not acknowledged it yet");
  return *std::move(code);
}

}  // namespace sallyport::agent
