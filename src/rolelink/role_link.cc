#include "rolelink/role_link.h"

#include "base/log.h"
#include "crypto/hash.h"
#include "pki/csr.h"
#include "pki/signed_object.h"
#include "pki/snapshot_manifest.h"

namespace sallyport::rolelink {

struct RoleLink::State : std::enable_shared_from_this<RoleLink::State> {
  State(net::Executor on, const Clock& civil, Settings what, Events told)
      : executor(on),
        clock(civil),
        settings(std::move(what)),
        events(std::move(told)),
        anchors{settings.root},
        ready(on) {}

  net::Executor executor;
  const Clock& clock;
  Settings settings;
  Events events;
  std::vector<pki::Certificate> anchors;
  records::SnapshotState snapshot;
  Instant lease_until{};
  Instant lease_lost{};
  net::Event ready;
  std::unique_ptr<net::RpcLink> link;

  void on_event(ByteView event);
  Result<void> on_update(ByteView fields);
  Result<void> on_lease(ByteView fields);
  void acknowledge();
  static net::Task<void> send_acknowledgement(std::shared_ptr<State> self, std::uint64_t number);
  static net::Task<Result<void>> subscribe(std::weak_ptr<State> weak, std::shared_ptr<net::RpcPeer> peer);
};

namespace {

Result<pki::SnapshotManifest> open_manifest(const records::SnapshotEvent& event,
                                            std::span<const pki::Certificate> anchors, UnixTime now) {
  TRY(auto opened,
      pki::open_object(pki::ControlKind::snapshot, event.sealed_manifest, anchors, pki::TimeRule::clock(now)));
  TRY(auto manifest, pki::parse_snapshot_manifest(opened.payload()));
  if (manifest.update_sha256 != crypto::sha256(event.update)) {
    return fail(Errc::unauthorized, "snapshot: update is another than its manifest names");
  }
  return manifest;
}

// A list of CAs that the snapshot carries must itself come from the root.
Result<void> check_cas(const records::SnapshotUpdate& update, const pki::Certificate& root) {
  for (const records::SnapshotCa& ca : update.cas) {
    TRY(auto certificate, pki::parse_certificate(ca.certificate));
    if (certificate == root) continue;
    TRY_VOID(root.public_key().verify(certificate.signature_scheme(), certificate.tbs(), certificate.signature()));
  }
  return {};
}

}  // namespace

void RoleLink::State::on_event(ByteView event) {
  const auto kind = records::take_method(event);
  Result<void> done;
  switch (static_cast<records::RoleEvent>(kind.value_or(0))) {
    case records::RoleEvent::update:
      done = on_update(event);
      break;
    case records::RoleEvent::lease:
      done = on_lease(event);
      break;
    case records::RoleEvent::grant:
      if (events.on_grant) events.on_grant(event);
      break;
    case records::RoleEvent::cut: {
      auto cut = records::parse_cut_event(event);
      if (cut && events.on_cut) events.on_cut(*cut);
      if (!cut) done = std::unexpected(cut.error());
      break;
    }
    case records::RoleEvent::admin:
      if (events.on_admin_event) events.on_admin_event(as_text(event));
      break;
    default:
      done = failf(Errc::malformed, "feed: event {}, want one of this version", kind.value_or(0));
  }
  if (!done) log::error("rolelink.event-refused", {{"role", settings.role}, {"error", done.error()}});
}

Result<void> RoleLink::State::on_update(ByteView fields) {
  TRY(auto event, records::parse_snapshot_event(fields));
  TRY(auto manifest, open_manifest(event, anchors, clock.now()));
  TRY(auto update, records::parse_snapshot_update(event.update));
  if (update.number != manifest.number || update.base != manifest.base) {
    return fail(Errc::unauthorized, "snapshot: update has another number than its manifest");
  }
  TRY_VOID(check_cas(update, settings.root));
  TRY_VOID(snapshot.apply(std::move(update)));
  if (events.on_snapshot) events.on_snapshot(snapshot);
  net::spawn(executor, send_acknowledgement(shared_from_this(), snapshot.number()), "rolelink.acknowledge");
  return {};
}

Result<void> RoleLink::State::on_lease(ByteView fields) {
  TRY(auto lease, records::parse_lease_event(fields));
  if (lease.number > snapshot.number()) return {};
  lease_until = clock.monotonic() + milliseconds(lease.valid_for_ms);
  ready.set();
  return {};
}

net::Task<void> RoleLink::State::send_acknowledgement(std::shared_ptr<State> self, std::uint64_t number) {
  Bytes request = records::with_method(records::RoleMethod::acknowledge, Writer().u64(number).view());
  auto done = co_await self->link->call(std::move(request), kCallLimit);
  if (!done) log::debug("rolelink.not-acknowledged", {{"number", number}, {"error", done.error()}});
}

net::Task<Result<void>> RoleLink::State::subscribe(std::weak_ptr<State> weak, std::shared_ptr<net::RpcPeer> peer) {
  const auto self = weak.lock();
  if (!self) co_return fail(Errc::unavailable, "role link: closed");
  const records::Subscribe what{self->settings.role, self->settings.instance, self->snapshot.number()};
  Bytes request = records::with_method(records::RoleMethod::subscribe, records::encode(what));
  CO_TRY_VOID(co_await peer->call(std::move(request), kCallLimit));
  log::info("rolelink.subscribed", {{"role", self->settings.role}, {"have", what.have_number}});
  if (self->events.on_subscribed) self->events.on_subscribed();
  co_return Result<void>{};
}

RoleLink::RoleLink(net::Executor executor, const Clock& clock, Random& random, Settings settings, Events events)
    : state_(std::make_shared<State>(executor, clock, std::move(settings), std::move(events))) {
  net::RpcLinkOptions options;
  options.path = state_->settings.authority_socket;
  options.rpc.max_frame = records::kMaxRoleMessage;
  const std::weak_ptr<State> weak = state_;
  options.rpc.on_event = [weak](Bytes event, const net::Caller&) {
    if (const auto self = weak.lock()) self->on_event(event);
  };
  options.on_connect = [weak](std::shared_ptr<net::RpcPeer> peer) { return State::subscribe(weak, std::move(peer)); };
  options.on_disconnect = [weak] {
    const auto self = weak.lock();
    if (self && self->events.on_disconnect) self->events.on_disconnect();
  };
  options.longest_retry = milliseconds(1'000);
  state_->link = std::make_unique<net::RpcLink>(executor, random, std::move(options));
}

RoleLink::~RoleLink() {
  state_->link->close();
}

const records::SnapshotState& RoleLink::snapshot() const {
  return state_->snapshot;
}
const pki::Certificate& RoleLink::root() const {
  return state_->settings.root;
}
bool RoleLink::has_lease() const {
  return state_->clock.monotonic() < state_->lease_until;
}

seconds RoleLink::without_lease() const {
  if (has_lease()) return seconds(0);
  return std::chrono::duration_cast<seconds>(state_->clock.monotonic() - state_->lease_until);
}

net::Task<void> RoleLink::until_ready() {
  while (!state_->ready.is_set()) static_cast<void>(co_await state_->ready.wait(net::Deadline::never()));
}

net::Task<Result<records::SnapshotCertificate>> RoleLink::find_certificate(records::CaName ca,
                                                                           pki::SerialNumber serial) {
  const records::CertificateSerial key(to_bytes(serial.content()));
  if (const auto* known = state_->snapshot.find_certificate(ca, key)) co_return *known;
  CO_TRY(auto bytes,
         co_await call(records::RoleMethod::find_certificate, records::encode(records::FindCertificate{ca, key})));
  CO_TRY(auto answer, records::parse_snapshot_update(bytes));
  if (answer.certificates.size() != 1 || answer.certificates.front().ca != ca ||
      answer.certificates.front().serial != key) {
    co_return fail(Errc::internal, "certificate look-up: the authority answered about another one");
  }
  co_return answer.certificates.front();
}

net::Task<Result<Bytes>> RoleLink::call(records::RoleMethod method, Bytes fields, net::Deadline deadline) {
  const auto state = state_;
  Bytes request = records::with_method(method, fields);
  co_return co_await state->link->call(std::move(request), deadline);
}

net::Task<Result<crypto::TlsIdentity>> RoleLink::obtain_certificate(records::CertificateKind kind) {
  auto key = std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate());
  CO_TRY(auto subject, pki::DistinguishedName::of(state_->settings.role));
  records::RoleCertificateRequest order{state_->settings.role, kind, {}};
  CO_TRY(order.csr, pki::build_csr(*key, subject));
  CO_TRY(auto bytes, co_await call(records::RoleMethod::role_certificate, records::encode(order)));
  CO_TRY(auto chain, records::parse_certificate_chain(bytes));
  if (chain.certificates.empty()) co_return fail(Errc::internal, "role certificate: an empty chain");
  CO_TRY(auto leaf, pki::parse_certificate(chain.certificates.front()));
  if (!(leaf.public_key() == key->public_key())) co_return fail(Errc::internal, "role certificate: for another key");
  co_return crypto::TlsIdentity{std::move(chain.certificates), std::move(key)};
}

net::Task<void> RoleLink::keep_certificate(records::CertificateKind kind,
                                           std::function<void(crypto::TlsIdentity)> use) {
  for (;;) {
    auto identity = co_await obtain_certificate(kind);
    if (!identity) {
      log::warn("rolelink.no-certificate", {{"role", state_->settings.role}, {"error", identity.error()}});
      co_await net::sleep_for(kCertificateRetry);
      continue;
    }
    const auto leaf = pki::parse_certificate(identity->chain.front());
    SALLYPORT_CHECK(leaf.has_value());
    const seconds lifetime = leaf->validity().not_after - state_->clock.now();
    use(*std::move(identity));
    co_await net::sleep_for(lifetime * 2 / 3);
  }
}

net::Task<Result<RoleLink::OcspSigner>> RoleLink::obtain_ocsp_signer(records::CaName ca) {
  auto key = std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate());
  CO_TRY(auto subject, pki::DistinguishedName::of("OCSP signer"));
  records::OcspSignerRequest order{ca, {}};
  CO_TRY(order.csr, pki::build_csr(*key, subject));
  CO_TRY(auto bytes, co_await call(records::RoleMethod::ocsp_signer, records::encode(order)));
  CO_TRY(auto chain, records::parse_certificate_chain(bytes));
  if (chain.certificates.size() != 1) co_return fail(Errc::internal, "OCSP signer: want one certificate");
  CO_TRY(auto certificate, pki::parse_certificate(chain.certificates.front()));
  co_return OcspSigner{std::move(key), std::move(certificate)};
}

}  // namespace sallyport::rolelink
