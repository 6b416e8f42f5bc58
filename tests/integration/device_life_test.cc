// Repair, resale and the end of a device (DESIGN §9.5): who may come back, and what from before never does.
#include "codec/text.h"
#include "crypto/hash.h"
#include "installation.h"

namespace sallyport::integration {
namespace {

using codec::Json;
using records::DeviceState;
using records::RoleMethod;

struct DeviceLifeScene {
  Installation installation;
  std::shared_ptr<net::RpcPeer> gateway;
  std::shared_ptr<net::RpcPeer> admin;
};

net::Task<void> connect(DeviceLifeScene& s) {
  s.gateway = co_await s.installation.connect("authority");
  s.admin = co_await s.installation.connect("admin");
}

std::string fingerprint(const crypto::PrivateKey& key) {
  return codec::encode_hex(crypto::sha256(key.public_key().spki()));
}

net::Task<Result<Json>> order(DeviceLifeScene& s, std::string method, const Device& device, Json::Object more = {},
                              std::string tenant = {}) {
  more["site"] = device.site.get();
  more["serial_id"] = device.serial_id.get();
  // An administrator acts for the whole installation, whatever he says; the console for its people.
  const auto peer = tenant.empty() ? s.admin : s.gateway;
  co_return co_await s.installation.administer(peer, std::move(method), Json(std::move(more)), std::move(tenant));
}

net::Task<Result<Json>> reopen(DeviceLifeScene& s, const Device& device, const crypto::PrivateKey& key,
                               std::string tenant = {}) {
  co_return co_await order(s, "device.reopen", device, {{"key", fingerprint(key)}}, std::move(tenant));
}

Errc code_of(const Result<Json>& answer) {
  return answer ? Errc::internal : answer.error().code;
}

std::uint64_t enrolled_of(const DeviceLifeScene& s) {
  std::uint64_t out = 0;
  s.installation.read([&](records::Records& records) -> Result<void> {
    TRY(const auto site, records.sites().find(kSite));
    out = site->enrolled;
    return {};
  });
  return out;
}

net::Task<void> reopened(DeviceLifeScene& s) {
  co_await connect(s);
  Installation& t = s.installation;
  const Device device = t.make_device("d-1");
  auto old_key = crypto::PrivateKey::generate();
  auto new_key = crypto::PrivateKey::generate();
  auto thief_key = crypto::PrivateKey::generate();
  const auto before = co_await t.enrol(s.gateway, device, old_key);
  CO_ASSERT(before.has_value());
  const auto name = t.device_record(device.serial_id).name;
  EXPECT_FALSE((co_await t.enrol(s.gateway, device, new_key)).has_value()) << "not before somebody says so";
  CO_ASSERT((co_await reopen(s, device, new_key)).has_value());
  EXPECT_FALSE((co_await t.renew(s.gateway, RoleMethod::renew, before->certificates.front(), thief_key)).has_value());
  EXPECT_EQ((co_await t.enrol(s.gateway, device, thief_key)).error().code, Errc::conflict);
  EXPECT_EQ((co_await t.enrol(s.gateway, device, old_key)).error().code, Errc::conflict);
  const auto after = co_await t.enrol(s.gateway, device, new_key);
  CO_ASSERT(after.has_value());
  EXPECT_EQ((co_await t.enrol(s.gateway, device, new_key))->certificates, after->certificates);
  EXPECT_EQ(t.device_record(device.serial_id).name, name);
  EXPECT_EQ(t.device_record(device.serial_id).state, DeviceState::connected);
  EXPECT_EQ(enrolled_of(s), 1U) << "a serial id is counted once";
}
TEST(DeviceLife, AReopenedDeviceEnrolsTheNamedKeyAndNoOther) {
  DeviceLifeScene s;
  run(s.installation, reopened(s));
}

net::Task<void> reopening_refused(DeviceLifeScene& s) {
  co_await connect(s);
  Installation& t = s.installation;
  const Device shelf = t.make_device("d-1");
  const Device revoked_on_the_shelf = t.make_device("d-2");
  const Device connected = t.make_device("d-3");
  auto key = crypto::PrivateKey::generate();
  auto other = crypto::PrivateKey::generate();
  CO_ASSERT((co_await t.enrol(s.gateway, connected, key)).has_value());
  t.write([&](records::Records& records) -> Result<void> {
    TRY(auto device, records.devices().find(kSite, revoked_on_the_shelf.serial_id));
    device->state = DeviceState::revoked;
    return records.devices().update(*device);
  });
  EXPECT_EQ(code_of(co_await reopen(s, shelf, other)), Errc::conflict);
  EXPECT_EQ(code_of(co_await reopen(s, revoked_on_the_shelf, other)), Errc::conflict);
  EXPECT_EQ(code_of(co_await reopen(s, connected, key)), Errc::conflict) << "the key that it has";
  EXPECT_EQ(code_of(co_await reopen(s, connected, connected.factory_key)), Errc::conflict);
  EXPECT_EQ(code_of(co_await reopen(s, connected, other, "tenant-2")), Errc::not_found);
  EXPECT_EQ(code_of(co_await order(s, "device.reopen", connected, {{"key", "ab12"}})), Errc::malformed);
  EXPECT_EQ(code_of(co_await order(s, "device.reopen", connected)), Errc::malformed);
  CO_ASSERT((co_await order(s, "device.retire", connected, {{"confirm", "d-3"}})).has_value());
  EXPECT_EQ(code_of(co_await reopen(s, connected, other)), Errc::conflict);
  EXPECT_FALSE((co_await t.enrol(s.gateway, connected, other)).has_value());
  EXPECT_FALSE((co_await t.enrol(s.gateway, connected, key)).has_value());
}
TEST(DeviceLife, NothingIsReopenedThatNeverConnectedOrIsAtItsEndOrForAKeyThatIsKnown) {
  DeviceLifeScene s;
  run(s.installation, reopening_refused(s));
}

net::Task<void> retired_for_good(DeviceLifeScene& s) {
  co_await connect(s);
  const Device device = s.installation.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  auto other = crypto::PrivateKey::generate();
  CO_ASSERT((co_await s.installation.enrol(s.gateway, device, key)).has_value());
  CO_ASSERT((co_await order(s, "device.retire", device, {{"confirm", "d-1"}})).has_value());
  EXPECT_EQ(code_of(co_await order(s, "device.revoke", device, {{"confirm", "d-1"}})), Errc::conflict);
  EXPECT_EQ(s.installation.device_record(device.serial_id).state, DeviceState::retired);
  EXPECT_EQ(code_of(co_await reopen(s, device, other)), Errc::conflict);
}
TEST(DeviceLife, ARevocationIsNoWayBackFromTheEnd) {
  DeviceLifeScene s;
  run(s.installation, retired_for_good(s));
}

net::Task<void> site_revoked(DeviceLifeScene& s) {
  co_await connect(s);
  Installation& t = s.installation;
  const Device kept = t.make_device("d-1");
  const Device ended = t.make_device("d-2");
  auto first = crypto::PrivateKey::generate();
  auto second = crypto::PrivateKey::generate();
  auto third = crypto::PrivateKey::generate();
  CO_ASSERT((co_await t.enrol(s.gateway, kept, first)).has_value());
  CO_ASSERT((co_await t.enrol(s.gateway, ended, second)).has_value());
  const Json except(Json::Object{{"name", kSite.get()}, {"confirm", kSite.get()}, {"except_until", 1}});
  CO_ASSERT((co_await t.administer(s.admin, "site.revoke", except)).has_value());
  EXPECT_EQ(code_of(co_await reopen(s, ended, third)), Errc::conflict);
  EXPECT_EQ(t.device_record(ended.serial_id).state, DeviceState::revoked);
  EXPECT_TRUE((co_await reopen(s, kept, third)).has_value());
  const Json all(Json::Object{{"name", kSite.get()}, {"confirm", kSite.get()}});
  CO_ASSERT((co_await t.administer(s.admin, "site.revoke", all)).has_value());
  auto fourth = crypto::PrivateKey::generate();
  EXPECT_EQ(code_of(co_await reopen(s, kept, fourth)), Errc::conflict);
}
TEST(DeviceLife, NobodyReopensWhatTheRevocationOfItsFactoryEnded) {
  DeviceLifeScene s;
  run(s.installation, site_revoked(s));
}

net::Task<void> frozen(DeviceLifeScene& s) {
  co_await connect(s);
  Installation& t = s.installation;
  const Device device = t.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  auto thief_key = crypto::PrivateKey::generate();
  CO_ASSERT((co_await t.enrol(s.gateway, device, key)).has_value());
  EXPECT_EQ(code_of(co_await order(s, "device.freeze_on_alarm", device, {{"enabled", true}})), Errc::conflict)
      << "nobody's device";
  t.write([&](records::Records& records) -> Result<void> {
    TRY(auto owned, records.devices().find(kSite, device.serial_id));
    owned->state = DeviceState::claimed;
    owned->tenant = "tenant-1";
    return records.devices().update(*owned);
  });
  EXPECT_FALSE((co_await t.enrol(s.gateway, device, thief_key)).has_value());
  EXPECT_EQ(t.device_record(device.serial_id).state, DeviceState::claimed) << "by default a copied key stops nothing";
  CO_ASSERT((co_await order(s, "device.freeze_on_alarm", device, {{"enabled", true}}, "tenant-1")).has_value());
  EXPECT_FALSE((co_await t.enrol(s.gateway, device, thief_key)).has_value());
  EXPECT_EQ(t.device_record(device.serial_id).state, DeviceState::suspended);
}
TEST(DeviceLife, AnAlarmFreezesADeviceOnlyWhereItsOwnerWishes) {
  DeviceLifeScene s;
  run(s.installation, frozen(s));
}

net::Task<void> renewed_late(DeviceLifeScene& s, seconds late, bool wanted) {
  co_await connect(s);
  Installation& t = s.installation;
  const Device device = t.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  auto next = crypto::PrivateKey::generate();
  const auto chain = co_await t.enrol(s.gateway, device, key);
  CO_ASSERT(chain.has_value());
  const auto leaf = pki::parse_certificate(chain->certificates.front());
  t.clock().advance(leaf->validity().not_after + late - t.clock().now());
  const Json crl(Json::Object{{"crl", codec::encode_pem("X509 CRL", t.make_root_crl(9))}});
  CO_ASSERT((co_await t.administer(s.admin, "root.install_crl", crl)).has_value());
  const Bytes& shown = chain->certificates.front();
  EXPECT_FALSE((co_await t.renew(s.gateway, RoleMethod::web_certificate, shown, key)).has_value());
  EXPECT_EQ((co_await t.renew(s.gateway, RoleMethod::renew, shown, next)).has_value(), wanted);
}
TEST(DeviceLife, ACertificateThatEndedIsRenewedForAsLongAsThePolicySays) {
  const seconds policy = authority::Policy{}.renew_expired;
  for (const auto& [late, wanted] : {std::pair(seconds(1), true), std::pair(policy + seconds(1), false)}) {
    DeviceLifeScene s;
    run(s.installation, renewed_late(s, late, wanted));
  }
}

}  // namespace
}  // namespace sallyport::integration
