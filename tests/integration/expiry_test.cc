// What ends is told before it does, by one list, on a clock that is moved by hand; and certificates are found.
#include "authority/expiry.h"

#include <map>

#include "authority/authority.h"
#include "authority/issuance.h"
#include "codec/text.h"
#include "pki/csr.h"
#include "rolelink/role_link.h"
#include "watcher.h"

namespace sallyport::integration {
namespace {

using codec::Json;
using records::CertificateKind;
using records::RoleMethod;

struct ExpiryScene {
  ExpiryScene() = default;
  explicit ExpiryScene(bool has_replaced) : installation(has_replaced) {}
  Installation installation;
  std::shared_ptr<net::RpcPeer> gateway;
  std::shared_ptr<net::RpcPeer> admin;
};

net::Task<void> connect(ExpiryScene& s) {
  s.gateway = co_await s.installation.connect("authority");
  s.admin = co_await s.installation.connect("admin");
}

// The stages by "kind name".
net::Task<std::map<std::string, std::string>> stages(ExpiryScene& s) {
  std::map<std::string, std::string> out;
  const auto answer = co_await s.installation.administer(s.admin, "pki.expiry", Json::Object{});
  EXPECT_TRUE(answer) << (answer ? "" : answer.error().detail);
  if (!answer) co_return out;
  const auto links = answer->at("links")->array();
  for (const Json& link : *links) {
    out.emplace(*link.text_at("kind") + " " + *link.text_at("name"), *link.text_at("stage"));
  }
  co_return out;
}

net::Task<Json> expiry(ExpiryScene& s, std::int64_t days) {
  auto answer = co_await s.installation.administer(s.admin, "pki.expiry", Json::Object{{"within_days", days}});
  EXPECT_TRUE(answer) << (answer ? "" : answer.error().detail);
  co_return answer ? *std::move(answer) : Json();
}

std::int64_t number(const Json& object, std::string_view outer, std::string_view inner) {
  return object.at(outer).value().integer_at(inner).value();
}

net::Task<pki::Certificate> enrolled(ExpiryScene& s, const Device& device) {
  auto key = crypto::PrivateKey::generate();
  const auto chain = co_await s.installation.enrol(s.gateway, device, key);
  EXPECT_TRUE(chain) << (chain ? "" : chain.error().detail);
  co_return *pki::parse_certificate(chain->certificates.front());
}

// --- links

net::Task<void> root_crl_is_told(ExpiryScene& s) {
  co_await connect(s);
  EXPECT_EQ((co_await stages(s)).at("root-crl root"), "in-time");
  UnixTime until;
  s.installation.read([&](records::Records& records) -> Result<void> {
    TRY(const auto der, records::find_root_crl(records));
    TRY(const auto crl, pki::parse_crl(*der));
    until = crl.next_update();
    return {};
  });
  s.installation.clock().advance((until - kNow) * 2 / 3 + kDay);
  EXPECT_EQ((co_await stages(s)).at("root-crl root"), "due");
  s.installation.clock().advance(until - s.installation.clock().now());
  EXPECT_EQ((co_await stages(s)).at("root-crl root"), "ended");
}
TEST(WhatEnds, RootCrlIsToldFromTwoThirdsOfItsLifeOn) {
  ExpiryScene s;
  run(s.installation, root_crl_is_told(s));
}

net::Task<void> every_link_is_listed(ExpiryScene& s) {
  co_await connect(s);
  CO_ASSERT((co_await s.installation.administer(s.admin, "site.permit", named("name", kSite.get()))).has_value());
  auto key = crypto::PrivateKey::generate();
  records::RoleCertificateRequest order{"gateway", CertificateKind::server, {}};
  order.csr = *pki::build_csr(key, *pki::DistinguishedName::of("gateway"));
  CO_ASSERT(
      (co_await s.gateway->call(records::with_method(RoleMethod::role_certificate, records::encode(order)), kCallLimit))
          .has_value());
  records::OcspSignerRequest signer{records::CaName("online-ca"), order.csr};
  CO_ASSERT(
      (co_await s.gateway->call(records::with_method(RoleMethod::ocsp_signer, records::encode(signer)), kCallLimit))
          .has_value());
  const auto found = co_await stages(s);
  for (const char* wanted : {"root root", "root-crl root", "ca online-ca", "ca server-ca", "ca control-ca",
                             "server gateway", "ocsp-signer online-ca", "site-ca acme", "permit acme"}) {
    EXPECT_TRUE(found.contains(wanted)) << wanted;
    if (found.contains(wanted)) EXPECT_EQ(found.at(wanted), "in-time") << wanted;
  }
  s.installation.clock().advance(26 * kDay);
  const auto later = co_await stages(s);
  EXPECT_EQ(later.at("server gateway"), "due") << "it should have been renewed after 20 days";
  EXPECT_EQ(later.at("ocsp-signer online-ca"), "ended");
  EXPECT_EQ(later.at("permit acme"), "in-time");
}
TEST(WhatEnds, EveryLinkIsListedAndDueInItsOwnTime) {
  ExpiryScene s;
  run(s.installation, every_link_is_listed(s));
}

net::Task<void> replaced_ca_is_left_out(ExpiryScene& s) {
  co_await connect(s);
  auto key = crypto::PrivateKey::generate();
  const records::OcspSignerRequest signer{kReplacedCa, *pki::build_csr(key, *pki::DistinguishedName::of("status"))};
  CO_ASSERT(
      (co_await s.gateway->call(records::with_method(RoleMethod::ocsp_signer, records::encode(signer)), kCallLimit))
          .has_value());
  const auto found = co_await stages(s);
  EXPECT_FALSE(found.contains("ca " + kReplacedCa.get())) << "it shall end";
  EXPECT_TRUE(found.contains("ca online-ca"));
  CO_ASSERT(found.contains("ocsp-signer " + kReplacedCa.get()));
  s.installation.clock().advance(26 * kDay);
  EXPECT_EQ((co_await stages(s)).at("ocsp-signer " + kReplacedCa.get()), "ended");
}
TEST(WhatEnds, OfACaThatWasReplacedIsWhoSpeaksOfItsStatusAlone) {
  ExpiryScene s(true);
  run(s.installation, replaced_ca_is_left_out(s));
}

net::Task<void> renewed_link_counts(ExpiryScene& s) {
  co_await connect(s);
  CO_ASSERT((co_await s.installation.administer(s.admin, "site.permit",
                                                Json(Json::Object{{"name", kSite.get()}, {"days", 30}})))
                .has_value());
  s.installation.clock().advance(29 * kDay);
  EXPECT_EQ((co_await stages(s)).at("permit acme"), "due");
  CO_ASSERT((co_await s.installation.administer(s.admin, "site.permit",
                                                Json(Json::Object{{"name", kSite.get()}, {"days", 365}})))
                .has_value());
  EXPECT_EQ((co_await stages(s)).at("permit acme"), "in-time");
}
TEST(WhatEnds, OnlyTheNewestOfWhatIsRenewedCounts) {
  ExpiryScene s;
  run(s.installation, renewed_link_counts(s));
}

net::Task<void> revoked_sites_are_left_out(ExpiryScene& s) {
  co_await connect(s);
  EXPECT_TRUE((co_await stages(s)).contains("site-ca acme"));
  const Json order(Json::Object{{"name", kSite.get()}, {"confirm", kSite.get()}});
  CO_ASSERT((co_await s.installation.administer(s.admin, "site.revoke", order)).has_value());
  EXPECT_FALSE((co_await stages(s)).contains("site-ca acme")) << "nobody is to renew it";
}
TEST(WhatEnds, ARevokedSiteIsNobodysToRenew) {
  ExpiryScene s;
  run(s.installation, revoked_sites_are_left_out(s));
}

// --- devices

net::Task<void> late_devices(ExpiryScene& s) {
  co_await connect(s);
  const Device diligent = s.installation.make_device("sp-1");
  const Device sleepy = s.installation.make_device("sp-2");
  const auto first = co_await enrolled(s, diligent);
  co_await enrolled(s, sleepy);
  auto seen = co_await expiry(s, 30);
  EXPECT_EQ(number(seen, "operational", "in_time"), 2);
  EXPECT_TRUE(seen.at("operational")->at("ending")->array()->empty());
  s.installation.clock().advance(70 * kDay);
  auto key = crypto::PrivateKey::generate();
  CO_ASSERT((co_await s.installation.renew(s.gateway, RoleMethod::renew, to_bytes(first.der()), key)).has_value());
  seen = co_await expiry(s, 30);
  EXPECT_EQ(number(seen, "operational", "in_time"), 2) << "70 of 90 days are not late yet";
  EXPECT_EQ(seen.at("operational")->at("ending")->array()->size(), 1U) << "of the one that has not renewed";
  s.installation.clock().advance(6 * kDay);
  seen = co_await expiry(s, 30);
  EXPECT_EQ(number(seen, "operational", "due"), 1);
  EXPECT_EQ(number(seen, "operational", "in_time"), 1);
  s.installation.clock().advance(20 * kDay);
  seen = co_await expiry(s, 0);
  EXPECT_EQ(number(seen, "operational", "ended"), 1);
  const auto ending = seen.at("operational")->at("ending")->array();
  CO_ASSERT(ending->size() == 1);
  EXPECT_EQ(*ending->front().text_at("device"), s.installation.device_record(sleepy.serial_id).name->get());
}
TEST(WhatEnds, ADeviceIsLateWhenItHasNotRenewedLongAfterTwoThirds) {
  ExpiryScene s;
  run(s.installation, late_devices(s));
}

net::Task<void> revoked_devices_are_not_late(ExpiryScene& s) {
  co_await connect(s);
  const Device device = s.installation.make_device("sp-1");
  co_await enrolled(s, device);
  const Json order(Json::Object{{"name", s.installation.device_record(device.serial_id).name->get()},
                                {"confirm", device.serial_id.get()}});
  CO_ASSERT((co_await s.installation.administer(s.admin, "device.revoke", order)).has_value());
  s.installation.clock().advance(100 * kDay);
  const auto seen = co_await expiry(s, 0);
  EXPECT_EQ(number(seen, "operational", "ended"), 0);
}
TEST(WhatEnds, ARevokedDeviceIsNotLate) {
  ExpiryScene s;
  run(s.installation, revoked_devices_are_not_late(s));
}

// --- who may see it

net::Task<void> installation_alone(ExpiryScene& s) {
  co_await connect(s);
  const auto role = co_await s.installation.connect("authority");
  for (const char* method : {"pki.expiry", "metrics.show", "certificate.find"}) {
    const auto refused = co_await s.installation.administer(role, method, named("query", "online-ca"), "tenant");
    EXPECT_FALSE(refused) << method;
    if (!refused) EXPECT_EQ(refused.error().code, Errc::unauthorized) << method;
  }
  for (const std::int64_t days : {-1, 36'501}) {
    const auto refused = co_await s.installation.administer(s.admin, "pki.expiry", Json::Object{{"within_days", days}});
    EXPECT_FALSE(refused) << days;
  }
}
TEST(WhatEnds, IsForTheInstallationAlone) {
  ExpiryScene s;
  run(s.installation, installation_alone(s));
}

net::Task<void> metrics_tell_the_same(ExpiryScene& s) {
  co_await connect(s);
  const auto answer = co_await s.installation.administer(s.admin, "metrics.show", Json::Object{});
  CO_ASSERT(answer.has_value());
  const std::string text = answer->text_at("text").value();
  EXPECT_NE(text.find("sallyport_link_stage{kind=\"root-crl\",name=\"root\"} 0\n"), std::string::npos);
  EXPECT_NE(text.find("sallyport_root_crl_number 1\n"), std::string::npos);
  EXPECT_NE(text.find("sallyport_site_permitted{site=\"acme\"} 1000\n"), std::string::npos);
}
TEST(WhatEnds, IsInTheMetricsToo) {
  ExpiryScene s;
  run(s.installation, metrics_tell_the_same(s));
}

// --- certificates found

net::Task<std::vector<Json>> find(ExpiryScene& s, std::string query) {
  const auto answer = co_await s.installation.administer(s.admin, "certificate.find", named("query", query));
  EXPECT_TRUE(answer) << (answer ? "" : answer.error().detail);
  if (!answer) co_return std::vector<Json>();
  co_return *answer->at("certificates")->array();
}

std::string with_colons(std::string hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) out += (i > 0 ? ":" : "") + hex.substr(i, 2);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
  return out;
}

net::Task<void> certificates_are_found(ExpiryScene& s) {
  co_await connect(s);
  const Device device = s.installation.make_device("sp-1");
  s.installation.make_device("sp-10");
  const auto certificate = co_await enrolled(s, device);
  const std::string name = s.installation.device_record(device.serial_id).name->get();
  for (const std::string& query :
       {certificate.serial().hex(), with_colons(certificate.serial().hex()), name,
        codec::encode_hex(certificate.spki_sha256()), with_colons(codec::encode_hex(certificate.spki_sha256())),
        codec::encode_hex(certificate.fingerprint())}) {
    const auto found = co_await find(s, query);
    CO_ASSERT(found.size() == 1);
    EXPECT_EQ(*found[0].text_at("serial"), certificate.serial().hex()) << query;
    EXPECT_EQ(*found[0].text_at("device"), name) << query;
    EXPECT_EQ(*found[0].text_at("kind"), "operational");
  }
  const auto history = co_await find(s, "sp-1");
  CO_ASSERT(history.size() == 2);
  EXPECT_EQ(*history[1].text_at("device"), name) << "the factory certificate leads to its device too";
  EXPECT_EQ((co_await find(s, "sp-1.acme")).size(), 1U);
  const auto shelf = co_await find(s, "sp-10");
  CO_ASSERT(shelf.size() == 1);
  EXPECT_TRUE(shelf[0].at("device")->is_null()) << "it has no name yet";
}
TEST(Certificates, AreFoundBySerialNumberFingerprintAndName) {
  ExpiryScene s;
  run(s.installation, certificates_are_found(s));
}

net::Task<void> nothing_is_found(ExpiryScene& s) {
  co_await connect(s);
  co_await enrolled(s, s.installation.make_device("sp-1"));
  for (const char* query :
       {"sp", "SP-1", "sp-1%", "' OR 1=1 --", "00", "ffffffffffffffffffffffffffffffffffffffff", "zz"}) {
    EXPECT_TRUE((co_await find(s, query)).empty()) << query;
  }
  for (const std::string& query : {std::string(), std::string(257, 'a')}) {
    EXPECT_FALSE((co_await s.installation.administer(s.admin, "certificate.find", named("query", query))).has_value());
  }
}
TEST(Certificates, AreNotFoundByPartsOrPatterns) {
  ExpiryScene s;
  run(s.installation, nothing_is_found(s));
}

}  // namespace
}  // namespace sallyport::integration
