#include "rolelink/role_link.h"

#include <algorithm>
#include <map>

#include "base/log.h"
#include "crypto/hash.h"
#include "pki/crl.h"
#include "pki/csr.h"
#include "pki/signed_object.h"
#include "pki/snapshot_manifest.h"

namespace sallyport::rolelink {

namespace {
// The highest number seen of a root's CRL, by the root's fingerprint.
using CrlNumbers = std::map<crypto::Sha256Digest, std::uint64_t>;
}  // namespace

struct RoleLink::State : std::enable_shared_from_this<RoleLink::State> {
  State(net::Executor on, const Clock& civil, Settings what, Events told)
      : executor(on),
        clock(civil),
        settings(std::move(what)),
        events(std::move(told)),
        anchors{settings.root},
        ready(on) {
    anchors.insert(anchors.end(), settings.older_roots.begin(), settings.older_roots.end());
  }

  net::Executor executor;
  const Clock& clock;
  Settings settings;
  Events events;
  std::vector<pki::Certificate> anchors;
  records::SnapshotState snapshot;
  std::optional<pki::VerifiedChain> signer;  // of the snapshot
  bool signer_is_refused = false;
  Instant lease_until{};
  CrlNumbers root_crl_numbers;
  net::Event ready;
  std::unique_ptr<net::RpcLink> link;
  std::shared_ptr<net::RpcPeer> fetching_from;  // the connection over which an update is being fetched

  // An update whose portions come in.
  struct Incoming {
    pki::SnapshotManifest manifest;
    records::SnapshotAssembly assembly;
    CrlNumbers root_crl_numbers;
    pki::VerifiedChain signer;
  };

