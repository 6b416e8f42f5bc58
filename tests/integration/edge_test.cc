// What a status role signs for its edges, over a real feed, and what an edge makes of it (DESIGN §10,
// docs/operate/edges.md).
#include <algorithm>

#include "cable.h"
#include "status/edge_shelf.h"
#include "status_role.h"

namespace sallyport::integration {
namespace {

// A status role on the end of a cable, a gateway with a certificate, a device, and an edge.
struct EdgeScene {
  explicit EdgeScene(Installation& installation)
      : t(installation),
        cable(t.io().executor(), t.socket("cable"), t.socket("authority")),
        gateway(t.io().executor(), t.clock(), t.random(),
                {.role = "gateway", .instance = 0, .authority_socket = t.socket("authority"), .root = t.root()}, {}),
        role(t, cable.path()),
        shelf(t.clock(), {t.root()}) {}

  net::Task<bool> prepare() {
    co_await gateway.until_ready();
    const auto identity = co_await gateway.obtain_certificate(records::CertificateKind::server);
    if (!identity) co_return false;
    server = *pki::parse_certificate(identity->chain.front());
    if (!co_await role.prepare(kOnlineCa)) co_return false;
    if (!co_await role.prepare(kServerCa)) co_return false;
    const auto peer = co_await t.connect("authority");
    auto key = crypto::PrivateKey::generate();
    device = co_await enrolled(t, peer, "d-1", key);
    if (!device) co_return false;
    co_return co_await until([this] {
      return std::holds_alternative<pki::GoodStatus>(role.status(kServerCa, server->serial())) &&
             std::holds_alternative<pki::GoodStatus>(role.status(kOnlineCa, device->serial()));
    });
  }
  // As the edge fetches it.
  status::EdgeShelf::Taken hand_over() {
    status::Presigned out;
    out.cas = role.link.snapshot().cas();
    std::erase_if(out.cas, [](const records::SnapshotCa& ca) { return ca.name != kOnlineCa && ca.name != kServerCa; });
    out.root_crls = role.link.snapshot().root_crls();
    for (const auto& answer : role.responder.presigned(role.link.has_lease())) out.answers.push_back(*answer.der);
    const auto read = status::parse_presigned(status::encode_presigned(out));
    EXPECT_TRUE(read);
    return read ? shelf.take(*read) : status::EdgeShelf::Taken{};
  }
  // What the edge says; absent where it is no answer.
  std::optional<pki::CertificateStatus> told(const records::CaName& ca, const pki::Certificate& about,
                                             pki::CertIdHash hash = pki::CertIdHash::sha256) {
    const auto issuer = pki::parse_certificate(role.link.snapshot().find_ca(ca)->certificate);
    const pki::OcspRequest request{{pki::make_cert_id(hash, *issuer, about.serial())}, std::nullopt};
    const auto response = pki::parse_ocsp_response(*shelf.answer(pki::encode_ocsp_request(request)).der);
    if (!response || response->answer.responses.size() != 1) return std::nullopt;
    return response->answer.responses.front().status;
  }
  bool says_good(pki::CertIdHash hash = pki::CertIdHash::sha256) {
    const auto status = told(kServerCa, *server, hash);
    return status && std::holds_alternative<pki::GoodStatus>(*status);
  }

  Installation& t;
  Cable cable;
  rolelink::RoleLink gateway;
  StatusRole role;
  status::EdgeShelf shelf;
  std::optional<pki::Certificate> server, device;
};

net::Task<void> hands_over_what_is_signed(Installation& t) {
  EdgeScene scene(t);
  CO_ASSERT(co_await scene.prepare());
  const auto taken = scene.hand_over();
  EXPECT_EQ(taken.answers, 2U) << "about the gateway, under both hashes";
  EXPECT_EQ(taken.refused, 0U);
  EXPECT_TRUE(scene.says_good());
  EXPECT_TRUE(scene.says_good(pki::CertIdHash::sha1));
  EXPECT_FALSE(scene.told(kOnlineCa, *scene.device)) << "nothing about devices";
  const auto signed_before = scene.role.responder.counters().on_demand;
  EXPECT_EQ(scene.hand_over().answers, 0U) << "nothing new";
  t.clock().advance(status::kCacheRefresh);
  CO_ASSERT(co_await until([&] { return scene.role.link.has_lease(); }));
  EXPECT_EQ(scene.hand_over().answers, 2U) << "signed anew";
  EXPECT_EQ(scene.role.responder.counters().on_demand, signed_before) << "it costs nobody's share of live answers";
}
TEST(Edge, IsHandedAnswersAboutServersUnderBothHashesAndNothingAboutDevices) {
  Installation t;
  run(t, hands_over_what_is_signed(t));
}

net::Task<void> a_revocation_reaches_it(Installation& t) {
  EdgeScene scene(t);
  CO_ASSERT(co_await scene.prepare());
  scene.hand_over();
  const auto admin = co_await t.connect("admin");
  const codec::Json order(codec::Json::Object{
      {"ca", kServerCa.get()}, {"serial", scene.server->serial().hex()}, {"reason", "keyCompromise"}});
  CO_ASSERT((co_await t.administer(admin, "certificate.revoke", order)).has_value());
  t.clock().advance(seconds(1));
  scene.hand_over();
  const auto status = scene.told(kServerCa, *scene.server);
  CO_ASSERT(status.has_value());
  EXPECT_TRUE(std::holds_alternative<pki::RevokedStatus>(*status));
}
TEST(Edge, HearsOfARevocationWithItsNextRound) {
  Installation t;
  run(t, a_revocation_reaches_it(t));
}

net::Task<void> without_a_lease_it_gets_what_is_at_hand(Installation& t) {
  EdgeScene scene(t);
  CO_ASSERT(co_await scene.prepare());
  scene.hand_over();
  scene.cable.cut();
  t.clock().advance(kLapse);
  CO_ASSERT(!scene.role.link.has_lease());
  EXPECT_EQ(scene.role.responder.presigned(false).size(), 2U) << "what was signed with one";
  EXPECT_TRUE(scene.says_good());
  t.clock().advance(status::kServerAnswerLife - kLapse);
  EXPECT_TRUE(scene.role.responder.presigned(false).empty()) << "and no longer than its window";
  scene.hand_over();
  EXPECT_FALSE(scene.says_good());
  EXPECT_EQ(scene.shelf.answer_count(), 0U);
}
TEST(Edge, OfAStatusRoleWithoutALeaseGoesOnToTheEndOfTheWindow) {
  Installation t;
  run(t, without_a_lease_it_gets_what_is_at_hand(t));
}

}  // namespace
}  // namespace sallyport::integration
