#include "gateway/gateway.h"

#include <set>

#include "base/log.h"
#include "codec/json.h"
#include "codec/text.h"
#include "gateway/detail/answers.h"
#include "gateway/detail/front_door.h"
#include "gateway/detail/telemetry_budget.h"
#include "gateway/peer_identity.h"
#include "gateway/routes.h"
#include "gateway/telemetry_reader.h"
#include "http/server.h"
#include "net/io.h"
#include "net/rpc.h"
#include "pki/est.h"
#include "pki/root_chain.h"
#include "records/installation_values.h"
#include "rolelink/site_watch.h"

namespace sallyport::gateway {
namespace {

constexpr milliseconds kSayAgain{60'000};  // between two lines about a store that fails
constexpr seconds kLeastBudgetWait{60};    // also while others have spent of every budget
// Alarms on their way to the authority; beyond that they are in the log alone.
constexpr std::size_t kMaxAlarms = 16;
// About 100 bytes each; beyond that all are told again.
constexpr std::size_t kMaxToldCertificates = 100'000;
const records::CaName kOnlineCa("online-ca");

// What passed the admission of its route.
struct Admitted {
  net::PeerInfo peer;
  std::optional<DeviceName> device;  // for Admission::device
};

}  // namespace

struct Gateway::State {
  State(net::Executor on, const Clock& civil, Random& random, telemetry::TelemetrySink& store, Settings what)
      : executor(on),
        clock(civil),
        sink(store),
        settings(std::move(what)),
        link(on, civil, random, settings.link, {}),
        server(routes(), {.idle_limit = kDeviceIdleLimit}),
        door(civil, server) {}

  http::Router routes();
  using Handler = net::Task<http::Response> (State::*)(http::Request, Admitted);
  static const std::array<Handler, kRoutes.size()> kHandlers;  // one per route, in its order
  // Admits, then handles. `index` is the route's.
  net::Task<http::Response> serve_route(std::size_t index, http::Request request, net::PeerInfo peer);
  net::Task<Result<Admitted>> admit(Admission admission, net::PeerInfo peer);
  // Why a body is not read.
  std::optional<http::Response> judge(const Route& route, const http::Request& head, const net::PeerInfo& peer) const;

  net::Task<http::Response> ca_certificates(http::Request request, Admitted caller);
  net::Task<http::Response> csr_attributes(http::Request request, Admitted caller);
  net::Task<http::Response> enrol(http::Request request, Admitted caller);
  net::Task<http::Response> web_certificate(http::Request request, Admitted caller);
  net::Task<http::Response> claim_hash(http::Request request, Admitted caller);
  net::Task<http::Response> take_telemetry(http::Request request, Admitted caller);
  bool is_claimed(const DeviceName& device) const {
    const auto known = link.snapshot().find_device(device);
    return known && known->state == records::DeviceState::claimed;
  }
  // Absent when the device may have `bytes` stored now, which takes them; else how long it is to wait.
  std::optional<seconds> take_budget(const DeviceName& device, std::size_t bytes);
  void note_failed_commit(const Error& error);
  net::Task<http::Response> facts(http::Request request, Admitted caller);
  net::Task<Result<records::RenewalWindows>> renewal_windows(Bytes leaf);

