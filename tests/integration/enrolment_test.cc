#include "authority/failure_pause.h"
#include "authority/issuance.h"
#include "installation.h"

namespace sallyport::integration {
namespace {

using records::CertificateState;
using records::RoleMethod;

// Enrols in the background and leaves the answer behind.
net::Task<void> enrol_into(Installation& installation, std::shared_ptr<net::RpcPeer> gateway, const Device& device,
                           crypto::PrivateKey& key, std::vector<Result<records::CertificateChain>>& answers) {
  auto answer = co_await installation.enrol(std::move(gateway), device, key);
  answers.push_back(std::move(answer));
}

net::Task<void> until_count(const std::vector<Result<records::CertificateChain>>& answers, std::size_t count) {
  const net::Deadline deadline(kCallLimit);
  while (answers.size() < count && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
  EXPECT_EQ(answers.size(), count);
}

net::Task<void> same_key_same_certificate(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  const Device device = t.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  auto first = co_await t.enrol(gateway, device, key);
  CO_ASSERT(first.has_value());
  auto again = co_await t.enrol(gateway, device, key);
  CO_ASSERT(again.has_value());
  EXPECT_EQ(first->certificates, again->certificates);
  EXPECT_EQ(t.operational_certificates(device.serial_id).size(), 1U);
}
TEST(Enrolment, TheSameKeyGetsTheSameCertificate) {
  Installation t;
  run(t, same_key_same_certificate(t));
}

net::Task<void> other_key(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  const Device device = t.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  auto other = crypto::PrivateKey::generate();
  CO_ASSERT((co_await t.enrol(gateway, device, key)).has_value());
  auto refused = co_await t.enrol(gateway, device, other);
  CO_ASSERT(!refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::conflict);
  EXPECT_EQ(t.device_record(device.serial_id).alarms, 1U);
  EXPECT_EQ(t.device_record(device.serial_id).state, records::DeviceState::connected);
}
TEST(Enrolment, AnotherKeyIsRefusedAndAlarmed) {
  Installation t;
  run(t, other_key(t));
}

net::Task<void> many_other_keys(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  const Device device = t.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  CO_ASSERT((co_await t.enrol(gateway, device, key)).has_value());
  for (std::uint32_t i = 0; i < authority::kFreeFailures; ++i) {
    auto other = crypto::PrivateKey::generate();
    auto refused = co_await t.enrol(gateway, device, other);
    CO_ASSERT(!refused.has_value());
    EXPECT_EQ(refused.error().code, Errc::conflict);
  }
  auto other = crypto::PrivateKey::generate();
  auto paused = co_await t.enrol(gateway, device, other);
  CO_ASSERT(paused.has_value());
  EXPECT_TRUE(paused->certificates.empty());
  EXPECT_EQ(paused->retry_after_s, authority::kFirstPause.count());
  EXPECT_TRUE((co_await t.enrol(gateway, device, key))->certificates.size() == 2) << "the device itself never waits";
  t.clock().advance(authority::kFirstPause);
  EXPECT_EQ((co_await t.enrol(gateway, device, other)).error().code, Errc::conflict);
  EXPECT_EQ((co_await t.enrol(gateway, device, other))->retry_after_s, 2 * authority::kFirstPause.count());
  EXPECT_EQ(t.device_record(device.serial_id).alarms, 10U) << "a copied factory key must not write without end";
}
TEST(Enrolment, ACopiedFactoryKeyWritesABoundedNumberOfAlarms) {
  Installation t;
  run(t, many_other_keys(t));
}

net::Task<void> not_in_ledger(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  const Device device = t.make_device("d-1", false);
  auto key = crypto::PrivateKey::generate();
  auto refused = co_await t.enrol(gateway, device, key);
  CO_ASSERT(!refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::not_yet);
}
TEST(Enrolment, ADeviceInNoLedgerIsToldToWait) {
  Installation t;
  run(t, not_in_ledger(t));
}

net::Task<void> parallel_identical(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  const Device device = t.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  std::vector<Result<records::CertificateChain>> answers;
  for (int i = 0; i < 8; ++i) net::spawn(t.io().executor(), enrol_into(t, gateway, device, key, answers), "test.enrol");
  co_await until_count(answers, 8);
  for (const auto& answer : answers) {
    CO_ASSERT(answer.has_value());
    EXPECT_EQ(answer->certificates, answers.front()->certificates);
  }
  EXPECT_EQ(t.operational_certificates(device.serial_id).size(), 1U);
}
TEST(Enrolment, EightIdenticalRequestsAtOnceMakeOneCertificate) {
  Installation t;
  run(t, parallel_identical(t));
}

net::Task<void> quota_race(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  t.write([](records::Records& records) -> Result<void> {
    TRY(auto site, records.sites().find(kSite));
    site->activation_quota = 1;
    return records.sites().update(*site);
  });
  std::vector<Device> devices;
  std::vector<crypto::PrivateKey> keys;
  for (int i = 0; i < 20; ++i) devices.push_back(t.make_device("d-" + std::to_string(i)));
  for (int i = 0; i < 20; ++i) keys.push_back(crypto::PrivateKey::generate());
  std::vector<Result<records::CertificateChain>> answers;
  for (std::size_t i = 0; i < 20; ++i) {
    net::spawn(t.io().executor(), enrol_into(t, gateway, devices[i], keys[i], answers), "test.enrol");
  }
  co_await until_count(answers, 20);
  std::size_t issued = 0;
  for (const auto& answer : answers) {
    issued += answer.has_value() ? 1U : 0U;
    if (!answer) EXPECT_EQ(answer.error().code, Errc::overloaded);
  }
  EXPECT_EQ(issued, 1U);
  t.read([](records::Records& records) -> Result<void> {
    TRY(auto site, records.sites().find(kSite));
    EXPECT_EQ(site->enrolled, 1U);
    TRY(auto count, records.certificates().count(records::CaName("online-ca"), CertificateState::issued));
    EXPECT_EQ(count, 1U);
    return {};
  });
}
TEST(Enrolment, TwentyDevicesForAQuotaOfOneMakeExactlyOne) {
  Installation t;
  run(t, quota_race(t));
}

net::Task<void> revoked_factory_certificate(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  const auto admin = co_await t.connect("admin");
  const Device device = t.make_device("d-1");
  const codec::Json order(codec::Json::Object{
      {"ca", "local-ca/acme"}, {"serial", device.factory_certificate->serial().hex()}, {"reason", "keyCompromise"}});
  CO_ASSERT((co_await t.administer(admin, "certificate.revoke", order)).has_value());
  auto key = crypto::PrivateKey::generate();
  auto refused = co_await t.enrol(gateway, device, key);
  CO_ASSERT(!refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::unauthorized);
}
TEST(Enrolment, ARevokedFactoryCertificateEnrolsNothing) {
  Installation t;
  run(t, revoked_factory_certificate(t));
}

net::Task<void> revoked_key(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  const auto admin = co_await t.connect("admin");
  const Device device = t.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  auto chain = co_await t.enrol(gateway, device, key);
  CO_ASSERT(chain.has_value());
  const auto leaf = pki::parse_certificate(chain->certificates.front());
  const codec::Json order(
      codec::Json::Object{{"ca", "online-ca"}, {"serial", leaf->serial().hex()}, {"reason", "keyCompromise"}});
  CO_ASSERT((co_await t.administer(admin, "certificate.revoke", order)).has_value());
  auto refused = co_await t.enrol(gateway, device, key);
  CO_ASSERT(!refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::unauthorized);
  EXPECT_EQ(t.operational_certificates(device.serial_id).size(), 1U);
}
TEST(Enrolment, AKeyWhoseCertificateWasRevokedGetsNoOther) {
  Installation t;
  run(t, revoked_key(t));
}

// --- the factory key

net::Task<void> replace_required(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  Device device = t.make_device("d-1");
  auto refused = co_await t.enrol(gateway, device, device.factory_key);
  CO_ASSERT(!refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::unauthorized);
  EXPECT_EQ(t.device_record(device.serial_id).state, records::DeviceState::manufactured) << "nothing burnt";
}
TEST(FactoryKey, IsReplacedUnlessTheSiteSaysOtherwise) {
  Installation t;
  run(t, replace_required(t));
}

// The next request for the same key is then a renewal. With a root CRL that is in date.
net::Task<Result<codec::Json>> half_a_life_later(Installation& t, std::shared_ptr<net::RpcPeer> admin) {
  t.clock().advance(authority::kOperationalLifetime / 2 + seconds(3'600));
  const auto number = static_cast<std::uint64_t>((t.clock().now() - kNow).count());
  const codec::Json crl(codec::Json::Object{{"crl", codec::encode_pem("X509 CRL", t.make_root_crl(number))}});
  co_return co_await t.administer(std::move(admin), "root.install_crl", crl);
}

net::Task<void> replace_optional(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  const auto admin = co_await t.connect("admin");
  Device device = t.make_device("d-1");
  Device other = t.make_device("d-2");
  auto set = [&](const char* replace) {
    return t.administer(admin, "site.policy", codec::Json::Object{{"name", kSite.get()}, {"replace", replace}});
  };
  EXPECT_FALSE((co_await set("never")).has_value());
  CO_ASSERT((co_await set("optional")).has_value());
  EXPECT_FALSE((co_await t.enrol(gateway, other, device.factory_key)).has_value()) << "another device's factory key";
  auto chain = co_await t.enrol(gateway, device, device.factory_key);
  CO_ASSERT(chain.has_value());
  EXPECT_FALSE((co_await t.enrol(gateway, other, device.factory_key)).has_value()) << "also once it is burnt";
  auto new_key = crypto::PrivateKey::generate();
  EXPECT_EQ((co_await t.enrol(gateway, device, new_key)).error().code, Errc::conflict) << "it is burnt like any other";
  // Renewed again and again with the same key, each time when half its life is over.
  for (int i = 0; i < 3; ++i) {
    CO_ASSERT((co_await half_a_life_later(t, admin)).has_value());
    auto next = co_await t.renew(gateway, RoleMethod::renew, chain->certificates.front(), device.factory_key);
    CO_ASSERT(next.has_value());
    EXPECT_NE(next->certificates.front(), chain->certificates.front());
    chain = std::move(next);
    const auto leaf = pki::parse_certificate(chain->certificates.front());
    const records::FindCertificate used{records::CaName("online-ca"),
                                        records::CertificateSerial(to_bytes(leaf->serial().content()))};
    Bytes body = records::with_method(RoleMethod::certificate_used, records::encode(used));
    CO_ASSERT((co_await gateway->call(std::move(body), kCallLimit)).has_value());
  }
  auto web = co_await t.renew(gateway, RoleMethod::web_certificate, chain->certificates.front(), device.factory_key);
  EXPECT_FALSE(web.has_value()) << "for its web server it needs a key of its own whatever the site says";
  CO_ASSERT((co_await set("required")).has_value());
  CO_ASSERT((co_await half_a_life_later(t, admin)).has_value());
  EXPECT_FALSE(
      (co_await t.renew(gateway, RoleMethod::renew, chain->certificates.front(), device.factory_key)).has_value());
  EXPECT_TRUE((co_await t.renew(gateway, RoleMethod::renew, chain->certificates.front(), new_key)).has_value());
}
TEST(FactoryKey, MayBeKeptWhereTheSiteSaysSo) {
  Installation t;
  run(t, replace_optional(t));
}

net::Task<void> burnt_key(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  Device burnt = t.make_device("d-1");
  const Device other = t.make_device("d-2");
  auto key = crypto::PrivateKey::generate();
  CO_ASSERT((co_await t.enrol(gateway, burnt, key)).has_value());
  EXPECT_EQ((co_await t.enrol(gateway, other, burnt.factory_key)).error().code, Errc::unauthorized);
}
TEST(FactoryKey, OfAnotherDeviceIsRefusedAlsoOnceItIsBurnt) {
  Installation t;
  run(t, burnt_key(t));
}

// Revokes the device while `method` is being answered; whoever wins, no valid certificate may be left.
net::Task<void> revoke_while_issuing(Installation& t, RoleMethod method) {
  const auto gateway = co_await t.connect("authority");
  const auto admin = co_await t.connect("admin");
  const Device device = t.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  auto chain = co_await t.enrol(gateway, device, key);
  CO_ASSERT(chain.has_value());
  const std::string name = t.device_record(device.serial_id).name->get();
  std::vector<crypto::PrivateKey> keys;
  for (int i = 0; i < 8; ++i) keys.push_back(crypto::PrivateKey::generate());
  std::size_t ended = 0;
  const auto ask = [](Installation& on, std::shared_ptr<net::RpcPeer> peer, RoleMethod what, Bytes certificate,
                      crypto::PrivateKey& with, std::size_t& count) -> net::Task<void> {
    static_cast<void>(co_await on.renew(std::move(peer), what, std::move(certificate), with));
    ++count;
  };
  for (auto& next : keys) {
    net::spawn(t.io().executor(), ask(t, gateway, method, chain->certificates.front(), next, ended), "test.renew");
  }
  const codec::Json order(codec::Json::Object{{"name", name}, {"confirm", "d-1"}});
  CO_ASSERT((co_await t.administer(admin, "device.revoke", order)).has_value());
  const net::Deadline deadline(kCallLimit);
  while (ended < keys.size() && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
  t.read([&](records::Records& records) -> Result<void> {
    for (const auto kind : {records::CertificateKind::operational, records::CertificateKind::web}) {
      TRY(auto certificates, records.certificates().list_by_subject(kind, name));
      for (const auto& certificate : certificates) EXPECT_EQ(certificate.state, CertificateState::revoked);
    }
    return {};
  });
}
TEST(Enrolment, NoRenewalOutlivesTheRevocationOfItsDevice) {
  Installation t;
  run(t, revoke_while_issuing(t, RoleMethod::renew));
}
TEST(Enrolment, NoWebCertificateOutlivesTheRevocationOfItsDevice) {
  Installation t;
  run(t, revoke_while_issuing(t, RoleMethod::web_certificate));
}

TEST(Enrolment, AnIntentThatACrashLeftIsVoidAfterTheNextStart) {
  Installation t;
  records::CertificateRecord intent;
  intent.ca = records::CaName("online-ca");
  intent.serial = records::CertificateSerial(Bytes(16, 1));
  intent.kind = records::CertificateKind::operational;
  intent.subject = "abcdefgh23";
  t.stop_authority();
  t.io().run_for(milliseconds(50));
  t.write([&](records::Records& records) { return records.certificates().record_intent(intent); });
  t.start_authority();
  t.io().run_for(milliseconds(100));
  t.read([&](records::Records& records) -> Result<void> {
    TRY(auto found, records.certificates().find(intent.ca, intent.serial));
    EXPECT_EQ(found->state, CertificateState::void_intent);
    return {};
  });
}

}  // namespace
}  // namespace sallyport::integration
