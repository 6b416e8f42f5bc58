// An installation small enough for a test: its certificates, an authority that says what the test wants, devices that
// run the real agent session, users. For this layer's tests alone.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <map>
#include <set>

#include "crypto/hash.h"
#include "crypto/system_random.h"
#include "net/connect.h"
#include "net/listener.h"
#include "net/rpc.h"
#include "net/run.h"
#include "net/timer.h"
#include "net/tls_stream.h"
#include "pki/crl.h"
#include "pki/csr.h"
#include "pki/issue.h"
#include "pki/signed_object.h"
#include "pki/snapshot_manifest.h"
#include "records/role_messages.h"
#include "records/snapshot.h"
#include "relay/worker.h"
#include "tunnel/control_session.h"
#include "tunnel/grant.h"

// ASSERT_TRUE for coroutines.
#define CO_ASSERT(...)                           \
  do {                                           \
    const bool co_assert_held = (__VA_ARGS__);   \
    EXPECT_TRUE(co_assert_held) << #__VA_ARGS__; \
    if (!co_assert_held) co_return;              \
  } while (false)

namespace sallyport::relay::testing {

inline constexpr UnixTime kNow{1'780'315'200};  // 2026-06-01T12:00:00Z
inline const DnsName kZone("devices.example");
inline const DnsName kConsole("console.example");

struct Issued {
  pki::Certificate certificate;
  std::shared_ptr<crypto::PrivateKey> key;
};

// The tree of certificates.
class Tree {
 public:
  Tree() : root_key_(new_key()), root(make_root()) {}

  static std::shared_ptr<crypto::PrivateKey> new_key() {
    return std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate());
  }
  Issued make_ca(std::string_view name, std::vector<std::string> permitted) {
    auto key = new_key();
    const auto& profile = pki::profile(pki::ca_profile_of(*pki::ca_kind_of(name)));
    auto certificate = sign(profile, &root, *root_key_, pki::ca_common_name(name, "test"), key->public_key(), {},
                            std::move(permitted));
    return {std::move(certificate), std::move(key)};
  }
  pki::Certificate certify(pki::ProfileId id, const Issued& ca, std::vector<std::string> names,
                           const crypto::PublicKey& key) {
    return sign(pki::profile(id), &ca.certificate, *ca.key, "leaf", key, std::move(names), {});
  }
  Issued make_leaf(pki::ProfileId id, const Issued& ca, std::vector<std::string> names) {
    auto key = new_key();
    auto certificate = certify(id, ca, std::move(names), key->public_key());
    return {std::move(certificate), std::move(key)};
  }

 private:
  pki::Certificate make_root() {
    const auto& profile = pki::profile(pki::ProfileId::root);
    return sign(profile, nullptr, *root_key_, "Sallyport root test", root_key_->public_key(), {}, {});
  }
  pki::Certificate sign(const pki::Profile& profile, const pki::Certificate* issuer, crypto::PrivateKey& key,
                        std::string name, const crypto::PublicKey& subject, std::vector<std::string> names,
                        std::vector<std::string> permitted) {
    const pki::CertificateFields fields{.common_name = std::move(name),
                                        .dns_names = std::move(names),
                                        .public_key = subject,
                                        .validity = pki::choose_validity(profile, issuer, kNow, profile.longest),
                                        .serial = pki::SerialNumber::draw(random_),
                                        .permitted_dns = std::move(permitted)};
    auto linted = issuer == nullptr ? pki::prepare_self_signed(profile, fields, kNow)
                                    : pki::prepare(profile, fields, *issuer, kNow);
    EXPECT_TRUE(linted) << linted.error().detail;
    return *pki::issue(*std::move(linted), key);
  }

  crypto::SystemRandom random_;
  std::shared_ptr<crypto::PrivateKey> root_key_;

 public:
  pki::Certificate root;
  Issued online_ca = make_ca("online-ca", {kZone.get()});
  Issued other_ca = make_ca("online-ca", {kZone.get()});  // of the same name
  Issued web_ca = make_ca("web-ca", {kZone.get()});
  Issued server_ca = make_ca("server-ca", {kZone.get(), kConsole.get()});
  Issued control_ca = make_ca("control-ca", {});
  Issued grants = make_leaf(pki::ProfileId::grant_signer, control_ca, {});
  Issued snapshots = make_leaf(pki::ProfileId::snapshot_signer, control_ca, {});

  crypto::TlsIdentity identity(const Issued& leaf, const Issued& ca) const {
    return {.chain = {to_bytes(leaf.certificate.der()), to_bytes(ca.certificate.der())}, .key = leaf.key};
  }
  Bytes root_crl(const std::vector<pki::SerialNumber>& revoked = {}) const {
    pki::CrlFields fields;
    for (const auto& serial : revoked) fields.entries.push_back({.serial = serial, .revoked_at = kNow});
    fields.number = 1;
    fields.this_update = kNow;
    fields.next_update = kNow + 90 * kDay;
    auto crl = pki::build_crl(root, std::move(fields), *root_key_);
    EXPECT_TRUE(crl) << crl.error().detail;
    return *std::move(crl);
  }
  Bytes seal(pki::ControlKind kind, ByteView payload, const Issued& signer) const {
    const std::array chain = {signer.certificate, control_ca.certificate};
    auto sealed = pki::seal_object(kind, payload, *signer.key, chain);
    EXPECT_TRUE(sealed) << sealed.error().detail;
    return *std::move(sealed);
  }
  Bytes seal(const tunnel::AccessGrant& grant) const {
    return seal(pki::ControlKind::grant, tunnel::encode_grant(grant), grants);
  }
};

// Waits for what the test expects; a test that waits in vain fails and goes on.
template <class Condition>
net::Task<bool> until(Condition condition) {
  const net::Deadline deadline(seconds(10));
  while (!condition() && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
  EXPECT_TRUE(condition()) << "waited in vain";
  co_return condition();
}

// The authority's end of the feed.
class FakeAuthority {
 public:
  FakeAuthority(net::Executor executor, Tree& tree, const std::string& path) : executor_(executor), tree_(tree) {
    auto made = net::Listener::unix_socket(executor, path);
    EXPECT_TRUE(made) << made.error().detail;
    listener_ = *std::move(made);
    net::spawn(executor, accept(*this), "fake.authority");
  }

  void set_device(const DeviceName& name, records::DeviceState state, bool remote_access = true) {
    devices_.insert_or_assign(name, records::SnapshotDevice{name, state, remote_access});
  }
  void set_certificate(const pki::Certificate& certificate, const DeviceName& name, bool revoked = false) {
    records::SnapshotCertificate entry{.ca = records::CaName("online-ca"),
                                       .serial = records::CertificateSerial(to_bytes(certificate.serial().content())),
                                       .kind = records::CertificateKind::operational,
                                       .subject = name.get(),
                                       .not_after = certificate.validity().not_after};
    if (revoked) entry.revoked_at = kNow;
    certificates_.insert_or_assign(certificate.serial().hex(), std::move(entry));
  }
  // Sends the whole state under a new number, and a lease when the worker has taken it.
  void publish() {
    ++number_;
    for (const auto& peer : peers_) push_state(*peer);
  }
  void send_grant(const tunnel::AccessGrant& grant) {
    sealed_.insert_or_assign(grant.session(), tree_.seal(grant));
    for (const auto& peer : peers_) {
      push(*peer, records::RoleEvent::grant, sealed_.at(grant.session()));
    }
  }
  void send_cut(const tunnel::GrantId& session) {
    const Bytes cut = records::encode(records::CutEvent{to_bytes(session.get()), "told to"});
    for (const auto& peer : peers_) push(*peer, records::RoleEvent::cut, cut);
  }
  void break_connections() {
    for (const auto& peer : std::exchange(peers_, {})) peer->close();
  }
  // Out of reach it ends every connection and takes no new one.
  void set_reachable(bool reachable) {
    reachable_ = reachable;
    if (!reachable) break_connections();
  }
  std::uint64_t number() const { return number_; }

  std::vector<records::Presence> presences;
  std::map<Bytes, records::AccessSessionReport> sessions;
  std::vector<records::Alarm> alarms;
  std::vector<Bytes> acknowledged_grants;
  std::size_t subscriptions = 0;
  std::size_t look_ups = 0;
  bool leases = true;           // give them
  std::size_t busy_for = 0;     // presences that it does not take
  bool lists_other_ca = false;  // instead of the online-ca
  std::optional<records::SnapshotCertificate> answer_look_up;

 private:
  static net::Task<void> accept(FakeAuthority& self) {
    for (;;) {
      auto stream = co_await self.listener_->accept(net::Deadline::never());
      if (!stream) co_return;
      if (!self.reachable_) {
        (*stream)->close();
        continue;
      }
      net::RpcOptions options;
      options.on_request = [&self](Bytes request, net::Caller caller) {
        return answer(self, std::move(request), std::move(caller.peer));
      };
      static_cast<void>(net::RpcPeer::start(*std::move(stream), std::move(options)));
    }
  }

  static net::Task<Result<Bytes>> answer(FakeAuthority& self, Bytes request, std::shared_ptr<net::RpcPeer> peer) {
    ByteView fields = request;
    CO_TRY(const auto method, records::take_method(fields));
    switch (static_cast<records::RoleMethod>(method)) {
      case records::RoleMethod::subscribe:
        self.peers_.push_back(peer);
        ++self.subscriptions;
        self.push_state(*peer);
        for (const auto& [id, sealed] : self.sealed_) push(*peer, records::RoleEvent::grant, sealed);
        break;
      case records::RoleMethod::acknowledge:
        co_return self.leases ? records::encode(records::LeaseEvent{self.number_, 5'000}) : Bytes{};
      case records::RoleMethod::role_certificate:
        co_return self.certify(fields);
      case records::RoleMethod::find_certificate:
        co_return self.find(fields);
      case records::RoleMethod::presence: {
        CO_TRY(auto presence, records::parse_presence(fields));
        if (self.busy_for > 0) {
          --self.busy_for;
          co_return fail(Errc::overloaded, "busy");
        }
        self.presences.push_back(std::move(presence));
        break;
      }
      case records::RoleMethod::access_session: {
        CO_TRY(auto report, records::parse_access_session_report(fields));
        self.sessions.insert_or_assign(report.grant_id, report);
        break;
      }
      case records::RoleMethod::alarm: {
        CO_TRY(auto alarm, records::parse_alarm(fields));
        self.alarms.push_back(std::move(alarm));
        break;
      }
      case records::RoleMethod::grant_acknowledge:
        self.acknowledged_grants.push_back(to_bytes(fields));
        break;
      default:
        co_return fail(Errc::malformed, "unexpected method");
    }
    co_return Bytes{};
  }

  Result<Bytes> certify(ByteView fields) {
    TRY(const auto order, records::parse_role_certificate_request(fields));
    TRY(const auto csr, pki::parse_csr(order.csr));
    const auto leaf =
        tree_.certify(pki::ProfileId::server, tree_.server_ca, {order.role + "." + kZone.get()}, csr.public_key);
    return records::encode(
        records::CertificateChain{{to_bytes(leaf.der()), to_bytes(tree_.server_ca.certificate.der())}});
  }
  Result<Bytes> find(ByteView fields) {
    TRY_VOID(records::parse_find_certificate(fields));
    ++look_ups;
    if (!answer_look_up) return fail(Errc::not_found, "certificate: not in the issuance record");
    records::SnapshotUpdate found;
    found.cas = {{records::CaName("online-ca"), to_bytes(tree_.online_ca.certificate.der())}};
    found.certificates = {*answer_look_up};
    return records::encode_snapshot_update(found);
  }
  void push_state(net::RpcPeer& peer) {
    records::SnapshotUpdate update{.number = number_, .base = 0, .issued_at = kNow};
    update.root_crl = tree_.root_crl();
    update.cas = {{records::CaName("online-ca"), to_bytes(tree_.online_ca.certificate.der())}};
    if (lists_other_ca) update.cas.front().certificate = to_bytes(tree_.other_ca.certificate.der());
    for (const auto& [serial, certificate] : certificates_) update.certificates.push_back(certificate);
    for (const auto& [name, device] : devices_) update.devices.push_back(device);
    records::SnapshotEvent event{.sealed_manifest = {}, .first_portion = records::encode_snapshot_update(update)};
    const pki::SnapshotManifest manifest{number_, 0, kNow, {crypto::sha256(event.first_portion)}};
    event.sealed_manifest =
        tree_.seal(pki::ControlKind::snapshot, pki::encode_snapshot_manifest(manifest), tree_.snapshots);
    push(peer, records::RoleEvent::update, records::encode(event));
  }
  static void push(net::RpcPeer& peer, records::RoleEvent event, ByteView fields) {
    static_cast<void>(peer.send_event(records::with_event(event, fields)));
  }

  net::Executor executor_;
  Tree& tree_;
  std::unique_ptr<net::Listener> listener_;
  std::vector<std::shared_ptr<net::RpcPeer>> peers_;
  std::uint64_t number_ = 1;
  bool reachable_ = true;
  std::map<DeviceName, records::SnapshotDevice> devices_;
  std::map<std::string, records::SnapshotCertificate> certificates_;
  std::map<tunnel::GrantId, Bytes> sealed_;
};

}  // namespace sallyport::relay::testing