  pki::Verdict<pki::VerifiedChain> identify(std::span<const Bytes> chain) const;
  // The same for a device whose CA the root has revoked, and which may ask for one thing: a new certificate, about
  // which the authority decides (authority/honoured_cas.h).
  pki::Verdict<pki::VerifiedChain> identify_outcast(std::span<const Bytes> chain) const;
  // The same for enrolment alone: an operational certificate may have ended; for how long, the authority decides.
  pki::Verdict<pki::VerifiedChain> identify_applicant(std::span<const Bytes> chain) const;
  pki::Verdict<pki::VerifiedChain> identify_at(std::span<const Bytes> chain, UnixTime judged) const;
  // The device of an operational certificate that may act now.
  net::Task<Result<DeviceName>> authorise(net::PeerInfo peer);
  net::Task<Result<records::CertificateChain>> request_certificate(records::RoleMethod method, http::Request request,
                                                                   net::PeerInfo peer);
  // Tells the authority when refused certificates prove that a factory is dishonest.
  void suspect(std::span<const Bytes> chain);
  net::Task<void> tell_alarm(records::Alarm alarm);
  void tell_used(const records::CertificateSerial& serial);
  net::Task<void> tell_used_now(records::CertificateSerial serial);
  void use_identity(crypto::TlsIdentity identity);
  net::Task<Result<Bytes>> read(Bytes request);

