// The OCSP responder over a real feed: what a change makes it forget.
#include "status_role.h"

namespace sallyport::integration {
namespace {

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
  EXPECT_EQ(role.responder.counters().on_demand, 2U);

  const codec::Json order(
      codec::Json::Object{{"ca", kOnlineCa.get()}, {"serial", revoked->serial().hex()}, {"reason", "keyCompromise"}});
  CO_ASSERT((co_await t.administer(admin, "certificate.revoke", order)).has_value());
  EXPECT_TRUE(std::holds_alternative<pki::GoodStatus>(role.status(kOnlineCa, kept->serial())));
  EXPECT_EQ(role.responder.counters().cached, 1U) << "another certificate's revocation is nothing to it";
  EXPECT_TRUE(std::holds_alternative<pki::RevokedStatus>(role.status(kOnlineCa, revoked->serial())));
  EXPECT_EQ(role.responder.counters().on_demand, 3U);

  const codec::Json crl(codec::Json::Object{{"crl", codec::encode_pem("X509 CRL", t.make_root_crl(2))}});
  CO_ASSERT((co_await t.administer(admin, "root.install_crl", crl)).has_value());
  EXPECT_TRUE(std::holds_alternative<pki::GoodStatus>(role.status(kOnlineCa, kept->serial())));
  EXPECT_EQ(role.responder.counters().on_demand, 4U) << "another root CRL changes everything";
}
TEST(Responder, ForgetsTheAnswersThatAChangeIsAboutAndNoOthers) {
  Installation t;
  run(t, forgets_what_changed(t));
}

void put_state(Installation& t, std::string_view serial_id, records::DeviceState state) {
  t.write([&](records::Records& records) -> Result<void> {
    TRY(auto record, records.devices().find(kSite, SerialId(std::string(serial_id))));
    record->state = state;
    return records.devices().update(*record);
  });
}

// A change that goes through the authority, so that the feed tells of it and of what was written before.
net::Task<bool> let_the_feed_tell(Installation& t, std::shared_ptr<net::RpcPeer> admin) {
  const auto told =
      co_await t.administer(std::move(admin), "root.install_crl",
                            codec::Json::Object{{"crl", codec::encode_pem("X509 CRL", t.make_root_crl(2))}});
  co_return told.has_value();
}

net::Task<void> holds_the_suspended(Installation& t) {
  StatusRole role(t);
  CO_ASSERT(co_await role.prepare(kOnlineCa));
  const auto gateway = co_await t.connect("authority");
  const auto admin = co_await t.connect("admin");
  auto key = crypto::PrivateKey::generate();
  const auto kept = co_await enrolled(t, gateway, "d-1", key);
  auto other_key = crypto::PrivateKey::generate();
  const auto held = co_await enrolled(t, gateway, "d-2", other_key);
  CO_ASSERT(kept && held);
  const auto name = t.device_record(SerialId("d-2")).name;
  CO_ASSERT(name.has_value());
  put_state(t, "d-2", records::DeviceState::claimed);
  CO_ASSERT(co_await let_the_feed_tell(t, admin));
  EXPECT_TRUE(std::holds_alternative<pki::GoodStatus>(role.status(kOnlineCa, held->serial())));
  const auto signed_before = role.responder.counters().on_demand;

  CO_ASSERT((co_await t.administer(admin, "device.suspend", named("name", name->get()))).has_value());
  const auto answer = role.ask(kOnlineCa, held->serial());
  CO_ASSERT(answer.answer.responses.size() == 1);
  const auto* revoked = std::get_if<pki::RevokedStatus>(&answer.answer.responses.front().status);
  CO_ASSERT(revoked != nullptr);
  EXPECT_EQ(revoked->reason, pki::RevocationReason::certificate_hold);
  EXPECT_EQ(answer.answer.responses.front().next_update, t.clock().now() + status::kServerAnswerLife)
      << "it may be good again soon";
  EXPECT_EQ(role.responder.counters().on_demand, signed_before + 1) << "the good answer that was kept is given no more";
  const auto with_nonce = role.ask(kOnlineCa, held->serial(), Bytes(pki::kOcspNonceSize, 7));
  CO_ASSERT(with_nonce.answer.responses.size() == 1);
  EXPECT_TRUE(std::holds_alternative<pki::RevokedStatus>(with_nonce.answer.responses.front().status));
  EXPECT_TRUE(std::holds_alternative<pki::GoodStatus>(role.status(kOnlineCa, kept->serial()))) << "another's is good";

  CO_ASSERT((co_await t.administer(admin, "device.resume", named("name", name->get()))).has_value());
  // Who resumes need not wait for the roles; the next change does.
  CO_ASSERT((co_await t.administer(admin, "device.suspend", named("name", name->get()))).has_value());
  EXPECT_TRUE(std::holds_alternative<pki::RevokedStatus>(role.status(kOnlineCa, held->serial())));
  CO_ASSERT((co_await t.administer(admin, "device.resume", named("name", name->get()))).has_value());
  EXPECT_TRUE(
      co_await until([&] { return std::holds_alternative<pki::GoodStatus>(role.status(kOnlineCa, held->serial())); }));
}
TEST(Responder, PutsTheCertificatesOfASuspendedDeviceOnHoldUntilItIsResumed) {
  Installation t;
  run(t, holds_the_suspended(t));
}

}  // namespace
}  // namespace sallyport::integration
