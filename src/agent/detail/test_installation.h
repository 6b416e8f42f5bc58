// An installation small enough for a test: its certificates, a status host that can be made to lie, servers on
// loopback. For this layer's tests alone.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "agent/state.h"
#include "codec/text.h"
#include "crypto/system_random.h"
#include "http/server.h"
#include "net/listener.h"
#include "net/run.h"
#include "net/timer.h"
#include "net/tls_stream.h"
#include "pki/issue.h"
#include "pki/ocsp.h"
#include "pki/signed_object.h"
#include "tunnel/grant.h"

// ASSERT_TRUE for coroutines.
#define CO_ASSERT(...)                                          \
  do {                                                          \
    const bool co_assert_held = static_cast<bool>(__VA_ARGS__); \
    EXPECT_TRUE(co_assert_held) << #__VA_ARGS__;                \
    if (!co_assert_held) co_return;                             \
  } while (false)

namespace sallyport::agent::testing {

inline constexpr UnixTime kNow{1'780'315'200};  // 2026-06-01T12:00:00Z
inline constexpr milliseconds kSoon{5'000};
inline const DnsName kZone("devices.example");
inline const DeviceName kDevice("abcdefghij");

// TLS writes to a peer that has gone must not end the tests.
inline const bool kPipeSignalIgnored = (net::ignore_sigpipe(), true);

struct Issued {
  pki::Certificate certificate;
  std::shared_ptr<crypto::PrivateKey> key;
};

inline std::shared_ptr<crypto::PrivateKey> new_key() {
  return std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate());
}

// The tree of certificates, all issued at kNow unless told otherwise.
class Tree {
 public:
  // `next_root` is what the root pins as its successor's key.
  explicit Tree(std::optional<crypto::Sha256Digest> next_root = std::nullopt)
      : root_key(new_key()), root(make_root(next_root)) {}

  // The key of `next`'s root under this one.
  pki::Certificate make_link(const Tree& next) {
    const auto& profile = pki::profile(pki::ProfileId::root_link);
    const pki::CertificateFields fields{.common_name = "Sallyport root test",
                                        .organization = "",
                                        .dns_names = {},
                                        .public_key = next.root_key->public_key(),
                                        .validity = pki::choose_validity(profile, &root, kNow, profile.longest),
                                        .serial = pki::SerialNumber::draw(random_),
                                        .permitted_dns = {},
                                        .ocsp_urls = {},
                                        .crl_urls = {},
                                        .ca_issuer_urls = {},
                                        .next_root_key = next.root.extensions().next_root_key};
    auto linted = pki::prepare(profile, fields, root, kNow);
    EXPECT_TRUE(linted) << linted.error().detail;
    return *pki::issue(*std::move(linted), *root_key);
  }

  pki::Certificate sign(const pki::Profile& profile, const pki::Certificate* issuer, crypto::PrivateKey& key,
                        std::string name, const crypto::PublicKey& subject, std::vector<std::string> names,
                        std::vector<std::string> permitted, UnixTime now = kNow,
                        std::optional<crypto::Sha256Digest> next_root = std::nullopt) {
    const pki::CertificateFields fields{.common_name = std::move(name),
                                        .organization = "",
                                        .dns_names = std::move(names),
                                        .public_key = subject,
                                        .validity = pki::choose_validity(profile, issuer, now, profile.longest),
                                        .serial = pki::SerialNumber::draw(random_),
                                        .permitted_dns = std::move(permitted),
                                        .ocsp_urls = {},
                                        .crl_urls = {},
                                        .ca_issuer_urls = {},
                                        .next_root_key = next_root};
    auto linted = issuer == nullptr ? pki::prepare_self_signed(profile, fields, now)
                                    : pki::prepare(profile, fields, *issuer, now);
    EXPECT_TRUE(linted) << linted.error().detail;
    return *pki::issue(*std::move(linted), key);
  }
  Issued make_ca(std::string_view name, std::vector<std::string> permitted) {
    auto key = new_key();
    const auto& profile = pki::profile(pki::ca_profile_of(*pki::ca_kind_of(name)));
    auto certificate =
        sign(profile, &root, *root_key, pki::ca_common_name(name, "test"), key->public_key(), {}, std::move(permitted));
    return {std::move(certificate), std::move(key)};
  }
  pki::Certificate certify(pki::ProfileId id, const Issued& ca, std::vector<std::string> names,
                           const crypto::PublicKey& key, UnixTime now = kNow) {
    return sign(pki::profile(id), &ca.certificate, *ca.key, "leaf", key, std::move(names), {}, now);
  }
  Issued make_leaf(pki::ProfileId id, const Issued& ca, std::vector<std::string> names, UnixTime now = kNow) {
    auto key = new_key();
    auto certificate = certify(id, ca, std::move(names), key->public_key(), now);
    return {std::move(certificate), std::move(key)};
  }
  pki::Crl make_crl(std::uint64_t number, std::vector<pki::SerialNumber> revoked, UnixTime at = kNow,
                    seconds life = 90 * kDay) {
    pki::CrlFields fields{
        .number = number, .this_update = at, .next_update = at + life, .delta_base = std::nullopt, .entries = {}};
    for (const auto& serial : revoked)
      fields.entries.push_back({.serial = serial, .reason = pki::RevocationReason::ca_compromise, .revoked_at = at});
    auto der = pki::build_crl(root, std::move(fields), *root_key);
    EXPECT_TRUE(der) << der.error().detail;
    return *pki::parse_crl(*der);
  }

 private:
  pki::Certificate make_root(std::optional<crypto::Sha256Digest> next_root) {
    const auto& profile = pki::profile(pki::ProfileId::root);
    return sign(profile, nullptr, *root_key, "Sallyport root test", root_key->public_key(), {}, {}, kNow, next_root);
  }
  crypto::SystemRandom random_;

 public:
  std::shared_ptr<crypto::PrivateKey> root_key;
  pki::Certificate root;
  Issued online_ca = make_ca("online-ca", {kZone.get()});
  Issued web_ca = make_ca("web-ca", {kZone.get()});
  Issued server_ca = make_ca("server-ca", {kZone.get()});
  Issued control_ca = make_ca("control-ca", {});
  Issued site_ca = make_ca("local-ca/site-7", {"site-7.factory." + kZone.get()});
  Issued grants = make_leaf(pki::ProfileId::grant_signer, control_ca, {});
  Issued gateway = make_leaf(pki::ProfileId::server, server_ca, {"gateway." + kZone.get()});
  Issued relay = make_leaf(pki::ProfileId::server, server_ca, {"relay." + kZone.get()});
  Issued status = make_leaf(pki::ProfileId::server, server_ca, {"status." + kZone.get()});
  Issued server_delegate = make_leaf(pki::ProfileId::ocsp_signer, server_ca, {});
  Issued control_delegate = make_leaf(pki::ProfileId::ocsp_signer, control_ca, {});
  Issued web = make_leaf(pki::ProfileId::web_device, web_ca,
                         {kDevice.get() + "." + kZone.get(), "*." + kDevice.get() + "." + kZone.get()});

  static crypto::TlsIdentity identity(const Issued& leaf, const Issued& ca) {
    return {.chain = {to_bytes(leaf.certificate.der()), to_bytes(ca.certificate.der())}, .key = leaf.key};
  }
  Bytes seal(const tunnel::AccessGrant& grant, pki::ControlKind kind = pki::ControlKind::grant) const {
    const std::array chain = {grants.certificate, control_ca.certificate};
    auto sealed = pki::seal_object(kind, tunnel::encode_grant(grant), *grants.key, chain);
    EXPECT_TRUE(sealed) << sealed.error().detail;
    return *std::move(sealed);
  }
};

// What the status host does instead of telling the truth.
enum class Lie : std::uint8_t {
  none,
  unreachable,        // closes every connection
  try_later,          // answers nothing else
  no_nonce,           // a "good" of before
  other_nonce,        // the answer to somebody else's question
  old_answer,         // produced an hour ago
  foreign_signer,     // a delegate of another CA of the same root
  no_delegate,        // signed by a server certificate
  other_certificate,  // a "good" of another serial
  unknown,            // never heard of it
  no_crl_number,      // the witness names no root CRL
  witness_no_nonce,
  garbage,
};

// The answers of a status host, without its sockets.
class Responder {
 public:
  explicit Responder(Tree& tree) : tree_(tree), root_crl(tree.make_crl(1, {})), told_crl(1) {}

  Bytes answer(ByteView request) {
    ++asked;
    const auto parsed = pki::parse_ocsp_request(request);
    EXPECT_TRUE(parsed);
    if (!parsed || lie == Lie::garbage) return to_bytes(std::string_view("garbage"));
    if (lie == Lie::try_later) return pki::encode_ocsp_error(pki::OcspResponseStatus::try_later);
    const pki::CertId& id = parsed->ids.front();
    const bool control = id == pki::make_cert_id(id.hash, tree_.control_ca.certificate, id.serial);
    pki::SingleResponse single{.id = id,
                               .status = pki::GoodStatus{},
                               .this_update = now,
                               .next_update = now + seconds(60),
                               .crl_number = std::nullopt};
    if (control && lie != Lie::no_crl_number) single.crl_number = told_crl;
    if (control) single.root_crl_numbers = told_crls;
    if (revoked.contains(id.serial.hex())) single.status = pki::RevokedStatus{.at = now};
    if (lie == Lie::unknown) single.status = pki::UnknownStatus{};
    if (lie == Lie::other_certificate) single.id.serial = tree_.status.certificate.serial();
    pki::OcspAnswer out{.responses = {single}, .produced_at = now, .nonce = parsed->nonce};
    if (lie == Lie::no_nonce || (control && lie == Lie::witness_no_nonce)) out.nonce.reset();
    if (lie == Lie::other_nonce) out.nonce = Bytes(pki::kOcspNonceSize, 0x55);
    if (lie == Lie::old_answer) {
      out.produced_at = now - seconds(3'600);
      out.responses.front().this_update = out.produced_at;
      out.responses.front().next_update = out.produced_at + seconds(60);
    }
    const Issued& signer = signer_for(control);
    auto der = pki::build_ocsp_response(out, *signer.key, &signer.certificate);
    EXPECT_TRUE(der);
    return *std::move(der);
  }

  http::Router routes() {
    http::Router router;
    router.add("POST", "/ocsp", [this](http::Request request, net::PeerInfo) -> net::Task<http::Response> {
      return reply(answer(request.body), "application/ocsp-response");
    });
    router.add("GET", "/crl/control-ca.cer", [this](http::Request, net::PeerInfo) {
      return reply(to_bytes(tree_.control_ca.certificate.der()), "application/pkix-cert");
    });
    router.add("GET", "/crl/witness", [this](http::Request, net::PeerInfo) {
      return reply(to_bytes(std::string_view(tree_.grants.certificate.serial().hex())), "text/plain");
    });
    router.add("GET", "/crl/{file}", [this](http::Request request, net::PeerInfo) {
      const std::string file = request.param("file");
      if (file.ends_with(".cer")) return server_ca(file);
      const auto found = root_crls.find(file);
      return reply(to_bytes((found == root_crls.end() ? root_crl : found->second).der()), "application/pkix-crl");
    });
    return router;
  }

 private:
  static net::Task<http::Response> reply(Bytes body, std::string type) {
    co_return http::Response::bytes(std::move(body), type);
  }
  // "server-ca-<key id>.cer", as a certificate names its issuer.
  net::Task<http::Response> server_ca(const std::string& file) const {
    const pki::Certificate& ca = tree_.server_ca.certificate;
    if (file == fmt::format("server-ca-{}.cer", codec::encode_hex(*ca.extensions().subject_key_id)))
      return reply(to_bytes(ca.der()), "application/pkix-cert");
    return missing();
  }
  static net::Task<http::Response> missing() { co_return http::Response::error(404); }
  const Issued& signer_for(bool control) const {
    if (lie == Lie::foreign_signer) return control ? tree_.server_delegate : tree_.control_delegate;
    if (lie == Lie::no_delegate) return tree_.gateway;
    if (control) return own_control_delegate ? *own_control_delegate : tree_.control_delegate;
    return own_server_delegate ? *own_server_delegate : tree_.server_delegate;
  }

  Tree& tree_;

 public:
  Lie lie = Lie::none;
  pki::Crl root_crl;                                                // what is served
  std::map<std::string, pki::Crl> root_crls;                        // instead, by the name that is asked for
  std::uint64_t told_crl;                                           // what control-ca's delegate tells
  std::vector<pki::RootCrlNumber> told_crls;                        // and of every root
  std::set<std::string> revoked;                                    // serials
  std::optional<Issued> own_server_delegate, own_control_delegate;  // in the place of the tree's
  UnixTime now = kNow;
  std::size_t asked = 0;
};

// A folder that vanishes with the test.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "sallyport-agent-XXXXXX").native();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline Settings make_settings() {
  Settings out;
  out.serial_id = SerialId("pump-0001");
  out.site = SiteName("site-7");
  out.zone = kZone;
  out.relay_address = {.host = "127.0.0.1", .port = 1};
  out.http_address = {.host = "127.0.0.1", .port = 1};
  out.public_port = 443;
  out.remote_access = true;
  return out;
}

// Serves TLS for several names on one port of loopback, and counts what it is told.
class TlsPort {
 public:
  TlsPort(net::Io& io) : io_(io) {
    auto made = net::Listener::tcp(io.executor(), {.host = "127.0.0.1", .port = 0});
    EXPECT_TRUE(made);
    listener_ = *std::move(made);
  }
  void add(const DnsName& name, crypto::TlsIdentity identity, std::function<net::Task<void>(net::StreamPtr)> serve) {
    names_.insert_or_assign(name.get(), Name{std::move(identity), std::move(serve)});
  }
  void start() { net::spawn(io_.executor(), accept(*this), "test.tls-port"); }
  const net::Address& address() const { return listener_->address(); }

  std::vector<Bytes> client_issuers;  // of which clients are told
  std::function<Result<void>(std::span<const Bytes>)> judge_client = [](std::span<const Bytes>) {
    return Result<void>{};
  };

 private:
  struct Name {
    crypto::TlsIdentity identity;
    std::function<net::Task<void>(net::StreamPtr)> serve;
  };
  static net::Task<void> accept(TlsPort& self) {
    for (;;) {
      auto lower = co_await self.listener_->accept(net::Deadline::never());
      if (!lower) co_return;
      net::spawn(self.io_.executor(), serve(self, *std::move(lower)), "test.tls-connection");
    }
  }
  static net::Task<void> serve(TlsPort& self, net::StreamPtr lower) {
    crypto::TlsServerSettings settings;
    settings.identity = self.names_.begin()->second.identity;
    settings.alpn = {"http/1.1", "sallyport-control/1"};
    settings.client_auth = crypto::ClientAuth::optional;
    settings.client_issuers = self.client_issuers;
    settings.verify_client = self.judge_client;
    settings.identity_for = [&self](std::string_view name) -> Result<crypto::TlsIdentity> {
      const auto found = self.names_.find(name);
      if (found == self.names_.end()) return fail(Errc::not_found, "no such name");
      return found->second.identity;
    };
    auto context = crypto::TlsContext::server(std::move(settings));
    auto stream = co_await net::tls_accept(std::move(lower), *context, kSoon);
    if (!stream) co_return;
    const std::string name = (*stream)->peer().server_name;
    co_await self.names_.find(name)->second.serve(*std::move(stream));
  }

  net::Io& io_;
  std::unique_ptr<net::Listener> listener_;
  std::map<std::string, Name, std::less<>> names_;
};

// A status host on a plain port.
class PlainStatus {
 public:
  PlainStatus(net::Io& io, Responder& responder) : io_(io), responder_(responder), server_(responder.routes()) {
    auto made = net::Listener::tcp(io.executor(), {.host = "127.0.0.1", .port = 0});
    EXPECT_TRUE(made);
    listener_ = *std::move(made);
    net::spawn(io.executor(), accept(*this), "test.status");
  }
  const net::Address& address() const { return listener_->address(); }
  const http::Server& server() const { return server_; }

 private:
  static net::Task<void> accept(PlainStatus& self) {
    for (;;) {
      auto stream = co_await self.listener_->accept(net::Deadline::never());
      if (!stream) co_return;
      if (self.responder_.lie == Lie::unreachable) continue;
      net::spawn(self.io_.executor(), self.server_.serve(*std::move(stream)), "test.status-connection");
    }
  }
  net::Io& io_;
  Responder& responder_;
  http::Server server_;
  std::unique_ptr<net::Listener> listener_;
};

}  // namespace sallyport::agent::testing
