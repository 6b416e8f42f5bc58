#include "installation.h"
#include "rolelink/role_link.h"

namespace sallyport::integration {
namespace {

using codec::Json;
using records::DeviceState;
using records::RoleMethod;

const SiteName kOther("other");

// Two factories with devices in their ledgers, a role that follows, and somebody who decides.
struct SiteStatesScene {
  Installation installation;
  std::unique_ptr<rolelink::RoleLink> role;
  std::shared_ptr<net::RpcPeer> gateway;
  std::shared_ptr<net::RpcPeer> admin;

  SiteStatesScene() { installation.add_site(kOther, 1'000); }
};

struct Enrolled {
  Device device;
  pki::Certificate certificate;
};

net::Task<void> connect(SiteStatesScene& s) {
  Installation& t = s.installation;
  s.role = std::make_unique<rolelink::RoleLink>(
      t.io().executor(), t.clock(), t.random(),
      rolelink::Settings{.role = "gateway", .instance = 0, .authority_socket = t.socket("authority"), .root = t.root()},
      rolelink::Events{});
  s.gateway = co_await t.connect("authority");
  s.admin = co_await t.connect("admin");
  co_await s.role->until_ready();
}

net::Task<Enrolled> make_enrolled(SiteStatesScene& s, std::string serial_id, SiteName site) {
  Device device = s.installation.make_device(serial_id, true, site);
  auto key = crypto::PrivateKey::generate();
  const auto chain = co_await s.installation.enrol(s.gateway, device, key);
  EXPECT_TRUE(chain) << (chain ? "" : chain.error().detail);
  auto certificate = *pki::parse_certificate(chain->certificates.front());
  co_return Enrolled{std::move(device), std::move(certificate)};
}

net::Task<bool> can_enrol(SiteStatesScene& s, const Device& device) {
  auto key = crypto::PrivateKey::generate();
  co_return (co_await s.installation.enrol(s.gateway, device, key)).has_value();
}

net::Task<bool> can_renew(SiteStatesScene& s, const Enrolled& enrolled) {
  auto key = crypto::PrivateKey::generate();
  co_return (co_await s.installation.renew(s.gateway, RoleMethod::renew, to_bytes(enrolled.certificate.der()), key))
      .has_value();
}

// Whether the role may admit a session of this certificate.
bool is_admitted(const SiteStatesScene& s, const Enrolled& enrolled) {
  const auto found = s.role->snapshot().find_certificate(
      records::CaName("online-ca"), records::CertificateSerial(to_bytes(enrolled.certificate.serial().content())));
  return found && !found->revoked_at;
}

bool knows_factory_certificate(const SiteStatesScene& s, const Device& device) {
  return s.role->snapshot()
      .find_certificate(records::local_ca_name(device.site.get()),
                        records::CertificateSerial(to_bytes(device.factory_certificate->serial().content())))
      .has_value();
}

DeviceState state_of(const SiteStatesScene& s, const Device& device) {
  return s.installation.device_record(device.serial_id, device.site).state;
}

net::Task<Result<Json>> change(SiteStatesScene& s, std::string verb, Json::Object more = {}) {
  more.try_emplace("name", kSite.get());
  if (verb != "enable") more.try_emplace("confirm", kSite.get());
  co_return co_await s.installation.administer(s.admin, "site." + verb, Json(std::move(more)));
}

std::int64_t number(const Json& object, std::string_view outer, std::string_view inner) {
  return object.at(outer).value().integer_at(inner).value();
}

net::Task<void> other_is_untouched(SiteStatesScene& s, const Enrolled& enrolled, std::string shelf) {
  EXPECT_EQ(state_of(s, enrolled.device), DeviceState::connected);
  EXPECT_TRUE(is_admitted(s, enrolled));
  EXPECT_TRUE(co_await can_renew(s, enrolled));
  const Device from_shelf = s.installation.make_device(shelf, true, kOther);
  EXPECT_TRUE(co_await can_enrol(s, from_shelf));
}

net::Task<void> disabled(SiteStatesScene& s) {
  co_await connect(s);
  const Enrolled old = co_await make_enrolled(s, "d-1", kSite);
  const Enrolled other = co_await make_enrolled(s, "o-1", kOther);
  const Device shelf = s.installation.make_device("d-2");
  CO_ASSERT((co_await change(s, "disable")).has_value());
  EXPECT_TRUE(is_admitted(s, old));
  EXPECT_TRUE(co_await can_renew(s, old));
  EXPECT_FALSE(co_await can_enrol(s, shelf));
  EXPECT_EQ(state_of(s, shelf), DeviceState::manufactured);
  co_await other_is_untouched(s, other, "o-2");
  CO_ASSERT((co_await change(s, "enable")).has_value());
  EXPECT_TRUE(co_await can_enrol(s, shelf));
}
TEST(SiteStates, ADisabledSiteEnrolsNothingNewAndLosesNothing) {
  SiteStatesScene s;
  run(s.installation, disabled(s));
}

// What a device asks again because the answer was lost is nothing new.
net::Task<void> lost_answer(SiteStatesScene& s) {
  co_await connect(s);
  const Device device = s.installation.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  const auto first = co_await s.installation.enrol(s.gateway, device, key);
  CO_ASSERT(first.has_value());
  CO_ASSERT((co_await change(s, "disable")).has_value());
  const auto again = co_await s.installation.enrol(s.gateway, device, key);
  CO_ASSERT(again.has_value());
  EXPECT_EQ(first->certificates, again->certificates);
}
TEST(SiteStates, ADisabledSiteRepeatsAnAnswerThatWasLost) {
  SiteStatesScene s;
  run(s.installation, lost_answer(s));
}

net::Task<void> revoked_except(SiteStatesScene& s) {
  co_await connect(s);
  const Enrolled kept = co_await make_enrolled(s, "d-1", kSite);
  const Device listed = s.installation.make_device("d-2");
  const Enrolled late = co_await make_enrolled(s, "d-3", kSite);
  const Device late_shelf = s.installation.make_device("d-4");
  const Enrolled other = co_await make_enrolled(s, "o-1", kOther);
  const auto done = co_await change(s, "revoke", {{"except_until", 2}});
  CO_ASSERT(done.has_value());
  EXPECT_TRUE(is_admitted(s, kept));
  EXPECT_TRUE(co_await can_renew(s, kept));
  EXPECT_TRUE(co_await can_enrol(s, listed));
  EXPECT_FALSE(is_admitted(s, late)) << "before the answer, at every role";
  EXPECT_FALSE(co_await can_renew(s, late));
  EXPECT_EQ(state_of(s, late.device), DeviceState::revoked);
  EXPECT_FALSE(co_await can_enrol(s, late_shelf));
  const Device unlisted = s.installation.make_device("d-5", false);
  EXPECT_FALSE(co_await can_enrol(s, unlisted));
  co_await other_is_untouched(s, other, "o-2");
}
TEST(SiteStates, RevocationExceptLedgeredKeepsHonestDevicesAndTheirShelf) {
  SiteStatesScene s;
  run(s.installation, revoked_except(s));
}

net::Task<void> revoked(SiteStatesScene& s) {
  co_await connect(s);
  const Enrolled old = co_await make_enrolled(s, "d-1", kSite);
  const Device shelf = s.installation.make_device("d-2");
  const Enrolled other = co_await make_enrolled(s, "o-1", kOther);
  CO_ASSERT((co_await change(s, "revoke")).has_value());
  EXPECT_FALSE(is_admitted(s, old));
  EXPECT_FALSE(co_await can_renew(s, old));
  EXPECT_FALSE(co_await can_enrol(s, shelf));
  EXPECT_EQ(state_of(s, old.device), DeviceState::revoked);
  EXPECT_EQ(state_of(s, shelf), DeviceState::revoked);
  EXPECT_FALSE(knows_factory_certificate(s, shelf)) << "the CA is nobody's";
  EXPECT_TRUE(knows_factory_certificate(s, other.device));
  co_await other_is_untouched(s, other, "o-2");
}
TEST(SiteStates, RevocationEndsEveryDeviceOfTheSiteAndOfNoOther) {
  SiteStatesScene s;
  run(s.installation, revoked(s));
}

net::Task<void> preview(SiteStatesScene& s) {
  co_await connect(s);
  const Enrolled kept = co_await make_enrolled(s, "d-1", kSite);
  s.installation.make_device("d-2");
  const Enrolled late = co_await make_enrolled(s, "d-3", kSite);
  s.installation.make_device("d-4");
  const auto shown = co_await change(s, "revoke", {{"except_until", 2}, {"dry_run", true}});
  CO_ASSERT(shown.has_value());
  EXPECT_TRUE(is_admitted(s, late));
  EXPECT_EQ(state_of(s, late.device), DeviceState::connected);
  EXPECT_EQ(number(*shown, "devices", "kept"), 1);
  EXPECT_EQ(number(*shown, "devices", "may_enrol"), 1);
  EXPECT_EQ(number(*shown, "devices", "cut"), 1);
  EXPECT_EQ(number(*shown, "devices", "barred"), 1);
  EXPECT_EQ(number(*shown, "certificates", "device"), 1);
  EXPECT_EQ(number(*shown, "certificates", "factory"), 1) << "that of d-3 was burnt";
  auto done = co_await change(s, "revoke", {{"except_until", 2}});
  CO_ASSERT(done.has_value());
  for (const char* part : {"devices", "certificates"}) {
    EXPECT_EQ(done->at(part).value().write(), shown->at(part).value().write());
  }
}
TEST(SiteStates, ThePreviewSaysWhatThenHappensAndDoesNothing) {
  SiteStatesScene s;
  run(s.installation, preview(s));
}

net::Task<Errc> refusal(SiteStatesScene& s, std::string verb, Json::Object more = {}) {
  const auto answer = co_await change(s, std::move(verb), std::move(more));
  EXPECT_FALSE(answer.has_value());
  co_return answer ? Errc::internal : answer.error().code;
}

net::Task<void> refused(SiteStatesScene& s) {
  co_await connect(s);
  for (const char* serial : {"d-1", "d-2", "d-3"}) s.installation.make_device(serial);
  EXPECT_EQ(co_await refusal(s, "revoke", {{"except_until", 0}}), Errc::malformed);
  EXPECT_EQ(co_await refusal(s, "revoke", {{"except_until", 4}}), Errc::malformed);
  EXPECT_EQ(co_await refusal(s, "disable", {{"except_until", 1}}), Errc::malformed);
  EXPECT_EQ(co_await refusal(s, "revoke", {{"confirm", "another"}}), Errc::malformed);
  EXPECT_EQ(co_await refusal(s, "revoke", {{"name", "nosuch"}, {"confirm", "nosuch"}}), Errc::not_found);
  CO_ASSERT((co_await change(s, "revoke", {{"except_until", 2}})).has_value());
  EXPECT_EQ(co_await refusal(s, "enable"), Errc::conflict);
  EXPECT_EQ(co_await refusal(s, "disable"), Errc::conflict);
  EXPECT_EQ(co_await refusal(s, "revoke", {{"except_until", 3}}), Errc::conflict);
  EXPECT_TRUE((co_await change(s, "revoke", {{"except_until", 1}})).has_value());
  EXPECT_TRUE((co_await change(s, "revoke")).has_value());
  EXPECT_EQ(co_await refusal(s, "revoke", {{"except_until", 1}}), Errc::conflict);
  EXPECT_TRUE((co_await change(s, "revoke")).has_value()) << "again is the same";
  const auto tenant = co_await s.installation.administer(
      s.gateway, "site.revoke", Json(Json::Object{{"name", kOther.get()}, {"confirm", kOther.get()}}), "a-tenant");
  CO_ASSERT(!tenant.has_value());
  EXPECT_EQ(tenant.error().code, Errc::unauthorized);
}
TEST(SiteStates, RevocationIsFinalAndNothingHappensByMistake) {
  SiteStatesScene s;
  run(s.installation, refused(s));
}

net::Task<void> root_revokes(SiteStatesScene& s) {
  co_await connect(s);
  const Enrolled old = co_await make_enrolled(s, "d-1", kSite);
  const Enrolled other = co_await make_enrolled(s, "o-1", kOther);
  const Device shelf = s.installation.make_device("d-2");
  const Json order(Json::Object{{"crl", codec::encode_pem("X509 CRL", s.installation.make_root_crl(2, kSite))}});
  CO_ASSERT((co_await s.installation.administer(s.admin, "root.install_crl", order)).has_value());
  s.installation.read([](records::Records& records) -> Result<void> {
    TRY(const auto site, records.sites().find(kSite));
    EXPECT_EQ(site->state, records::SiteState::disabled);
    return {};
  });
  EXPECT_TRUE(is_admitted(s, old));
  EXPECT_FALSE(co_await can_enrol(s, shelf));
  EXPECT_EQ(co_await refusal(s, "enable"), Errc::conflict);
  co_await other_is_untouched(s, other, "o-2");
}
TEST(SiteStates, ACaOnTheRootCrlDisablesItsSiteForGood) {
  SiteStatesScene s;
  run(s.installation, root_revokes(s));
}

}  // namespace
}  // namespace sallyport::integration
