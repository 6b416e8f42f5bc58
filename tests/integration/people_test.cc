// People, their logins and their access sessions.
#include "authority/grant_book.h"
#include "pki/csr.h"
#include "pki/verify.h"
#include "watcher.h"

namespace sallyport::integration {
namespace {

using codec::Json;
using records::RoleMethod;

void add_user(Installation& t, const std::string& login) {
  t.write([&](records::Records& records) -> Result<void> {
    return records.users().add({.login = login,
                                .tenant = {},
                                .role = records::UserRole::owner,
                                .password_hash = "$argon2id$x",
                                .enabled = true,
                                .created = kNow});
  });
}

// A console login of `login` that lasts `life`; returns its token's hash.
records::Digest log_in(Installation& t, const std::string& login, std::uint8_t number, seconds life) {
  records::LoginSessionRecord session{.token_sha256 = {},
                                      .login = login,
                                      .csrf_token = Bytes(32, 1),
                                      .created = t.clock().now(),
                                      .expires = t.clock().now() + life,
                                      .last_used = t.clock().now()};
  session.token_sha256.fill(number);
  t.write([&](records::Records& records) { return records.users().put_login_session(session); });
  return session.token_sha256;
}

Json grant_order(const DeviceName& device, const std::optional<records::Digest>& login = {}) {
  Json::Object order{{"name", device.get()}, {"service", "web"}};
  if (login) order.emplace("login_session", codec::encode_hex(*login));
  return order;
}

net::Task<void> until_cut(Watcher& relay, std::size_t count) {
  const net::Deadline deadline(kCallLimit);
  while (relay.cut.size() < count && !deadline.passed()) co_await net::sleep_for(milliseconds(5));
  EXPECT_EQ(relay.cut.size(), count);
}

net::Task<void> disabled_user(Installation& t) {
  Watcher relay(t, "relay");
  CO_ASSERT(co_await relay.begin());
  const auto console = co_await t.connect("authority");
  const DeviceName device = co_await open_device(t, relay, "d-1", "");
  add_user(t, "alice");  // as whom every order of the test is made
  add_user(t, "otto");
  const records::Digest login = log_in(t, "alice", 1, seconds(3'600));
  CO_ASSERT((co_await t.administer(console, "grant.create", grant_order(device, login))).has_value());
  EXPECT_EQ(relay.granted.size(), 1U);
  auto oneself = co_await t.administer(console, "user.disable", named("login", "alice"));
  CO_ASSERT(!oneself.has_value());
  EXPECT_EQ(oneself.error().code, Errc::conflict);
  EXPECT_FALSE((co_await t.administer(console, "user.disable", named("login", "otto"), "a-tenant")).has_value())
      << "another tenant's";

  // Somebody else disables her.
  const auto admin = co_await t.connect("admin");
  auto disabled = co_await t.administer(admin, "user.disable", named("login", "alice"));
  CO_ASSERT(disabled.has_value());
  EXPECT_FALSE(disabled->boolean_at("enabled").value_or(true));
  co_await until_cut(relay, 1);
  t.read([&](records::Records& records) -> Result<void> {
    TRY(auto session, records.users().find_login_session(login));
    EXPECT_FALSE(session.has_value());
    return {};
  });
  EXPECT_FALSE((co_await t.administer(console, "grant.create", grant_order(device, login))).has_value());
  CO_ASSERT((co_await t.administer(admin, "user.enable", named("login", "alice"))).has_value());
  const records::Digest next = log_in(t, "alice", 2, seconds(3'600));
  EXPECT_TRUE((co_await t.administer(console, "grant.create", grant_order(device, next))).has_value());
}
TEST(People, ADisabledUserLosesEverySessionAndGrant) {
  Installation t;
  run(t, disabled_user(t));
}

net::Task<void> key_for_browsers(Installation& t) {
  Watcher relay(t, "relay");
  CO_ASSERT(co_await relay.begin());
  const auto console = co_await t.connect("authority");
  const DeviceName device = co_await open_device(t, relay, "d-1", "");
  const auto order = [&](std::string key, std::string kind) {
    return Json(Json::Object{
        {"name", device.get()}, {"service", "web"}, {"client_key_sha256", std::move(key)}, {"kind", std::move(kind)}});
  };
  for (const char* kind : {"tcp", "tls"}) {
    const auto refused = co_await t.administer(console, "grant.create", order(std::string(64, 'a'), kind));
    CO_ASSERT(!refused.has_value());
    EXPECT_TRUE(refused.error().detail.contains("service-not-tcp")) << refused.error().detail;
  }
  EXPECT_FALSE((co_await t.administer(console, "grant.create", order(std::string(62, 'a'), "tcp"))).has_value());
  EXPECT_FALSE((co_await t.administer(console, "grant.create", order(std::string(64, 'x'), "tcp"))).has_value());
  EXPECT_TRUE(relay.granted.empty());
}
TEST(People, AClientKeyIsNoProofForABrowsersService) {
  Installation t;
  run(t, key_for_browsers(t));
}

net::Task<void> expired_login(Installation& t) {
  Watcher relay(t, "relay");
  CO_ASSERT(co_await relay.begin());
  const auto console = co_await t.connect("authority");
  const DeviceName device = co_await open_device(t, relay, "d-1", "");
  add_user(t, "alice");
  const records::Digest short_login = log_in(t, "alice", 1, seconds(60));
  const records::Digest long_login = log_in(t, "alice", 2, seconds(3'600));
  CO_ASSERT((co_await t.administer(console, "grant.create", grant_order(device, short_login))).has_value());
  const std::set<Bytes> first = relay.granted;
  CO_ASSERT((co_await t.administer(console, "grant.create", grant_order(device, long_login))).has_value());
  t.clock().advance(seconds(61));
  co_await until_cut(relay, 1);
  EXPECT_EQ(relay.cut, first) << "the other login lives";
  EXPECT_FALSE((co_await t.administer(console, "grant.create", grant_order(device, short_login))).has_value());
}
TEST(People, AnAccessSessionEndsWithTheLoginBehindIt) {
  Installation t;
  run(t, expired_login(t));
}

net::Task<void> ask_grant(Installation& t, std::shared_ptr<net::RpcPeer> console, Json order, std::size_t& given,
                          std::size_t& ended) {
  auto answer = co_await t.administer(std::move(console), "grant.create", std::move(order));
  given += answer ? 1U : 0U;
  ++ended;
}

net::Task<void> sixty_four(Installation& t) {
  Watcher relay(t, "relay");
  CO_ASSERT(co_await relay.begin());
  const auto console = co_await t.connect("authority");
  const DeviceName device = co_await open_device(t, relay, "d-1", "");
  constexpr std::size_t kAsked = authority::kMaxLiveSessionsPerUser + 16;
  std::size_t given = 0;
  std::size_t ended = 0;
  for (std::size_t i = 0; i < kAsked; ++i) {
    net::spawn(t.io().executor(), ask_grant(t, console, grant_order(device), given, ended), "test.grant");
  }
  const net::Deadline deadline(kCallLimit);
  while (ended < kAsked && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
  EXPECT_GE(given, authority::kMaxLiveSessionsPerUser);
  auto live = co_await t.administer(console, "session.list", kNothing);
  CO_ASSERT(live.has_value());
  EXPECT_LE(live->at("sessions")->array()->size(), authority::kMaxLiveSessionsPerUser) << "all at once";
  // One after the other: none is refused, the oldest that nobody used makes room.
  for (std::size_t i = 0; i < kAsked; ++i) {
    CO_ASSERT((co_await t.administer(console, "grant.create", grant_order(device))).has_value());
  }
  live = co_await t.administer(console, "session.list", kNothing);
  CO_ASSERT(live.has_value());
  EXPECT_EQ(live->at("sessions")->array()->size(), authority::kMaxLiveSessionsPerUser);
}
TEST(People, NeverHaveMoreSessionsThanTheyMayAndAreNotRefusedForUnusedOnes) {
  Installation t;
  run(t, sixty_four(t));
}

net::Task<void> ended_by_the_relay(Installation& t) {
  Watcher relay(t, "relay");
  CO_ASSERT(co_await relay.begin());
  const auto console = co_await t.connect("authority");
  const DeviceName device = co_await open_device(t, relay, "d-1", "");
  CO_ASSERT((co_await t.administer(console, "grant.create", grant_order(device))).has_value());
  records::AccessSessionReport report{*relay.granted.begin(), true, "192.0.2.7", "the device went away", 11, 22, 1};
  CO_ASSERT((co_await relay.call(RoleMethod::access_session, records::encode(report))).has_value());
  EXPECT_EQ(relay.cut, relay.granted);
  for (const std::uint64_t bytes : {11U, 12U, 12U, 13U}) {  // the last words of a connection that was being closed
    report.bytes_to_device = bytes;
    CO_ASSERT((co_await relay.call(RoleMethod::access_session, records::encode(report))).has_value());
  }
  t.read([](records::Records& records) -> Result<void> {
    TRY(const auto counted, records.audit().list({.action = "session.counted", .limit = 10}));
    EXPECT_EQ(counted.size(), 1U) << "once for a worker, whatever it goes on to tell";
    if (!counted.empty()) EXPECT_NE(counted.front().detail.find("\"bytes_to_device\":12"), std::string::npos);
    return {};
  });
  const Json order(Json::Object{{"name", device.get()}, {"limit", 1}});
  auto sessions = co_await t.administer(console, "device.sessions", order);
  CO_ASSERT(sessions.has_value());
  const auto listed = sessions->at("sessions")->array();
  CO_ASSERT(listed && listed->size() == 1);
  EXPECT_EQ(listed->front().integer_at("bytes_to_device").value_or(0), 13);
  EXPECT_EQ(listed->front().text_at("end_reason").value_or(""), "relay: the device went away");
  EXPECT_NE(listed->front().text_at("ended").value_or("null"), "null");
}
TEST(Sessions, WhatARelayEndedIsEndedWithItsLastCounts) {
  Installation t;
  run(t, ended_by_the_relay(t));
}

net::Task<void> limited_list(Installation& t) {
  Watcher relay(t, "relay");
  CO_ASSERT(co_await relay.begin());
  const auto console = co_await t.connect("authority");
  const DeviceName device = co_await open_device(t, relay, "d-1", "");
  for (int i = 0; i < 3; ++i) {
    CO_ASSERT((co_await t.administer(console, "grant.create", grant_order(device))).has_value());
  }
  const Json order(Json::Object{{"name", device.get()}, {"limit", 2}});
  auto sessions = co_await t.administer(console, "device.sessions", order);
  CO_ASSERT(sessions.has_value());
  EXPECT_EQ(sessions->at("sessions")->array()->size(), 2U);
}
TEST(Sessions, AreListedUpToTheLimit) {
  Installation t;
  run(t, limited_list(t));
}

net::Task<void> claims_of_a_site(Installation& t) {
  const auto console = co_await t.connect("authority");
  const Device device = t.make_device("d-1");
  const DeviceName name = draw_device_name(t.random());
  crypto::Sha256 hash;
  hash.update(as_bytes("sallyport claim v1")).update(as_bytes(name.get())).update(as_bytes("abcd2345"));
  const records::Digest claim = std::move(hash).digest();
  t.write([&](records::Records& records) -> Result<void> {
    TRY(auto record, records.devices().find(kSite, device.serial_id));
    record->name = name;
    record->state = records::DeviceState::connected;
    record->claim_hash = claim;
    return records.devices().update(*record);
  });
  Json::Object order{{"serial_id", "d-1"}, {"code", "ABCD-2345"}, {"site", "elsewhere"}};
  auto refused = co_await t.administer(console, "device.claim", order);
  CO_ASSERT(!refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::unauthorized);
  order.insert_or_assign("site", kSite.get());
  EXPECT_TRUE((co_await t.administer(console, "device.claim", order)).has_value());
}
TEST(Claims, AreOfTheSiteThatWasNamed) {
  Installation t;
  run(t, claims_of_a_site(t));
}

// ---- their certificates

Bytes person_request(crypto::PrivateKey& key) {
  return *pki::build_csr(key, *pki::DistinguishedName::of("mallory"));
}

Json certify_order(const Bytes& csr) {
  return Json::Object{{"csr", codec::encode_pem("CERTIFICATE REQUEST", csr)}};
}

net::Task<void> certified_person(Installation& t) {
  const auto console = co_await t.connect("authority");
  add_user(t, "alice");
  auto key = crypto::PrivateKey::generate();
  auto made = co_await t.administer(console, "person.certify", certify_order(person_request(key)));
  CO_ASSERT(made.has_value());
  const auto chain = pki::parse_certificates_pem(made->text_at("chain").value_or(""));
  CO_ASSERT(chain && chain->size() == 2);
  const std::vector<pki::Certificate> anchors = {t.root()};
  const UnixTime now = t.clock().now();
  const auto verified =
      pki::verify_chain(*chain, anchors, pki::PersonPurpose{.zone = kZone}, pki::TimeRule::clock(now));
  CO_ASSERT(verified.has_value());
  EXPECT_EQ(verified->identity_as<pki::PersonIdentity>().login, "alice") << "who asks, whatever the request says";
  EXPECT_TRUE(chain->front().public_key() == key.public_key());
  EXPECT_LE(chain->front().validity().not_after, now + seconds(12 * 3'600));
  for (const pki::Purpose& other :
       {pki::Purpose(pki::OperationalDevicePurpose{.zone = kZone}), pki::Purpose(pki::RolePurpose{.zone = kZone}),
        pki::Purpose(pki::PersonPurpose{.zone = DnsName("other.example")})}) {
    EXPECT_FALSE(pki::verify_chain(*chain, anchors, other, pki::TimeRule::clock(now)));
  }
}
TEST(People, AreCertifiedInTheirOwnNameForADay) {
  Installation t;
  run(t, certified_person(t));
}

net::Task<void> refused_people(Installation& t) {
  const auto console = co_await t.connect("authority");
  auto key = crypto::PrivateKey::generate();
  const Bytes csr = person_request(key);
  EXPECT_FALSE((co_await t.administer(console, "person.certify", certify_order(csr))).has_value())
      << "nobody of that name";
  add_user(t, "alice");
  const auto admin = co_await t.connect("admin");
  CO_ASSERT(
      (co_await t.administer(admin, "user.add",
                             Json::Object{{"login", "otto"}, {"role", "owner"}, {"password_hash", "$argon2id$x"}}))
          .has_value());
  Bytes altered = csr;
  altered.back() ^= 1U;
  EXPECT_FALSE((co_await t.administer(console, "person.certify", certify_order(altered))).has_value())
      << "nobody has shown that he holds the key";
  EXPECT_FALSE((co_await t.administer(console, "person.certify", certify_order(csr), "a-tenant")).has_value())
      << "whom the nodes of all tenants would believe";
  const Json others(Json::Object{{"csr", codec::encode_pem("CERTIFICATE REQUEST", csr)}, {"login", "otto"}});
  EXPECT_FALSE((co_await t.administer(console, "person.certify", others)).has_value()) << "in another's name";
  EXPECT_FALSE((co_await t.administer(console, "person.certify", named("csr", "x"))).has_value());
  const Json two(Json::Object{
      {"csr", codec::encode_pem("CERTIFICATE REQUEST", csr) + codec::encode_pem("CERTIFICATE REQUEST", csr)}});
  EXPECT_FALSE((co_await t.administer(console, "person.certify", two)).has_value());
  t.read([](records::Records& records) -> Result<void> {
    TRY(const auto issued,
        records.certificates().count(records::CaName("people-ca"), records::CertificateState::issued));
    EXPECT_EQ(issued, 0U);
    return {};
  });
}
TEST(People, AreCertifiedInNobodyElsesName) {
  Installation t;
  run(t, refused_people(t));
}

net::Task<void> eager_person(Installation& t) {
  const auto console = co_await t.connect("authority");
  add_user(t, "alice");
  auto key = crypto::PrivateKey::generate();
  const Bytes csr = person_request(key);
  std::size_t made = 0;
  for (int i = 0; i < 12; ++i)
    made += (co_await t.administer(console, "person.certify", certify_order(csr))).has_value() ? 1U : 0U;
  EXPECT_EQ(made, 10U);
  t.clock().advance(seconds(3'601));
  EXPECT_TRUE((co_await t.administer(console, "person.certify", certify_order(csr))).has_value());
}
TEST(People, AreCertifiedSoManyTimesAnHour) {
  Installation t;
  run(t, eager_person(t));
}

}  // namespace
}  // namespace sallyport::integration
