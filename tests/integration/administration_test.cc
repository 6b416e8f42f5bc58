// What the installation's administrators do and are told.
#include <set>

#include "authority/issuance_clock.h"
#include "pki/csr.h"
#include "pki/permit.h"
#include "pki/verify.h"
#include "watcher.h"

namespace sallyport::integration {
namespace {

using codec::Json;
using records::RoleMethod;

// --- permits

Result<pki::SitePermit> open_permit(Installation& t, const Json& answer) {
  TRY(auto text, answer.text_at("permit"));
  TRY(auto sealed, codec::decode_base64(text));
  const std::vector<pki::Certificate> anchors = {t.root()};
  TRY(auto opened, pki::open_object(pki::ControlKind::permit, sealed, anchors, pki::TimeRule::clock(t.clock().now())));
  return pki::parse_permit(opened.payload());
}

net::Task<void> renewed_permit(Installation& t) {
  const auto admin = co_await t.connect("admin");
  auto first = co_await t.administer(admin, "site.permit", named("name", kSite.get()));
  CO_ASSERT(first.has_value());
  const auto before = open_permit(t, *first);
  CO_ASSERT(before.has_value());
  EXPECT_EQ(before->number, 1U);
  EXPECT_EQ(before->count, 1'000U);
  t.clock().advance(400 * kDay);
  auto listed = co_await t.administer(admin, "site.list", kNothing);
  CO_ASSERT(listed.has_value());
  EXPECT_EQ(listed->at("sites")->array()->front().text_at("permit_not_after").value_or("null"),
            to_iso8601(before->not_after))
      << "when it ended is told of one that has ended too";
  const Json order(Json::Object{{"name", kSite.get()}, {"count", 2'000}, {"days", 30}});
  auto second = co_await t.administer(admin, "site.permit", order);
  CO_ASSERT(second.has_value());
  const auto after = open_permit(t, *second);
  CO_ASSERT(after.has_value());
  EXPECT_EQ(after->number, 2U);
  EXPECT_EQ(after->count, 2'000U);
  EXPECT_EQ(after->not_before, before->not_before) << "what was issued under the first comes in under the second";
  EXPECT_EQ(after->not_after, t.clock().now() + 30 * kDay);
  t.read([](records::Records& records) -> Result<void> {
    TRY(auto site, records.sites().find(kSite));
    EXPECT_EQ(site->permitted, 2'000U);
    EXPECT_EQ(site->activation_quota, 1'000U) << "as before";
    return {};
  });
}
TEST(SitePermits, APermitThatHasEndedIsRenewed) {
  Installation t;
  run(t, renewed_permit(t));
}

net::Task<void> ask_permit(Installation& t, std::shared_ptr<net::RpcPeer> admin, std::set<std::int64_t>& numbers,
                           std::size_t& ended) {
  auto answer = co_await t.administer(std::move(admin), "site.permit", named("name", kSite.get()));
  if (answer) EXPECT_TRUE(numbers.insert(answer->integer_at("number").value_or(0)).second) << "a number twice";
  ++ended;
}

net::Task<void> parallel_permits(Installation& t) {
  const auto admin = co_await t.connect("admin");
  std::set<std::int64_t> numbers;
  std::size_t ended = 0;
  for (int i = 0; i < 8; ++i) net::spawn(t.io().executor(), ask_permit(t, admin, numbers, ended), "test.permit");
  const net::Deadline deadline(kCallLimit);
  while (ended < 8 && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
  CO_ASSERT(!numbers.empty());
  t.read([&](records::Records& records) -> Result<void> {
    TRY(auto site, records.sites().find(kSite));
    const std::vector<pki::Certificate> anchors = {t.root()};
    TRY(auto opened,
        pki::open_object(pki::ControlKind::permit, site->permit, anchors, pki::TimeRule::clock(t.clock().now())));
    TRY(auto permit, pki::parse_permit(opened.payload()));
    EXPECT_EQ(permit.number, static_cast<std::uint64_t>(*numbers.rbegin())) << "the newest is the one that is kept";
    return {};
  });
}
TEST(SitePermits, NoNumberIsGivenTwice) {
  Installation t;
  run(t, parallel_permits(t));
}

net::Task<void> refused_permits(Installation& t) {
  const auto admin = co_await t.connect("admin");
  auto unknown = co_await t.administer(admin, "site.permit", named("name", "nowhere"));
  CO_ASSERT(!unknown.has_value());
  EXPECT_EQ(unknown.error().code, Errc::not_found);
  t.write([](records::Records& records) -> Result<void> {
    TRY(auto site, records.sites().find(kSite));
    site->ledger_sequence = 7;
    return records.sites().update(*site);
  });
  const Json small(Json::Object{{"name", kSite.get()}, {"count", 6}});
  EXPECT_FALSE((co_await t.administer(admin, "site.permit", small)).has_value()) << "fewer than were issued";
  const Json century(Json::Object{{"name", kSite.get()}, {"days", 36'500}});
  EXPECT_FALSE((co_await t.administer(admin, "site.permit", century)).has_value());
  t.write([](records::Records& records) -> Result<void> {
    TRY(auto site, records.sites().find(kSite));
    site->state = records::SiteState::revoked;
    return records.sites().update(*site);
  });
  auto revoked = co_await t.administer(admin, "site.permit", named("name", kSite.get()));
  CO_ASSERT(!revoked.has_value());
  EXPECT_EQ(revoked.error().code, Errc::conflict);
}
TEST(SitePermits, AreRefusedForWhoMustHaveNone) {
  Installation t;
  run(t, refused_permits(t));
}

// --- alarms

std::vector<std::string> tenants_of_alarms(const Watcher& console) {
  std::vector<std::string> tenants;
  for (const Json& event : console.announced) {
    if (event.text_at("event").value_or("") == "alarm") tenants.push_back(event.text_at("tenant").value_or("none"));
  }
  return tenants;
}

net::Task<void> until_alarms(const Watcher& console, std::size_t count) {
  const net::Deadline deadline(kCallLimit);
  while (tenants_of_alarms(console).size() < count && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
}

net::Task<void> alarms_have_tenants(Installation& t) {
  Watcher console(t, "console");
  Watcher relay(t, "relay");
  CO_ASSERT(co_await console.begin());
  CO_ASSERT(co_await relay.begin());
  const DeviceName device = co_await open_device(t, relay, "d-1", "north");
  const records::Alarm cloned{"device.cloned", device.get(), "two agents take turns"};
  CO_ASSERT((co_await relay.call(RoleMethod::alarm, records::encode(cloned))).has_value());
  const records::Alarm stranger{"device.cloned", "abcdefgh22", "of nobody"};
  CO_ASSERT((co_await relay.call(RoleMethod::alarm, records::encode(stranger))).has_value());
  // A burnt factory certificate, shown with another key.
  const Device burnt = t.make_device("d-2");
  auto key = crypto::PrivateKey::generate();
  auto other = crypto::PrivateKey::generate();
  CO_ASSERT((co_await t.enrol(relay.peer, burnt, key)).has_value());
  t.write([&](records::Records& records) -> Result<void> {
    TRY(auto record, records.devices().find(kSite, burnt.serial_id));
    record->state = records::DeviceState::claimed;
    record->tenant = "south";
    return records.devices().update(*record);
  });
  CO_ASSERT(!(co_await t.enrol(relay.peer, burnt, other)).has_value());
  co_await until_alarms(console, 2);
  EXPECT_EQ(tenants_of_alarms(console), (std::vector<std::string>{"north", "south"})) << "and none of nobody's";
}
TEST(Alarms, AreTheTenantsWhoseDeviceTheyAreAbout) {
  Installation t;
  run(t, alarms_have_tenants(t));
}

net::Task<void> alarms_are_bounded(Installation& t) {
  Watcher console(t, "console");
  Watcher relay(t, "relay");
  CO_ASSERT(co_await console.begin());
  CO_ASSERT(co_await relay.begin());
  for (const auto& [subject, detail] :
       {std::pair<std::size_t, std::size_t>{records::kMaxAlarmSubject + 1, 1}, {1, records::kMaxAlarmDetail + 1}}) {
    const records::Alarm alarm{"device.cloned", std::string(subject, 'x'), std::string(detail, 'x')};
    EXPECT_FALSE((co_await relay.call(RoleMethod::alarm, records::encode(alarm))).has_value());
  }
  const DeviceName device = co_await open_device(t, relay, "d-1", "");
  const records::Alarm again{"device.cloned", device.get(), "again"};
  for (int i = 0; i < 30; ++i) {
    CO_ASSERT((co_await relay.call(RoleMethod::alarm, records::encode(again))).has_value());
  }
  co_await until_alarms(console, 10);
  EXPECT_EQ(tenants_of_alarms(console).size(), 10U) << "of one thing, in an hour";
}
TEST(Alarms, OfARoleAreShortAndFew) {
  Installation t;
  run(t, alarms_are_bounded(t));
}

// --- certificates in use

net::Task<Result<Bytes>> use(std::shared_ptr<net::RpcPeer> gateway, const pki::Certificate& leaf) {
  const records::FindCertificate used{records::CaName("online-ca"),
                                      records::CertificateSerial(to_bytes(leaf.serial().content()))};
  Bytes body = records::with_method(RoleMethod::certificate_used, records::encode(used));
  co_return co_await gateway->call(std::move(body), kCallLimit);
}

std::vector<records::CertificateState> states_of(Installation& t, const SerialId& serial_id) {
  std::vector<records::CertificateState> out;
  for (const auto& record : t.operational_certificates(serial_id)) out.push_back(record.state);
  return out;
}

net::Task<void> superseded(Installation& t) {
  using enum records::CertificateState;
  using States = std::vector<records::CertificateState>;
  const auto gateway = co_await t.connect("authority");
  const Device device = t.make_device("d-1");
  auto first_key = crypto::PrivateKey::generate();
  auto second_key = crypto::PrivateKey::generate();
  auto third_key = crypto::PrivateKey::generate();
  auto first = co_await t.enrol(gateway, device, first_key);
  CO_ASSERT(first.has_value());
  const auto first_leaf = pki::parse_certificate(first->certificates.front());
  CO_ASSERT((co_await use(gateway, *first_leaf)).has_value());
  auto second = co_await t.renew(gateway, RoleMethod::renew, first->certificates.front(), second_key);
  CO_ASSERT(second.has_value());
  const auto second_leaf = pki::parse_certificate(second->certificates.front());
  EXPECT_EQ(states_of(t, device.serial_id), (States{issued, issued})) << "the answer may have been lost";

  // The power goes before the new one was stored: the device comes with the old one, and asks again.
  CO_ASSERT((co_await use(gateway, *first_leaf)).has_value());
  EXPECT_EQ(states_of(t, device.serial_id), (States{issued, issued})) << "the old one proves nothing about the new";
  auto again = co_await t.renew(gateway, RoleMethod::renew, first->certificates.front(), second_key);
  CO_ASSERT(again.has_value());
  EXPECT_EQ(again->certificates, second->certificates);

  // It comes with the new one: it has stored it.
  CO_ASSERT((co_await use(gateway, *second_leaf)).has_value());
  EXPECT_EQ(states_of(t, device.serial_id), (States{issued, revoked}));
  EXPECT_EQ(t.operational_certificates(device.serial_id).back().reason, records::RevocationReason::superseded);
  EXPECT_FALSE((co_await t.renew(gateway, RoleMethod::renew, first->certificates.front(), third_key)).has_value());
  CO_ASSERT((co_await use(gateway, *first_leaf)).has_value());
  EXPECT_EQ(states_of(t, device.serial_id), (States{issued, revoked})) << "the old one ends nothing";
  EXPECT_TRUE((co_await t.renew(gateway, RoleMethod::renew, second->certificates.front(), third_key)).has_value());
}
TEST(Renewal, TheOldCertificateEndsWhenTheNewOneIsInUseAndNotBefore) {
  Installation t;
  run(t, superseded(t));
}

// --- the clock

net::Task<void> clock_back(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  const auto admin = co_await t.connect("admin");
  const Device device = t.make_device("d-1");
  const Device other = t.make_device("d-2");
  auto key = crypto::PrivateKey::generate();
  CO_ASSERT((co_await t.enrol(gateway, device, key)).has_value());
  // As if the last certificate had been recorded a day from now, by a clock that was set back since.
  t.write([&](records::Records& records) { return authority::accept_issuance_clock(records, t.clock().now() + kDay); });
  auto own = crypto::PrivateKey::generate();
  auto refused = co_await t.enrol(gateway, other, own);
  CO_ASSERT(!refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  EXPECT_NE(refused.error().detail.find("nothing is issued until the clock is right"), std::string::npos)
      << refused.error().detail;
  EXPECT_TRUE(t.operational_certificates(other.serial_id).empty());
  auto shown = co_await t.administer(admin, "clock.show", kNothing);
  CO_ASSERT(shown.has_value());
  EXPECT_TRUE(shown->boolean_at("behind").value_or(false));
  // The clock comes right by itself, within the tolerance.
  t.clock().advance(kDay - authority::kClockTolerance);
  CO_ASSERT((co_await t.enrol(gateway, other, own)).has_value());
}
TEST(IssuanceClock, C5NothingIsIssuedByAClockThatWentBack) {
  Installation t;
  run(t, clock_back(t));
}

net::Task<void> clock_accepted(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  const auto admin = co_await t.connect("admin");
  const Device device = t.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  t.write([&](records::Records& records) {
    return authority::accept_issuance_clock(records, t.clock().now() + 3'650 * kDay);
  });
  CO_ASSERT(!(co_await t.enrol(gateway, device, key)).has_value());
  auto answer = co_await t.administer(admin, "clock.accept", kNothing);
  CO_ASSERT(answer.has_value());
  EXPECT_FALSE(answer->boolean_at("behind").value_or(true));
  CO_ASSERT((co_await t.enrol(gateway, device, key)).has_value());
}
TEST(IssuanceClock, SomebodyMayVouchForAClockThatWasTooFarAhead) {
  Installation t;
  run(t, clock_accepted(t));
}

// --- the audit log

net::Task<void> altered_log(Installation& t) {
  const auto admin = co_await t.connect("admin");
  for (const char* login : {"mara", "otto", "vera"}) {
    const Json::Object user{{"login", login}, {"role", "viewer"}, {"password_hash", "$argon2id$x"}};
    CO_ASSERT((co_await t.administer(admin, "user.add", user)).has_value());
  }
  auto listed = co_await t.administer(admin, "audit.list", kNothing);
  CO_ASSERT(listed.has_value());
  EXPECT_TRUE(listed->boolean_at("verified").value_or(false));
  auto verified = co_await t.administer(admin, "audit.verify", kNothing);
  CO_ASSERT(verified.has_value());
  EXPECT_TRUE(verified->boolean_at("verified").value_or(false));
  EXPECT_EQ(verified->integer_at("entries").value_or(0), 3);
}
TEST(AuditLog, IsVerifiedAtEveryListAndAsAWholeWhenAsked) {
  Installation t;
  run(t, altered_log(t));
}

// --- servers that no role is

Json server_order(std::string_view name, const Bytes& csr) {
  return Json::Object{{"name", name}, {"csr", codec::encode_pem("CERTIFICATE REQUEST", csr)}};
}

Bytes server_request(crypto::PrivateKey& key) {
  return *pki::build_csr(key, *pki::DistinguishedName::of("whatever is asked for"));
}

net::Task<void> certified_server(Installation& t) {
  const auto admin = co_await t.connect("admin");
  auto key = crypto::PrivateKey::generate();
  const DnsName name = under("vpn", under("gateway", kZone));
  auto made = co_await t.administer(admin, "server.issue", server_order(name.get(), server_request(key)));
  CO_ASSERT(made.has_value());
  const auto chain = pki::parse_certificates_pem(made->text_at("chain").value_or(""));
  CO_ASSERT(chain && chain->size() == 2);
  EXPECT_TRUE(chain->front().public_key() == key.public_key());
  EXPECT_EQ(chain->front().subject().common_name(), name.get()) << "which OpenVPN compares";
  const std::vector<pki::Certificate> anchors = {t.root()};
  const auto rule = pki::TimeRule::clock(t.clock().now());
  EXPECT_TRUE(pki::verify_chain(*chain, anchors, pki::ServerPurpose{.name = name}, rule));
  EXPECT_FALSE(pki::verify_chain(*chain, anchors, pki::ServerPurpose{.name = under("gateway", kZone)}, rule));
  auto again = co_await t.administer(admin, "server.issue", server_order(name.get(), server_request(key)));
  CO_ASSERT(again.has_value());
  EXPECT_NE(again->text_at("serial").value_or(""), made->text_at("serial").value_or(""));
  t.clock().advance(61 * kDay);
  auto expiry = co_await t.administer(admin, "pki.expiry", kNothing);
  CO_ASSERT(expiry.has_value());
  std::size_t told = 0;
  for (const Json& link : expiry->at("links")->array().value_or(Json::Array())) {
    if (link.text_at("name").value_or("") != name.get()) continue;
    ++told;
    EXPECT_EQ(link.text_at("stage").value_or(""), "due");
  }
  EXPECT_EQ(told, 1U) << "the one that lasts longest";
}
TEST(Servers, OfNoRoleAreCertifiedBelowTheGatewaysNameAndWatched) {
  Installation t;
  run(t, certified_server(t));
}

net::Task<void> refused_servers(Installation& t) {
  const auto admin = co_await t.connect("admin");
  auto key = crypto::PrivateKey::generate();
  const Bytes csr = server_request(key);
  const std::string zone = kZone.get();
  for (const std::string& name :
       {"gateway." + zone, "relay." + zone, "status." + zone, "x.relay." + zone, "vpn." + zone, zone,
        "vpn." + kConsole.get(), kConsole.get(), std::string("vpn.example.org"), "*.gateway." + zone,
        "VPN.gateway." + zone, std::string(), std::string(63, 'a') + ".gateway." + zone}) {
    EXPECT_FALSE((co_await t.administer(admin, "server.issue", server_order(name, csr))).has_value()) << name;
  }
  const std::string good = "vpn.gateway." + zone;
  Bytes altered = csr;
  altered.back() ^= 1U;
  EXPECT_FALSE((co_await t.administer(admin, "server.issue", server_order(good, altered))).has_value())
      << "nobody has shown that he holds the key";
  EXPECT_FALSE((co_await t.administer(admin, "server.issue", named("name", good))).has_value());
  const Json more(Json::Object{{"name", good}, {"csr", "x"}, {"days", 3'650}});
  EXPECT_FALSE((co_await t.administer(admin, "server.issue", more)).has_value());
  t.read([](records::Records& records) -> Result<void> {
    TRY(const auto issued,
        records.certificates().count(records::CaName("server-ca"), records::CertificateState::issued));
    EXPECT_EQ(issued, 0U);
    return {};
  });
}
TEST(Servers, OfAnyOtherNameAreNotCertified) {
  Installation t;
  run(t, refused_servers(t));
}

}  // namespace
}  // namespace sallyport::integration
