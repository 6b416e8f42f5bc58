#include "status/status.h"

#include <set>

#include "base/log.h"
#include "codec/text.h"
#include "http/server.h"
#include "records/crl_messages.h"
#include "records/installation_values.h"
#include "status/crl_shelf.h"
#include "status/detail/front_door.h"
#include "status/host_report.h"
#include "status/ocsp_http.h"
#include "status/order_desk.h"
#include "status/presigned.h"
#include "status/responder.h"

namespace sallyport::status {
namespace {

constexpr milliseconds kSignerRetry{2'000};
constexpr std::string_view kRootFile = "root";
constexpr std::string_view kRootPrefix = "root-";
// Subjects of control-ca's certificates (pki::to_string(ControlKind)).
constexpr std::string_view kGrant = "grant", kSnapshot = "snapshot";
// How often the authority is asked for newer CRLs.
constexpr milliseconds kCrlRound{5'000};
// What edges fetch is put together at most once in the first time, and anew at least once in the second.
constexpr milliseconds kLeastBundleAge{1'000};
constexpr milliseconds kBundleAge{60'000};
// How often the authority is told of this host.
constexpr milliseconds kReportRound{5'000};
constexpr std::string_view kTunnelTarget = "/sallyport-tunnel";  // docs/protocol/tunnel.md §2

net::Task<http::Response> answer_misdirected(http::Request, net::PeerInfo) {
  auto response = http::Response::error(421);
  response.close = true;
  co_return response;
}

}  // namespace

struct Status::State {
  State(net::Executor on, const Clock& civil, Random& random, Settings what, OrderBook book)
      : executor(on),
        clock(civil),
        settings(std::move(what)),
        orders(std::move(book)),
        responder(civil, &orders),
        counting_since(civil.now()),
        link(on, civil, random, link_settings(), events()),
        desk({.clock = civil,
              .orders = orders,
              .root_crls_at_hand = [this] { return link.snapshot().root_crls(); },
              .on_taken = [this] { use_orders(); }}),
        repeated(std::make_shared<http::RepeatedAnswers>(civil)),
        server(routes(), {.idle_limit = kStatusIdleLimit, .repeated = repeated}),
        door(server) {}

  rolelink::Settings link_settings();
  rolelink::Events events();
  void use_orders();
  http::Router routes();
  net::Task<http::Response> answer_post(http::Request request, net::PeerInfo peer);
  net::Task<http::Response> answer_get(http::Request request, net::PeerInfo peer);
  net::Task<http::Response> answer_crl(http::Request request);
  http::Response answer_list(const std::string& name) const;
  http::Response answer_root_list(std::string_view name) const;
  std::optional<Bytes> find_root_crl(std::string_view name) const;
  http::Response answer_ca(std::string_view name) const;
  http::Response answer_witness() const;
  bool is_ordered(const records::SnapshotCertificate& certificate) const;
  http::Response answer_edge();
  Bytes make_bundle();
  void use_witnesses(const records::SnapshotState& state, const records::SnapshotChange& change);
  void keep_signers(const records::SnapshotState& state);
  std::set<records::CaName> listed_cas() const;
  net::Task<void> keep_signer(records::CaName ca);
  net::Task<void> keep_crls();
  net::Task<Result<void>> fetch_crl(records::CaName ca);
  net::Task<void> keep_telling();
  void use_identity(crypto::TlsIdentity identity);

  net::Executor executor;
  const Clock& clock;
  Settings settings;
  OrderBook orders;
  Responder responder;
  UnixTime counting_since;
  CrlShelf crls;
  ListNames list_names;
  std::map<records::CertificateSerial, records::SnapshotCertificate> witnesses;  // of control-ca
  std::set<records::CaName> keeping;                                             // CAs whose delegates are being kept
  Bytes bundle;                                                                  // for edges
  bool bundle_is_stale = true;
  Instant bundle_made{};
  rolelink::RoleLink link;
  OrderDesk desk;
  std::shared_ptr<http::RepeatedAnswers> repeated;
  http::Server server;
  FrontDoor door;
  std::shared_ptr<crypto::TlsContext> tls;
};

// Whom the root has revoked by an order is believed no snapshot.
rolelink::Settings Status::State::link_settings() {
  rolelink::Settings out = settings.link;
  out.judge_signer = [this](const pki::VerifiedChain& signer) { return orders.check(signer); };
  return out;
}

void Status::State::use_orders() {
  responder.use_orders();
  repeated->clear();
  bundle_is_stale = true;
  link.recheck_signer();
}

rolelink::Events Status::State::events() {
  rolelink::Events events;
  events.on_snapshot = [this](const records::SnapshotState& state, const records::SnapshotChange& change) {
    responder.use_snapshot(state, change);
    repeated->clear();
    bundle_is_stale = true;
    use_witnesses(state, change);
    list_names = name_lists(state.cas());
    keep_signers(state);
  };
  return events;
}

http::Router Status::State::routes() {
  http::Router router;
  const http::RouteOptions small{.body_limit = pki::kMaxOcspRequestBytes};
  router.add(
      "POST", "/ocsp",
      [this](http::Request request, net::PeerInfo peer) { return answer_post(std::move(request), std::move(peer)); },
      small);
  router.add(
      "GET", "/ocsp/{request...}",
      [this](http::Request request, net::PeerInfo peer) { return answer_get(std::move(request), std::move(peer)); },
      {.encoded_slashes = true});
  router.add("GET", "/crl/{file}",
             [this](http::Request request, net::PeerInfo) { return answer_crl(std::move(request)); });
  // What stands between may send it by a connection that was for us: it is to try another one (RFC 9110 §15.5.20).
  router.add("GET", std::string(kTunnelTarget), answer_misdirected);
  return router;
}

net::Task<http::Response> Status::State::answer_post(http::Request request, net::PeerInfo peer) {
  const auto question = posted_question(request);
  if (!question) co_return wrong_type();
  co_return to_http(responder.answer(*question, link.has_lease(), peer.address.host), clock.now());
}

net::Task<http::Response> Status::State::answer_get(http::Request request, net::PeerInfo peer) {
  const Bytes question = question_in_path(request);
  const Answer answer = responder.answer(question, link.has_lease(), peer.address.host);
  http::Response response = to_http(answer, clock.now());
  response.may_repeat = answer.next_update.has_value();
  co_return response;
}

net::Task<http::Response> Status::State::answer_crl(http::Request request) {
  const std::string& file = request.param("file");
  if (file == "witness") co_return answer_witness();
  if (file == "presigned") co_return answer_edge();
  if (file.ends_with(".cer")) co_return answer_ca(file.substr(0, file.size() - 4));
  if (!file.ends_with(".crl")) co_return http::Response::error(404);
  const std::string name = file.substr(0, file.size() - 4);
  co_return name == kRootFile || name.starts_with(kRootPrefix) ? answer_root_list(name) : answer_list(name);
}

http::Response Status::State::answer_list(const std::string& name) const {
  const auto ca = list_names.find(name);
  const ServedCrl* list = ca == list_names.end() ? nullptr : crls.find(ca->second);
  return list == nullptr ? http::Response::error(404) : to_http(*list, clock.now());
}

http::Response Status::State::answer_root_list(std::string_view name) const {
  auto crl = find_root_crl(name);
  return crl ? root_crl_to_http(*std::move(crl)) : http::Response::error(404);
}

// "root-<key identifier>" of any root; "root", as certificates of the first root name it, is the oldest's.
std::optional<Bytes> Status::State::find_root_crl(std::string_view name) const {
  const auto all = orders.newest_root_crls(link.snapshot().root_crls());
  if (all.empty()) return std::nullopt;
  if (name == kRootFile) return to_bytes(all.back().crl().der());
  for (const pki::VerifiedCrl& crl : all) {
    const Bytes key_id = crl.issuer().extensions().subject_key_id.value_or(Bytes());
    if (name.substr(kRootPrefix.size()) == codec::encode_hex(key_id)) return to_bytes(crl.crl().der());
  }
  return std::nullopt;
}

// By its name, or as a certificate names its issuer: "<ca>-<key identifier>".
http::Response Status::State::answer_ca(std::string_view name) const {
  const records::SnapshotCa* ca = link.snapshot().find_ca(records::CaName(std::string(name)));
  const auto by_key = list_names.find(name);
  if (ca == nullptr && by_key != list_names.end()) ca = link.snapshot().find_ca(by_key->second);
  if (ca == nullptr) return http::Response::error(404);
  return certificate_to_http(ca->certificate);
}

// Whether the root has revoked this very certificate. Where it has revoked the CA, every one is as good to be asked
// about.
bool Status::State::is_ordered(const records::SnapshotCertificate& certificate) const {
  const auto serial = pki::SerialNumber::from_content(certificate.serial.get());
  if (!serial || orders.orders().empty()) return false;
  return std::ranges::any_of(link.snapshot().cas(), [&](const records::SnapshotCa& ca) {
    if (records::base_name(ca.name) != certificate.ca) return false;
    const auto issuer = pki::parse_certificate(ca.certificate);
    const pki::RootOrder* order = issuer ? orders.find(issuer->spki_sha256(), *serial) : nullptr;
    return order != nullptr && order->serial.has_value();
  });
}

// A serial of control-ca about which a device may ask, so that control-ca's delegate tells it the root CRL's number: of
// the newest certificate, which is surely the present control-ca's. That of a signer of grants, about which agents ask
// in any case; that of a signer of snapshots where there is none that is good.
http::Response Status::State::answer_witness() const {
  const records::SnapshotCertificate* newest = nullptr;
  const auto rank = [](const records::SnapshotCertificate& certificate) {
    return std::pair(certificate.subject == kGrant, certificate.not_after);
  };
  for (const auto& [serial, certificate] : witnesses) {
    if (certificate.revoked_at || certificate.not_after <= clock.now() || is_ordered(certificate)) continue;
    if (newest == nullptr || rank(*newest) < rank(certificate)) newest = &certificate;
  }
  if (newest == nullptr) return http::Response::error(404);
  return http::Response::text(codec::encode_hex(newest->serial.get()));
}

// What edges take: answers that are signed already, CAs, root CRLs, and which CRLs there are. Anybody may have it; so
// it is put together seldom.
Bytes Status::State::make_bundle() {
  Presigned out;
  const auto& online = records::online_ca_names();
  for (const records::SnapshotCa& ca : link.snapshot().cas()) {
    if (out.cas.size() < kMaxPresignedCas && std::ranges::find(online, records::base_name(ca.name)) != online.end())
      out.cas.push_back(ca);
  }
  for (const pki::VerifiedCrl& crl : orders.newest_root_crls(link.snapshot().root_crls()))
    out.root_crls.push_back(to_bytes(crl.crl().der()));
  for (const Answer& answer : responder.presigned(link.has_lease())) out.answers.push_back(*answer.der);
  for (const records::CaName& ca : listed_cas()) {
    if (out.lists.size() < kMaxPresignedCas && crls.number_of(ca) > 0) out.lists.push_back({ca, crls.number_of(ca)});
  }
  return encode_presigned(out);
}

http::Response Status::State::answer_edge() {
  if (link.snapshot().number() == 0) return http::Response::error(503);
  const Instant now = clock.monotonic();
  const milliseconds age = std::chrono::duration_cast<milliseconds>(now - bundle_made);
  if (bundle.empty() || age >= kBundleAge || (bundle_is_stale && age >= kLeastBundleAge)) {
    bundle = make_bundle();
    bundle_is_stale = false;
    bundle_made = now;
  }
  return http::Response::bytes(bundle, "application/octet-stream");
}

void Status::State::use_witnesses(const records::SnapshotState& state, const records::SnapshotChange& change) {
  const auto take = [this](const records::SnapshotCertificate& certificate) {
    if (certificate.kind == records::CertificateKind::control &&
        (certificate.subject == kGrant || certificate.subject == kSnapshot)) {
      witnesses.insert_or_assign(certificate.serial, certificate);
    }
    return true;
  };
  if (change.whole) {
    witnesses.clear();
    state.tables().for_each_certificate(take);
    return;
  }
  for (const auto& [ca, serial] : change.certificates) {
    if (const auto certificate = state.find_certificate(ca, serial)) take(*certificate);
  }
}

// One delegate for every online CA that is listed, also for those that were replaced: what they issued lives on.
void Status::State::keep_signers(const records::SnapshotState& state) {
  const auto& online = records::online_ca_names();
  for (const records::SnapshotCa& ca : state.cas()) {
    if (std::ranges::find(online, records::base_name(ca.name)) == online.end()) continue;
    if (keeping.insert(ca.name).second) net::spawn(executor, keep_signer(ca.name), "status.signer");
  }
}

net::Task<void> Status::State::keep_signer(records::CaName ca) {
  co_await link.until_ready();
  while (link.snapshot().find_ca(ca) != nullptr) {
    auto signer = co_await link.obtain_ocsp_signer(ca);
    if (!signer) {
      log::warn("status.no-signer", {{"ca", ca.get()}, {"error", signer.error()}});
      co_await net::sleep_for(kSignerRetry);
      continue;
    }
    const UnixTime end = signer->certificate.validity().not_after;
    responder.use_signer(ca, Signer{signer->key, signer->certificate});
    bundle_is_stale = true;
    log::info("status.signer", {{"ca", ca.get()}, {"not_after", to_iso8601(end)}});
    co_await net::sleep_for(std::max<seconds>(end - clock.now() - kSignerOverlap, seconds(60)));
  }
  keeping.erase(ca);
}

// The CAs that have a list.
std::set<records::CaName> Status::State::listed_cas() const {
  std::set<records::CaName> out;
  for (const auto& [name, ca] : list_names) out.insert(ca);
  return out;
}

net::Task<void> Status::State::keep_crls() {
  co_await link.until_ready();
  for (;;) {
    for (const records::CaName& ca : listed_cas()) {
      auto fetched = co_await fetch_crl(ca);
      // Right after the authority's start there is none yet.
      if (!fetched && fetched.error().code != Errc::not_found) {
        log::warn("status.crl-not-taken", {{"ca", ca.get()}, {"error", fetched.error()}});
      }
    }
    co_await net::sleep_for(kCrlRound);
  }
}

net::Task<Result<void>> Status::State::fetch_crl(records::CaName ca) {
  records::CrlRequest wanted{.ca = ca, .have_number = crls.number_of(ca), .index = 0};
  Bytes der;
  std::uint64_t number = 0;
  std::uint32_t count = 1;
  for (; wanted.index < count; ++wanted.index) {
    CO_TRY(const Bytes answer, co_await link.call(records::RoleMethod::crl, records::encode(wanted)));
    CO_TRY(auto portion, records::parse_crl_portion(answer));
    if (portion.count == 0) co_return Result<void>{};
    if (wanted.index == 0) number = portion.number;
    if (portion.number != number) co_return fail(Errc::conflict, "CRL: replaced while it was fetched");
    count = portion.count;
    der.insert(der.end(), portion.bytes.begin(), portion.bytes.end());
    if (der.size() > pki::kMaxCrlBytes) co_return fail(Errc::malformed, "CRL: larger than a CRL may be");
  }
  const records::SnapshotCa* known = link.snapshot().find_ca(ca);
  if (known == nullptr) co_return failf(Errc::not_found, "CRL: of {}, which is no CA here", ca.get());
  CO_TRY(const auto issuer, pki::parse_certificate(known->certificate));
  CO_TRY_VOID(crls.put(ca, issuer, std::move(der), clock.now()));
  bundle_is_stale = true;
  log::info("status.crl", {{"ca", ca.get()}, {"number", number}});
  co_return Result<void>{};
}

// For people to see. What is not taken (the authority is away, or older than this) is told again in a moment.
net::Task<void> Status::State::keep_telling() {
  co_await link.until_ready();
  for (;;) {
    const records::StatusReport report =
        report_of(settings.host, counting_since,
                  {.state = link.snapshot(), .responder = responder, .crls = crls, .repeated = repeated->found()});
    const auto told = co_await link.call(records::RoleMethod::status_report, records::encode(report));
    if (!told) log::debug("status.not-told", {{"error", told.error()}});
    co_await net::sleep_for(kReportRound);
  }
}

void Status::State::use_identity(crypto::TlsIdentity identity) {
  crypto::TlsServerSettings server_settings;
  server_settings.identity = std::move(identity);
  server_settings.alpn = {"http/1.1"};
  auto context = crypto::TlsContext::server(std::move(server_settings));
  if (!context) {
    log::error("status.tls", {{"error", context.error()}});
    return;
  }
  tls = *std::move(context);
}

Status::Status(net::Executor executor, const Clock& clock, Random& random, Settings settings, OrderBook orders)
    : state_(std::make_unique<State>(executor, clock, random, std::move(settings), std::move(orders))) {
  const auto use = [state = state_.get()](crypto::TlsIdentity identity) { state->use_identity(std::move(identity)); };
  net::spawn(executor, state_->link.keep_certificate(records::CertificateKind::server, use), "status.certificate");
  net::spawn(executor, state_->keep_crls(), "status.crls");
  net::spawn(executor, state_->keep_telling(), "status.telling");
}

Status::~Status() = default;

net::Task<void> Status::serve(net::Listener& listener) {
  const auto take = [state = state_.get()](net::HandedOver connection) {
    net::spawn(state->executor, state->door.serve(std::move(connection), state->tls), "status.connection");
  };
  co_await net::serve_hand_over(listener, state_->settings.givers, take);
}

net::Task<void> Status::serve_operators(net::Listener& listener) {
  for (;;) {
    auto stream = co_await listener.accept(net::Deadline::never());
    if (!stream) co_return;
    const uid_t uid = (*stream)->peer().uid.value_or(static_cast<uid_t>(-1));
    if (!state_->settings.operators.contains(uid)) {
      log::warn("status.operator-refused", {{"uid", uid}});
      (*stream)->close();
      continue;
    }
    net::spawn(state_->executor, state_->desk.serve(*std::move(stream)), "status.operator");
  }
}

}  // namespace sallyport::status