  net::Executor executor;
  const Clock& clock;
  telemetry::TelemetrySink& sink;
  TelemetryBudget budget;
  std::optional<Instant> said_at;  // that the store failed
  Settings settings;
  rolelink::RoleLink link;
  http::Server server;
  FrontDoor door;
  std::set<records::CertificateSerial> told_used;  // operational certificates of whose use the authority knows
  std::shared_ptr<crypto::TlsContext> tls;
  rolelink::SiteWatch watch;
  std::size_t alarms = 0;  // under way
};

const std::array<Gateway::State::Handler, kRoutes.size()> Gateway::State::kHandlers = {
    &State::ca_certificates, &State::csr_attributes, &State::enrol,          &State::enrol,
    &State::web_certificate, &State::claim_hash,     &State::take_telemetry, &State::facts};

http::Router Gateway::State::routes() {
  http::Router router;
  for (std::size_t i = 0; i < kRoutes.size(); ++i) {
    const auto serve = [this, i](http::Request request, net::PeerInfo peer) {
      return serve_route(i, std::move(request), std::move(peer));
    };
    const auto refuse = [this, &route = kRoutes[i]](const http::Request& head, const net::PeerInfo& peer) {
      return judge(route, head, peer);
    };
    router.add(kRoutes[i].verb, kRoutes[i].pattern, serve, {.body_limit = kRoutes[i].body_limit, .judge_head = refuse});
  }
  return router;
}

// Whether the certificate of whom a budget is asked for may act is for the admission.
std::optional<http::Response> Gateway::State::judge(const Route& route, const http::Request& head,
                                                    const net::PeerInfo& peer) const {
  if (auto refused = judge_head(route, head, !peer.tls_chain.empty())) return refused;
  if (!route.is_metered) return std::nullopt;
  const auto chain = identify(peer.tls_chain);
  if (!chain || !is_operational(*chain)) return std::nullopt;
  const auto device = chain->identity_as<DeviceName>();
  const seconds wait = budget.wait_for(device, is_claimed(device), body_length(head), clock.monotonic());
  return wait > seconds(0) ? std::optional(over_budget(wait)) : std::nullopt;
}

net::Task<http::Response> Gateway::State::serve_route(std::size_t index, http::Request request, net::PeerInfo peer) {
  const Route& route = kRoutes[index];
  auto admitted = co_await admit(route.admission, std::move(peer));
  if (!admitted) co_return refusal(admitted.error());
  co_return co_await (this->*kHandlers[index])(std::move(request), *std::move(admitted));
}

net::Task<Result<Admitted>> Gateway::State::admit(Admission admission, net::PeerInfo peer) {
  Admitted admitted{.peer = std::move(peer), .device = std::nullopt};
  switch (admission) {
    case Admission::anyone:
      co_return admitted;
    case Admission::certified: {
      if (!link.has_lease()) co_return fail(Errc::unavailable, "gateway: no lease, nobody is admitted");
      if (const auto chain = identify_outcast(admitted.peer.tls_chain); !chain)
        co_return fail(Errc::unauthorized, chain.error().error.detail);
      co_return admitted;
    }
    case Admission::device: {
      CO_TRY(admitted.device, co_await authorise(admitted.peer));
      co_return admitted;
    }
  }
  co_return fail(Errc::internal, "gateway: a route without admission");
}

pki::Verdict<pki::VerifiedChain> Gateway::State::identify(std::span<const Bytes> chain) const {
  return identify_at(chain, clock.now());
}

pki::Verdict<pki::VerifiedChain> Gateway::State::identify_applicant(std::span<const Bytes> chain) const {
  auto verified = identify(chain);
  if (verified || chain.empty()) return verified;
  const auto leaf = pki::parse_certificate(chain.front());
  if (!leaf || leaf->validity().not_after >= clock.now()) return verified;
  auto earlier = identify_at(chain, leaf->validity().not_after);
  return earlier && is_operational(*earlier) ? std::move(earlier) : std::move(verified);
}

pki::Verdict<pki::VerifiedChain> Gateway::State::identify_at(std::span<const Bytes> chain, UnixTime judged) const {
  const UnixTime now = clock.now();
  const auto root_crls = link.root_crls(pki::TimeRule::clock(now));
  if (root_crls.empty()) return pki::refuse(pki::Reason::crl_unusable, "root CRL: none yet, or overdue");
  return verify_device_chain(complete_chain(chain, link.snapshot().cas()), link.anchors(), settings.zone, judged,
                             root_crls);
}

pki::Verdict<pki::VerifiedChain> Gateway::State::identify_outcast(std::span<const Bytes> chain) const {
  auto refused = identify_applicant(chain);
  if (refused || refused.error().reason != pki::Reason::ca_revoked) return refused;
  auto verified =
      verify_device_chain(complete_chain(chain, link.snapshot().cas()), link.anchors(), settings.zone, clock.now(), {});
  const auto is_its_ca = [&](const records::SnapshotCa& ca) {
    return records::is_older(ca.name) && equal(ca.certificate, verified->issuer().der());
  };
  if (!verified || !is_operational(*verified) || std::ranges::none_of(link.snapshot().cas(), is_its_ca)) return refused;
  return verified;
}

net::Task<Result<DeviceName>> Gateway::State::authorise(net::PeerInfo peer) {
  if (!link.has_lease()) co_return fail(Errc::unavailable, "gateway: no lease, nobody is admitted");
  if (peer.tls_chain.empty())
    co_return fail(Errc::unauthorized, "gateway: no client certificate, want an operational one");
  // Whatever is wrong with it, also that it has ended.
  const auto chain = identify(peer.tls_chain);
  if (!chain) co_return fail(Errc::unauthorized, chain.error().error.detail);
  if (!is_operational(*chain))
    co_return fail(Errc::unauthorized, "gateway: factory certificate, want an operational one");
  CO_TRY(auto record, co_await link.find_certificate(kOnlineCa, chain->leaf().serial()));
  if (record.revoked_at) co_return fail(Errc::unauthorized, "gateway: certificate is revoked");
  const DeviceName name = chain->identity_as<DeviceName>();
  const auto device = link.snapshot().find_device(name);
  const bool active =
      device && (device->state == records::DeviceState::connected || device->state == records::DeviceState::claimed);
  if (!active) co_return fail(Errc::unauthorized, "gateway: the device is neither connected nor claimed");
  tell_used(record.serial);
  co_return name;
}

// Once per certificate and run: what its device had before it ends.
void Gateway::State::tell_used(const records::CertificateSerial& serial) {
  if (told_used.contains(serial)) return;
  if (told_used.size() >= kMaxToldCertificates) told_used.clear();
  told_used.insert(serial);
  net::spawn(executor, tell_used_now(serial), "gateway.certificate-used");
}

net::Task<void> Gateway::State::tell_used_now(records::CertificateSerial serial) {
  const records::FindCertificate used{kOnlineCa, serial};
  const auto told = co_await link.call(records::RoleMethod::certificate_used, records::encode(used));
  if (told) co_return;
  log::debug("gateway.certificate-use-not-told", {{"error", told.error()}});
  told_used.erase(serial);  // the next request tells it
}

net::Task<http::Response> Gateway::State::csr_attributes(http::Request, Admitted) {
  const std::string body = pki::encode_est_body(pki::encode_csr_attributes());
  co_return http::Response::bytes(to_bytes(std::string_view(body)), "application/csrattrs");
}

net::Task<http::Response> Gateway::State::ca_certificates(http::Request, Admitted) {
  if (link.snapshot().number() == 0) co_return http::Response::error(503, "not ready yet");
  // The roots that devices need, the links between them, and every CA that verifies something, but the factories'.
  std::vector<pki::Certificate> cas;
  for (const records::SnapshotCa& ca : link.snapshot().cas()) {
    if (records::site_of(ca.name) || records::base_name(ca.name).get() == "root") continue;
    if (auto certificate = pki::parse_certificate(ca.certificate)) cas.push_back(*std::move(certificate));
  }
  std::vector<pki::Certificate> certificates = pki::select_shown_roots(link.anchors(), cas);
  certificates.insert(certificates.end(), cas.begin(), cas.end());
  co_return certs_only(certificates);
}

net::Task<Result<records::CertificateChain>> Gateway::State::request_certificate(records::RoleMethod method,
                                                                                 http::Request request,
                                                                                 net::PeerInfo peer) {
  records::RenewRequest order{peer.tls_chain.front(), {}, net::to_string(peer.address)};
  CO_TRY(order.csr, pki::decode_est_body(as_text(request.body)));
  CO_TRY(auto bytes, co_await link.call(method, records::encode(order)));
  co_return records::parse_certificate_chain(bytes);
}

net::Task<http::Response> Gateway::State::enrol(http::Request request, Admitted caller) {
  net::PeerInfo peer = std::move(caller.peer);
  const bool proof_wanted = wants_log_proof(request);
  const auto chain = identify_outcast(peer.tls_chain);
  if (!chain) co_return refusal({Errc::unauthorized, {}});
  Result<records::CertificateChain> answer = fail(Errc::internal, "enrolment: nothing done");
  if (is_operational(*chain)) {
    answer = co_await request_certificate(records::RoleMethod::renew, std::move(request), std::move(peer));
  } else {
    records::EnrolRequest order{peer.tls_chain.front(), {}, {}, net::to_string(peer.address)};
    const std::vector<Bytes> chain_shown = complete_chain(peer.tls_chain, link.snapshot().cas());
    order.client_chain.assign(chain_shown.begin() + 1, chain_shown.end());
    auto csr = pki::decode_est_body(as_text(request.body));
    if (!csr) co_return refusal(csr.error());
    order.csr = *std::move(csr);
    auto bytes = co_await link.call(records::RoleMethod::enrol, records::encode(order));
    answer = bytes ? records::parse_certificate_chain(*bytes)
                   : Result<records::CertificateChain>(std::unexpected(bytes.error()));
  }
  if (answer && answer->retry_after_s > 0) co_return paused(answer->retry_after_s);
  if (!answer || answer->certificates.empty()) {
    if (!answer) log::info("enrolment.refused", {{"error", answer.error()}, {"source", net::to_string(peer.address)}});
    co_return refusal(answer ? Error{Errc::internal, {}} : answer.error());
  }
  auto certificate = pki::parse_certificate(answer->certificates.front());
  if (!certificate) co_return refusal(certificate.error());
  // RFC 7030 §4.2.3: "containing only the certificate that was issued".
  co_return with_log_proof(certs_only(std::span(&*certificate, 1)), *answer, proof_wanted);
}

net::Task<http::Response> Gateway::State::web_certificate(http::Request request, Admitted caller) {
  const bool proof_wanted = wants_log_proof(request);
  auto answer =
      co_await request_certificate(records::RoleMethod::web_certificate, std::move(request), std::move(caller.peer));
  if (!answer) co_return refusal(answer.error());
  std::vector<pki::Certificate> chain;
  for (const Bytes& der : answer->certificates) {
    if (auto certificate = pki::parse_certificate(der)) chain.push_back(*std::move(certificate));
  }
  co_return with_log_proof(certs_only(chain), *answer, proof_wanted);
}

net::Task<http::Response> Gateway::State::claim_hash(http::Request request, Admitted caller) {
  const auto body = codec::parse_json(as_text(request.body));
  const auto text = body ? body->text_at("hash") : Result<std::string>(std::unexpected(body.error()));
  const auto bytes = text ? codec::decode_hex(*text) : Result<Bytes>(std::unexpected(text.error()));
  if (!bytes || bytes->size() != 32) co_return refusal({Errc::malformed, {}});
  records::ClaimHash claim{*caller.device, {}};
  std::ranges::copy(*bytes, claim.hash.begin());
  auto done = co_await link.call(records::RoleMethod::claim_hash, records::encode(claim));
  if (!done && done.error().code == Errc::conflict)
    co_return http::Response::error(409, "the device is claimed already");
  if (!done && done.error().code == Errc::expired)
    co_return http::Response::error(410, "the code has been used, want a new one");
  if (!done) co_return refusal(done.error());
  co_return http::Response::text("{}", "application/json");
}

// A store that takes nothing concerns every device, so not every batch says so again.
void Gateway::State::note_failed_commit(const Error& error) {
  const Instant now = clock.monotonic();
  if (said_at && now - *said_at < kSayAgain) return;
  said_at = now;
  log::error("gateway.telemetry-refused", {{"error", error}});
}

std::optional<seconds> Gateway::State::take_budget(const DeviceName& device, std::size_t bytes) {
  const Instant now = clock.monotonic();
  const bool claimed = is_claimed(device);
  if (budget.take(device, claimed, bytes, now)) return std::nullopt;
  log::debug("gateway.telemetry-over-budget", {{"device", device.get()}, {"is_claimed", claimed}});
  return std::max(budget.wait_for(device, claimed, bytes, now), kLeastBudgetWait);
}

// Refused for want of budget or disk, it stays with the agent, which comes again after Retry-After.
net::Task<http::Response> Gateway::State::take_telemetry(http::Request request, Admitted caller) {
  auto batch = telemetry::parse_batch(request.body);
  if (!batch) co_return refusal(batch.error());
  if (const auto wait = take_budget(*caller.device, request.body.size())) co_return over_budget(*wait);
  const auto acknowledgement = std::make_shared<telemetry::Acknowledgement>();
  const auto start = [this, name = *caller.device, batch = *std::move(batch),
                      acknowledgement](std::function<void(Result<void>)> done) {
    sink.commit(name, batch, [acknowledgement, done = std::move(done)](Result<telemetry::Acknowledgement> result) {
      if (!result) return done(std::unexpected(std::move(result).error()));
      *acknowledgement = *result;
      done({});
    });
  };
  auto committed = co_await net::await_callback(start);
  if (!committed) {
    note_failed_commit(committed.error());
    co_return refusal(committed.error());
  }
  co_return http::Response::bytes(telemetry::encode_acknowledgement(*acknowledgement), "application/octet-stream");
}

net::Task<Result<records::RenewalWindows>> Gateway::State::renewal_windows(Bytes leaf) {
  CO_TRY(const auto certificate, pki::parse_certificate(leaf));
  const records::FindCertificate shown{kOnlineCa, records::CertificateSerial(to_bytes(certificate.serial().content()))};
  CO_TRY(const auto answer, co_await link.call(records::RoleMethod::renewal_windows, records::encode(shown)));
  co_return records::parse_renewal_windows(answer);
}

net::Task<http::Response> Gateway::State::facts(http::Request, Admitted caller) {
  const auto windows = (co_await renewal_windows(caller.peer.tls_chain.front())).value_or(records::RenewalWindows{});
  const auto known = link.snapshot().find_device(*caller.device);
  if (!known) co_return refusal({Errc::unauthorized, {}});
  const codec::Json out(codec::Json::Object{{"name", caller.device->get()},
                                            {"state", records::to_string(known->state)},
                                            {"remote_access", known->remote_access},
                                            {"zone", settings.zone.get()},
                                            {"console_origin", settings.console_origin},
                                            {"public_port", unsigned{settings.public_port}},
                                            {"renew_operational", window_json(windows.operational)},
                                            {"renew_web", window_json(windows.web)}});
  co_return http::Response::text(out.write(), "application/json");
}

void Gateway::State::suspect(std::span<const Bytes> chain) {
  auto alarm = watch.judge(link.snapshot(), chain);
  if (!alarm) return;
  log::warn("gateway.site-alarm", {{"kind", alarm->kind}, {"site", alarm->subject}, {"detail", alarm->detail}});
  if (alarms >= kMaxAlarms) return;
  net::spawn(executor, tell_alarm(*std::move(alarm)), "gateway.alarm");
}

net::Task<void> Gateway::State::tell_alarm(records::Alarm alarm) {
  ++alarms;
  const auto told = co_await link.call(records::RoleMethod::alarm, records::encode(alarm));
  --alarms;
  if (!told) log::warn("gateway.alarm-lost", {{"kind", alarm.kind}, {"error", told.error()}});
}

void Gateway::State::use_identity(crypto::TlsIdentity identity) {
  crypto::TlsServerSettings server_settings;
  server_settings.identity = std::move(identity);
  server_settings.alpn = {"http/1.1"};
  server_settings.client_auth = crypto::ClientAuth::optional;
  server_settings.verify_client = [this](std::span<const Bytes> chain) -> Result<void> {
    auto identified = identify_outcast(chain);
    if (identified) return {};
    suspect(chain);
    return std::unexpected(Error(std::move(identified).error()));
  };
  auto context = crypto::TlsContext::server(std::move(server_settings));
  if (!context) {
    log::error("gateway.tls", {{"error", context.error()}});
    return;
  }
  tls = *std::move(context);
  log::info("gateway.ready");
}

net::Task<Result<Bytes>> Gateway::State::read(Bytes request) {
  CO_TRY(auto parsed, codec::parse_json(as_text(request)));
  CO_TRY(auto answer, read_telemetry(sink, parsed));
  co_return to_bytes(answer.write());
}

Gateway::Gateway(net::Executor executor, const Clock& clock, Random& random, telemetry::TelemetrySink& sink,
                 Settings settings)
    : state_(std::make_unique<State>(executor, clock, random, sink, std::move(settings))) {
  const auto use = [state = state_.get()](crypto::TlsIdentity identity) { state->use_identity(std::move(identity)); };
  net::spawn(executor, state_->link.keep_certificate(records::CertificateKind::server, use), "gateway.certificate");
}

Gateway::~Gateway() = default;

net::Task<void> Gateway::serve_devices(net::Listener& listener) {
  const auto take = [state = state_.get()](net::HandedOver connection) {
    net::spawn(state->executor, state->door.serve(std::move(connection), state->tls), "gateway.connection");
  };
  co_await net::serve_hand_over(listener, state_->settings.givers, take);
}

net::Task<void> Gateway::serve_readers(net::Listener& listener) {
  for (;;) {
    auto stream = co_await listener.accept(net::Deadline::never());
    if (!stream) co_return;
    const auto uid = (*stream)->peer().uid;
    if (!uid || !state_->settings.askers.contains(*uid)) continue;
    net::RpcOptions options;
    options.on_request = [state = state_.get()](Bytes request, net::Caller) { return state->read(std::move(request)); };
    net::spawn(state_->executor, net::serve_rpc(*std::move(stream), std::move(options)), "gateway.reader");
  }
}

}  // namespace sallyport::gateway
