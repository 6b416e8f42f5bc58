// The OCSP responder over a real feed: what a change makes it forget.
#include "status_role.h"

namespace sallyport::integration {
namespace {

const records::CaName kOnlineCa("online-ca");

net::Task<void> forgets_what_changed(Installation& t) {
  StatusRole role(t);
  CO_ASSERT(co_await role.prepare(kOnlineCa));
  const auto gateway = co_await t.connect("authority");
  const auto admin = co_await t.connect("admin");
  auto key = crypto::PrivateKey::generate();
  const auto kept = co_await enrolled(t, gateway, "d-1", key);
  auto other_key = crypto::PrivateKey::generate();
  const auto revoked = co_await enrolled(t, gateway, "d-2", other_key);
  CO_ASSERT(kept && revoked);
  EXPECT_TRUE(std::holds_alternative<pki::GoodStatus>(role.status(kOnlineCa, kept->serial())));
  EXPECT_TRUE(std::holds_alternative<pki::GoodStatus>(role.status(kOnlineCa, revoked->serial())));
  EXPECT_EQ(role.responder.counters().live, 2U);

  const codec::Json order(
      codec::Json::Object{{"ca", kOnlineCa.get()}, {"serial", revoked->serial().hex()}, {"reason", "keyCompromise"}});
  CO_ASSERT((co_await t.administer(admin, "certificate.revoke", order)).has_value());
  EXPECT_TRUE(std::holds_alternative<pki::GoodStatus>(role.status(kOnlineCa, kept->serial())));
  EXPECT_EQ(role.responder.counters().cached, 1U) << "another certificate's revocation is nothing to it";
  EXPECT_TRUE(std::holds_alternative<pki::RevokedStatus>(role.status(kOnlineCa, revoked->serial())));
  EXPECT_EQ(role.responder.counters().live, 3U);

  const codec::Json crl(codec::Json::Object{{"crl", codec::encode_pem("X509 CRL", t.make_root_crl(2))}});
  CO_ASSERT((co_await t.administer(admin, "root.install_crl", crl)).has_value());
  EXPECT_TRUE(std::holds_alternative<pki::GoodStatus>(role.status(kOnlineCa, kept->serial())));
  EXPECT_EQ(role.responder.counters().live, 4U) << "another root CRL changes everything";
}
TEST(Responder, ForgetsTheAnswersThatAChangeIsAboutAndNoOthers) {
  Installation t;
  run(t, forgets_what_changed(t));
}

}  // namespace
}  // namespace sallyport::integration
