// The OCSP responder over a real feed: what a change makes it forget.
#include "status/responder.h"
#include "pki/ocsp.h"
#include "rolelink/role_link.h"
#include "watcher.h"

namespace sallyport::integration {
namespace {

const records::CaName kOnlineCa("online-ca");

struct StatusRole {
  explicit StatusRole(Installation& t)
      : responder(t.clock()), link(t.io().executor(), t.clock(), t.random(), settings(t), events()) {}
  static rolelink::Settings settings(Installation& t) {
    return {.role = "status", .instance = 0, .authority_socket = t.socket("authority"), .root = t.root()};
  }
  rolelink::Events events() {
    rolelink::Events out;
    out.on_snapshot = [this](const records::SnapshotState& state, const records::SnapshotChange& change) {
      responder.use_snapshot(state, change);
    };
    return out;
  }
  pki::CertificateStatus ask(const pki::Certificate& leaf) {
    const auto ca = pki::parse_certificate(link.snapshot().find_ca(kOnlineCa)->certificate);
    const pki::OcspRequest request{{pki::make_cert_id(pki::CertIdHash::sha256, *ca, leaf.serial())}, std::nullopt};
    const auto response =
        pki::parse_ocsp_response(*responder.answer(pki::encode_ocsp_request(request), true, "192.0.2.1").der);
    if (!response || response->answer.responses.size() != 1) return pki::UnknownStatus{};
    return response->answer.responses.front().status;
  }
  status::Responder responder;
  rolelink::RoleLink link;
};

net::Task<std::optional<pki::Certificate>> enrolled(Installation& t, std::shared_ptr<net::RpcPeer> gateway,
                                                    std::string serial_id) {
  const Device device = t.make_device(serial_id);
  auto key = crypto::PrivateKey::generate();
  auto chain = co_await t.enrol(std::move(gateway), device, key);
  if (!chain) co_return std::nullopt;
  auto leaf = pki::parse_certificate(chain->certificates.front());
  co_return leaf ? std::optional(*leaf) : std::nullopt;
}

net::Task<void> forgets_what_changed(Installation& t) {
  StatusRole role(t);
  co_await role.link.until_ready();
  auto signer = co_await role.link.obtain_ocsp_signer(kOnlineCa);
  CO_ASSERT(signer.has_value());
  role.responder.use_signer(kOnlineCa, {signer->key, signer->certificate});
  const auto gateway = co_await t.connect("authority");
  const auto admin = co_await t.connect("admin");
  const auto kept = co_await enrolled(t, gateway, "d-1");
  const auto revoked = co_await enrolled(t, gateway, "d-2");
  CO_ASSERT(kept && revoked);
  EXPECT_TRUE(std::holds_alternative<pki::GoodStatus>(role.ask(*kept)));
  EXPECT_TRUE(std::holds_alternative<pki::GoodStatus>(role.ask(*revoked)));
  EXPECT_EQ(role.responder.counters().live, 2U);

  const codec::Json order(
      codec::Json::Object{{"ca", kOnlineCa.get()}, {"serial", revoked->serial().hex()}, {"reason", "keyCompromise"}});
  CO_ASSERT((co_await t.administer(admin, "certificate.revoke", order)).has_value());
  EXPECT_TRUE(std::holds_alternative<pki::GoodStatus>(role.ask(*kept)));
  EXPECT_EQ(role.responder.counters().cached, 1U) << "another certificate's revocation is nothing to it";
  EXPECT_TRUE(std::holds_alternative<pki::RevokedStatus>(role.ask(*revoked)));
  EXPECT_EQ(role.responder.counters().live, 3U);

  const codec::Json crl(codec::Json::Object{{"crl", codec::encode_pem("X509 CRL", t.make_root_crl(2))}});
  CO_ASSERT((co_await t.administer(admin, "root.install_crl", crl)).has_value());
  EXPECT_TRUE(std::holds_alternative<pki::GoodStatus>(role.ask(*kept)));
  EXPECT_EQ(role.responder.counters().live, 4U) << "another root CRL changes everything";
}
TEST(Responder, ForgetsTheAnswersThatAChangeIsAboutAndNoOthers) {
  Installation t;
  run(t, forgets_what_changed(t));
}

}  // namespace
}  // namespace sallyport::integration