  Result<void> on_event(ByteView event, const std::shared_ptr<net::RpcPeer>& peer);
  Result<void> on_update(ByteView fields, const std::shared_ptr<net::RpcPeer>& peer);
  Result<Incoming> open_update(ByteView fields) const;
  Result<void> take_update(Incoming incoming);
  static net::Task<void> fetch(std::shared_ptr<State> self, std::shared_ptr<net::RpcPeer> peer, Incoming incoming);
  static net::Task<Result<void>> fetch_portions(std::shared_ptr<net::RpcPeer> peer, Incoming& incoming);
  static net::Task<void> acknowledge(std::shared_ptr<State> self);
  static net::Task<void> keep_lease(std::weak_ptr<State> weak);
  static net::Task<Result<void>> subscribe(std::weak_ptr<State> weak, std::shared_ptr<net::RpcPeer> peer);
};

namespace {

// How long one portion may take to come.
constexpr milliseconds kPortionLimit{15'000};
// How long an answer to an acknowledgement is worth waiting for: the lease in it counts from the question on.
constexpr milliseconds kLeaseCallLimit{5'000};
constexpr milliseconds kLeaseInterval{1'000};
// A clock that is wrong must not make a role ask for certificates without end.
constexpr seconds kShortestCertificateRound{60};

Result<pki::SnapshotManifest> open_manifest(const pki::OpenedObject& opened, const records::SnapshotEvent& event) {
  TRY(auto manifest, pki::parse_snapshot_manifest(opened.payload()));
  if (manifest.portions.front() != crypto::sha256(event.first_portion)) {
    return fail(Errc::unauthorized, "snapshot: first portion is another than its manifest names");
  }
  return manifest;
}

bool is_signed_by_one_of(const pki::Certificate& certificate, std::span<const pki::Certificate> roots) {
  return std::ranges::any_of(roots, [&](const pki::Certificate& root) {
    return root.public_key()
        .verify(certificate.signature_scheme(), certificate.tbs(), certificate.signature())
        .has_value();
  });
}

// A list of CAs that the snapshot carries must itself come from a root. What `present` has was checked before. Links
// are no CAs, and may be signed by a root that is none here any more: who follows them proves them from a root of his
// own.
Result<void> check_cas(const records::SnapshotUpdate& update, const records::SnapshotState& present,
                       std::span<const pki::Certificate> roots) {
  for (const records::SnapshotCa& ca : update.cas) {
    if (records::base_name(ca.name).get() == records::kRootLink) continue;
    const records::SnapshotCa* known = present.find_ca(ca.name);
    if (known != nullptr && known->certificate == ca.certificate) continue;
    TRY(auto certificate, pki::parse_certificate(ca.certificate));
    if (std::ranges::find(roots, certificate) != roots.end()) continue;
    if (!is_signed_by_one_of(certificate, roots))
      return failf(Errc::unauthorized, "snapshot: CA {} is not signed by a root", ca.name.get());
  }
  return {};
}

// An overdue root CRL is for who verifies with it to refuse: the next one comes this way.
Result<pki::VerifiedCrl> check_root_crl(ByteView der, std::span<const pki::Certificate> roots,
                                        const CrlNumbers& numbers) {
  TRY(const auto crl, pki::parse_crl(der));
  for (const pki::Certificate& root : roots) {
    const auto known = numbers.find(root.fingerprint());
    auto verified =
        pki::verify_crl(crl, root, pki::TimeRule::floor(UnixTime(0)), known == numbers.end() ? 0 : known->second);
    if (verified) return *std::move(verified);
    if (&root == &roots.back()) return std::unexpected(std::move(verified).error());
  }
  return fail(Errc::internal, "snapshot: no root to judge a CRL by");
}

}  // namespace

Result<void> RoleLink::State::on_event(ByteView event, const std::shared_ptr<net::RpcPeer>& peer) {
  const auto kind = records::take_method(event);
  Result<void> done;
  switch (static_cast<records::RoleEvent>(kind.value_or(0))) {
    case records::RoleEvent::update:
      done = on_update(event, peer);
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
  return done;
}

// Everything that can be known of an update before all of it is there.
Result<RoleLink::State::Incoming> RoleLink::State::open_update(ByteView fields) const {
  TRY(auto event, records::parse_snapshot_event(fields));
  TRY(auto opened,
      pki::open_object(pki::ControlKind::snapshot, event.sealed_manifest, anchors, pki::TimeRule::clock(clock.now())));
  TRY(auto manifest, open_manifest(opened, event));
  TRY(auto update, records::parse_snapshot_update(event.first_portion));
  if (update.number != manifest.number || update.base != manifest.base) {
    return fail(Errc::unauthorized, "snapshot: update has another number than its manifest");
  }
  TRY_VOID(snapshot.check_order(manifest.number, manifest.base));
  TRY_VOID(check_cas(update, snapshot, anchors));
  CrlNumbers numbers = root_crl_numbers;
  std::vector<pki::VerifiedCrl> root_crls;
  TRY(auto newest, check_root_crl(update.root_crl, anchors, numbers));
  root_crls.push_back(std::move(newest));
  for (const Bytes& der : update.older_root_crls) {
    TRY(auto older, check_root_crl(der, anchors, numbers));
    root_crls.push_back(std::move(older));
  }
  for (const pki::VerifiedCrl& crl : root_crls) numbers[crl.issuer().fingerprint()] = crl.crl().number();
  TRY_VOID(pki::check_path_against_crls(opened.signer(), root_crls));
  if (settings.judge_signer) TRY_VOID(settings.judge_signer(opened.signer()));
  return Incoming{std::move(manifest), records::SnapshotAssembly(std::move(update)), std::move(numbers),
                  opened.signer()};
}

Result<void> RoleLink::State::on_update(ByteView fields, const std::shared_ptr<net::RpcPeer>& peer) {
  if (fetching_from == peer) return fail(Errc::conflict, "snapshot: another update before the last one was fetched");
  TRY(auto incoming, open_update(fields));
  if (incoming.manifest.portions.size() == 1) return take_update(std::move(incoming));
  fetching_from = peer;
  net::spawn(executor, fetch(shared_from_this(), peer, std::move(incoming)), "rolelink.fetch");
  return {};
}

net::Task<void> RoleLink::State::fetch(std::shared_ptr<State> self, std::shared_ptr<net::RpcPeer> peer,
                                       Incoming incoming) {
  auto done = co_await fetch_portions(peer, incoming);
  if (self->fetching_from != peer) co_return;  // a newer connection fetches for itself
  self->fetching_from.reset();
  if (done) done = self->take_update(std::move(incoming));
  if (done) co_return;
  log::error("rolelink.update-refused", {{"role", self->settings.role}, {"error", done.error()}});
  peer->close();
}

net::Task<Result<void>> RoleLink::State::fetch_portions(std::shared_ptr<net::RpcPeer> peer, Incoming& incoming) {
  const pki::SnapshotManifest& manifest = incoming.manifest;
  for (std::uint32_t index = 1; index < manifest.portions.size(); ++index) {
    const records::SnapshotPortionRequest wanted{manifest.number, index};
    Bytes request = records::with_method(records::RoleMethod::snapshot_portion, records::encode(wanted));
    CO_TRY(auto portion, co_await peer->call(std::move(request), kPortionLimit));
    if (crypto::sha256(portion) != manifest.portions[index]) {
      co_return failf(Errc::unauthorized, "snapshot: portion {} is another than its manifest names", index);
    }
    CO_TRY(auto entries, records::parse_snapshot_portion(portion, incoming.assembly.head().cas));
    incoming.assembly.add(entries);
  }
  co_return Result<void>{};
}

Result<void> RoleLink::State::take_update(Incoming incoming) {
  // Again: more may be known against the signer since its update began to come in.
  if (settings.judge_signer) TRY_VOID(settings.judge_signer(incoming.signer));
  TRY(auto change, snapshot.apply(std::move(incoming.assembly)));
  root_crl_numbers = std::move(incoming.root_crl_numbers);
  signer = std::move(incoming.signer);
  signer_is_refused = false;
  if (events.on_snapshot) events.on_snapshot(snapshot, change);
  net::spawn(executor, acknowledge(shared_from_this()), "rolelink.acknowledge");
  return {};
}

net::Task<void> RoleLink::State::acknowledge(std::shared_ptr<State> self) {
  const Instant asked = self->clock.monotonic();
  const std::uint64_t number = self->snapshot.number();
  Bytes request = records::with_method(records::RoleMethod::acknowledge, Writer().u64(number).view());
  auto answer = co_await self->link->call(std::move(request), kLeaseCallLimit);
  if (!answer) {
    log::debug("rolelink.not-acknowledged", {{"number", number}, {"error", answer.error()}});
    co_return;
  }
  const auto lease = records::parse_lease_event(*answer);
  if (!lease || lease->number > self->snapshot.number() || self->signer_is_refused) co_return;
  self->lease_until = std::max(self->lease_until, asked + milliseconds(lease->valid_for_ms));
  self->ready.set();
}

net::Task<void> RoleLink::State::keep_lease(std::weak_ptr<State> weak) {
  for (;;) {
    co_await net::sleep_for(kLeaseInterval);
    auto self = weak.lock();
    if (!self) co_return;
    if (self->snapshot.number() > 0) net::spawn(self->executor, acknowledge(self), "rolelink.acknowledge");
  }
}

net::Task<Result<void>> RoleLink::State::subscribe(std::weak_ptr<State> weak, std::shared_ptr<net::RpcPeer> peer) {
  const auto self = weak.lock();
  if (!self) co_return fail(Errc::unavailable, "role link: closed");
  const records::Subscribe what{self->settings.role, self->settings.instance, self->snapshot.number()};
  Bytes request = records::with_method(records::RoleMethod::subscribe, records::encode(what));
  if (auto subscribed = co_await peer->call(std::move(request), kCallLimit); !subscribed) {
    // What we work from is newer than the authority's database: only a person can say which of the two is right.
    if (subscribed.error().code == Errc::conflict) {
      log::error("rolelink.refused", {{"role", what.role}, {"have", what.have_number}, {"error", subscribed.error()}});
    }
    co_return std::unexpected(std::move(subscribed).error());
  }
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
  // Who cannot follow subscribes anew, and is told from where it is.
  options.rpc.on_event = [weak](Bytes event, const net::Caller& caller) {
    const auto self = weak.lock();
    if (self && !self->on_event(event, caller.peer)) caller.peer->close();
  };
  options.on_connect = [weak](std::shared_ptr<net::RpcPeer> peer) { return State::subscribe(weak, std::move(peer)); };
  options.on_disconnect = [weak] {
    const auto self = weak.lock();
    if (self && self->events.on_disconnect) self->events.on_disconnect();
  };
  options.longest_retry = milliseconds(1'000);
  state_->link = std::make_unique<net::RpcLink>(executor, random, std::move(options));
  net::spawn(executor, State::keep_lease(state_), "rolelink.lease");
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
const std::vector<pki::Certificate>& RoleLink::anchors() const {
  return state_->anchors;
}
std::vector<pki::VerifiedCrl> RoleLink::root_crls(const pki::TimeRule& time) const {
  std::vector<pki::Crl> crls;
  for (const Bytes& der : state_->snapshot.root_crls()) {
    if (auto crl = pki::parse_crl(der)) crls.push_back(*std::move(crl));
  }
  return pki::verify_root_crls(crls, state_->anchors, time);
}
bool RoleLink::has_lease() const {
  return state_->clock.monotonic() < state_->lease_until;
}

void RoleLink::recheck_signer() {
  State& state = *state_;
  if (!state.settings.judge_signer || !state.signer) return;
  const auto judged = state.settings.judge_signer(*state.signer);
  state.signer_is_refused = !judged;
  if (judged) return;
  log::error("rolelink.signer-refused", {{"role", state.settings.role}, {"error", judged.error().error}});
  state.lease_until = std::min(state.lease_until, state.clock.monotonic());
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
  if (auto known = state_->snapshot.find_certificate(ca, key)) co_return *std::move(known);
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
    co_await net::sleep_for(std::max(lifetime * 2 / 3, kShortestCertificateRound));
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
