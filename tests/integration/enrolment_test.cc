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
  for (int i = 0; i < 15; ++i) {
    auto other = crypto::PrivateKey::generate();
    auto refused = co_await t.enrol(gateway, device, other);
    CO_ASSERT(!refused.has_value());
    EXPECT_EQ(refused.error().code, Errc::conflict);
  }
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
