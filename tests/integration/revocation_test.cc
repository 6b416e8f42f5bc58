#include "installation.h"
#include "rolelink/role_link.h"

namespace sallyport::integration {
namespace {

using records::CertificateState;
using records::RoleMethod;

std::unique_ptr<rolelink::RoleLink> link_role(Installation& t, rolelink::Events events = {}) {
  rolelink::Settings settings{
      .role = "gateway", .instance = 0, .authority_socket = t.socket("authority"), .root = t.root()};
  return std::make_unique<rolelink::RoleLink>(t.io().executor(), t.clock(), t.random(), std::move(settings),
                                              std::move(events));
}

codec::Json revocation_of(const pki::Certificate& leaf) {
  return codec::Json(
      codec::Json::Object{{"ca", "online-ca"}, {"serial", leaf.serial().hex()}, {"reason", "keyCompromise"}});
}

net::Task<void> revoked_before_the_answer(Installation& t) {
  const auto role = link_role(t);
  co_await role->until_ready();
  const auto gateway = co_await t.connect("authority");
  const auto admin = co_await t.connect("admin");
  const Device device = t.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  auto chain = co_await t.enrol(gateway, device, key);
  CO_ASSERT(chain.has_value());
  const auto leaf = pki::parse_certificate(chain->certificates.front());
  const records::CaName ca("online-ca");
  const records::CertificateSerial serial(to_bytes(leaf->serial().content()));
  CO_ASSERT(role->snapshot().find_certificate(ca, serial).has_value());
  EXPECT_FALSE(role->snapshot().find_certificate(ca, serial)->revoked_at.has_value());
  CO_ASSERT((co_await t.administer(admin, "certificate.revoke", revocation_of(*leaf))).has_value());
  EXPECT_TRUE(role->snapshot().find_certificate(ca, serial)->revoked_at.has_value());
}
TEST(Revocation, IsAtEveryRoleBeforeItIsAcknowledged) {
  Installation t;
  run(t, revoked_before_the_answer(t));
}

// A role that reads nothing any more, under a lease that it has.
net::Task<void> silent_role(Installation& t) {
  const auto role = co_await t.connect("authority");
  const records::Subscribe what{"gateway", 0, 0};
  CO_ASSERT((co_await role->call(records::with_method(RoleMethod::subscribe, records::encode(what)), kCallLimit))
                .has_value());
  std::uint64_t number = 0;
  t.read([&](records::Records& records) -> Result<void> {
    TRY(number, records.change_number());
    return {};
  });
  auto lease =
      co_await role->call(records::with_method(RoleMethod::acknowledge, Writer().u64(number).view()), kCallLimit);
  CO_ASSERT(lease.has_value() && !lease->empty());
}

net::Task<void> administer_into(Installation& t, std::string method, codec::Json parameters,
                                std::optional<Result<codec::Json>>& answer) {
  const auto admin = co_await t.connect("admin");
  answer = co_await t.administer(admin, std::move(method), std::move(parameters));
}

net::Task<void> waits_for_a_lease(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  const Device device = t.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  auto chain = co_await t.enrol(gateway, device, key);
  CO_ASSERT(chain.has_value());
  const auto leaf = pki::parse_certificate(chain->certificates.front());
  co_await silent_role(t);
  std::optional<Result<codec::Json>> answer;
  net::spawn(t.io().executor(), administer_into(t, "certificate.revoke", revocation_of(*leaf), answer), "test.revoke");
  co_await net::sleep_for(milliseconds(300));
  EXPECT_FALSE(answer.has_value()) << "a role with a lease has not confirmed";
  t.clock().advance(seconds(6));
  const net::Deadline deadline(kCallLimit);
  while (!answer && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
  CO_ASSERT(answer && answer->has_value());
}
TEST(Revocation, IsAcknowledgedWhenTheLeaseOfASilentRoleHasLapsed) {
  Installation t;
  run(t, waits_for_a_lease(t));
}

net::Task<void> root_crl_arrives(Installation& t) {
  const auto role = link_role(t);
  co_await role->until_ready();
  const auto admin = co_await t.connect("admin");
  const Bytes crl = t.make_root_crl(2);
  const codec::Json order(codec::Json::Object{{"crl", codec::encode_pem("X509 CRL", crl)}});
  CO_ASSERT((co_await t.administer(admin, "root.install_crl", order)).has_value());
  EXPECT_EQ(to_bytes(role->snapshot().root_crl()), crl);
}
TEST(Revocation, ARootCrlIsAtEveryRoleBeforeItsInstallationIsAcknowledged) {
  Installation t;
  run(t, root_crl_arrives(t));
}

net::Task<void> foreign_history(Installation& t) {
  const auto role = co_await t.connect("authority");
  const records::Subscribe what{"gateway", 0, 1'000'000};
  auto refused = co_await role->call(records::with_method(RoleMethod::subscribe, records::encode(what)), kCallLimit);
  CO_ASSERT(!refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::conflict);
  EXPECT_NE(refused.error().detail.find("was served 1000000 already"), std::string::npos) << refused.error().detail;
  auto lease =
      co_await role->call(records::with_method(RoleMethod::acknowledge, Writer().u64(1'000'000).view()), kCallLimit);
  CO_ASSERT(lease.has_value());
  EXPECT_TRUE(lease->empty());
}
TEST(Revocation, D8ARoleThatWasServedANewerStateIsToldAndGetsNoLease) {
  Installation t;
  t.make_device("d-1");
  run(t, foreign_history(t));
}

net::Task<void> tenant_sees_its_own(Installation& t) {
  const auto console = co_await t.connect("authority");
  for (const char* method : {"audit.list", "site.list", "pki.tree"}) {
    auto refused = co_await t.administer(console, method, codec::Json(codec::Json::Object{}), "a-tenant");
    CO_ASSERT(!refused.has_value());
    EXPECT_EQ(refused.error().code, Errc::unauthorized) << method;
    EXPECT_TRUE((co_await t.administer(console, method, codec::Json(codec::Json::Object{}))).has_value()) << method;
  }
}
TEST(Tenants, SeeNothingOfTheWholeInstallation) {
  Installation t;
  run(t, tenant_sees_its_own(t));
}

net::Task<void> look_up_of_a_dropped_site(Installation& t) {
  const auto role = co_await t.connect("authority");
  const Device device = t.make_device("d-1");
  t.write([](records::Records& records) -> Result<void> {
    TRY(auto site, records.sites().find(kSite));
    site->state = records::SiteState::revoked;
    return records.sites().update(*site);
  });
  const records::FindCertificate wanted{
      records::local_ca_name(kSite.get()),
      records::CertificateSerial(to_bytes(device.factory_certificate->serial().content()))};
  auto answer =
      co_await role->call(records::with_method(RoleMethod::find_certificate, records::encode(wanted)), kCallLimit);
  CO_ASSERT(!answer.has_value());
  EXPECT_EQ(answer.error().code, Errc::not_found);
}
TEST(Revocation, CertificatesOfARevokedSiteAreNotFound) {
  Installation t;
  run(t, look_up_of_a_dropped_site(t));
}

}  // namespace
}  // namespace sallyport::integration
