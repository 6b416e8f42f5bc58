#include "agent/enrolment.h"

#include "agent/detail/test_installation.h"
#include "codec/json.h"
#include "pki/csr.h"
#include "pki/est.h"

namespace sallyport::agent {
namespace {

using testing::kNow;
using testing::kSoon;
using testing::kZone;
using testing::PlainStatus;
using testing::Responder;
using testing::TlsPort;
using testing::Tree;

// A gateway that signs what it is asked for, or does what the test says instead.
class FakeGateway {
 public:
  explicit FakeGateway(Tree& tree) : tree_(tree), server_(routes()) {}
  const http::Server& server() const { return server_; }

  unsigned answer = 200;
  bool answers_for_another_key = false;
  bool certificate_of_web_ca = false;
  std::vector<Bytes> keys;
  std::vector<std::size_t> keys_by_connection;  // how many there were when it began  // of the requests, as SPKI
  std::vector<std::string> claim_hashes;
  unsigned claim_answer = 200;
  std::string state = "connected";
  std::optional<unsigned> public_port;
  codec::Json window;           // of both certificates, as the facts say it
  std::string void_claim_hash;  // of a code that was used: 410

 private:
  http::Router routes() {
    http::Router router;
    router.add("GET", "/.well-known/est/cacerts", [this](http::Request, net::PeerInfo) {
      return certificates({tree_.root, tree_.server_ca.certificate, tree_.online_ca.certificate});
    });
    router.add("POST", "/.well-known/est/simpleenroll",
               [this](http::Request request, net::PeerInfo) { return enrol(std::move(request)); });
    router.add("POST", "/.well-known/est/simplereenroll",
               [this](http::Request request, net::PeerInfo) { return enrol(std::move(request)); });
    router.add("POST", "/device/v1/web-certificate",
               [this](http::Request request, net::PeerInfo) { return certify_web(std::move(request)); });
    router.add("POST", "/device/v1/claim-hash",
               [this](http::Request request, net::PeerInfo) { return take_claim(std::move(request)); });
    router.add("GET", "/device/v1/facts", [this](http::Request, net::PeerInfo) { return facts(); });
    return router;
  }
  static net::Task<http::Response> certificates(std::vector<pki::Certificate> list) {
    const std::string body = pki::encode_est_body(pki::encode_certs_only(list));
    co_return http::Response::bytes(to_bytes(std::string_view(body)), "application/pkcs7-mime; smime-type=certs-only");
  }
  Result<crypto::PublicKey> read_key(const http::Request& request) {
    TRY(const auto der, pki::decode_est_body(as_text(request.body)));
    TRY(const auto csr, pki::parse_csr(der));
    keys.push_back(to_bytes(csr.public_key.spki()));
    return csr.public_key;
  }
  net::Task<http::Response> enrol(http::Request request) {
    auto key = read_key(request);
    if (!key) co_return http::Response::error(400);
    if (answer != 200) {
      http::Response refusal = http::Response::error(answer);
      refusal.headers.set("Retry-After", "5");
      co_return refusal;
    }
    if (answers_for_another_key) key = testing::new_key()->public_key();
    const std::string host = testing::kDevice.get() + "." + kZone.get();
    const auto leaf = certificate_of_web_ca
                          ? tree_.certify(pki::ProfileId::web_device, tree_.web_ca, {host, "*." + host}, *key)
                          : tree_.certify(pki::ProfileId::operational_device, tree_.online_ca, {host}, *key);
    co_return co_await certificates({leaf});
  }
  net::Task<http::Response> certify_web(http::Request request) {
    const auto key = read_key(request);
    if (!key) co_return http::Response::error(400);
    const std::string host = testing::kDevice.get() + "." + kZone.get();
    const auto leaf = tree_.certify(pki::ProfileId::web_device, tree_.web_ca, {host, "*." + host}, *key);
    co_return co_await certificates({leaf, tree_.web_ca.certificate});
  }
  net::Task<http::Response> take_claim(http::Request request) {
    const auto body = codec::parse_json(as_text(request.body));
    claim_hashes.push_back(body ? body->text_at("hash").value_or("") : "");
    if (claim_hashes.back() == void_claim_hash) co_return http::Response::error(410);
    if (claim_answer != 200) co_return http::Response::error(claim_answer);
    co_return http::Response::text("{}", "application/json");
  }
  net::Task<http::Response> facts() {
    codec::Json::Object out{
        {"state", state}, {"remote_access", true}, {"renew_operational", window}, {"renew_web", window}};
    if (public_port) out["public_port"] = *public_port;
    co_return http::Response::text(codec::Json(std::move(out)).write(), "application/json");
  }

  Tree& tree_;
  http::Server server_;
};

class EnrolmentTest : public ::testing::Test {
 protected:
  EnrolmentTest()
      : responder(tree),
        plain(io, responder),
        tls(io),
        gateway(tree),
        state(*AgentState::initialise(folder / "state", settings(), tree.root, random)),
        clock(kNow),
        time(clock, true, UnixTime()),
        way_out(state.settings(), random),
        check(state, time, random, way_out),
        dialer(state, time, check, way_out),
        enrolment(io.executor(), state, time, dialer, random) {
    tls.add(under("gateway", kZone), Tree::identity(tree.gateway, tree.server_ca), [this](net::StreamPtr stream) {
      gateway.keys_by_connection.push_back(gateway.keys.size());
      return gateway.server().serve(std::move(stream));
    });
    tls.start();
    const auto key = pki::parse_csr(*state.factory_request())->public_key;
    const std::vector<std::string> names = {"pump-0001.site-7.factory." + kZone.get()};
    EXPECT_TRUE(state.install_factory_certificate(
        {tree.certify(pki::ProfileId::factory_device, tree.site_ca, names, key), tree.site_ca.certificate}));
  }

  Settings settings() const {
    Settings out = testing::make_settings();
    out.relay_address = tls.address();
    out.http_address = plain.address();
    out.public_port.reset();
    return out;
  }
  // One attempt: whether it succeeded.
  Result<void> attempt() {
    io.restart();
    return *net::run(io, enrolment.enrol_within(milliseconds(0)));
  }
  template <class Condition>
  net::Task<void> wait_until(Condition condition) {
    const net::Deadline deadline(kSoon);
    while (!condition() && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
    EXPECT_TRUE(condition());
  }

  template <class Condition>
  void run_until(Condition condition) {
    io.restart();
    net::run(io, wait_until(condition));
  }
  static std::string claim_refusal(const Enrolment& of) {
    const auto code = of.claim_code();
    return code ? "shown" : code.error().detail;
  }

  net::Io io;
  crypto::SystemRandom random;
  Tree tree;
  Responder responder;
  PlainStatus plain;
  TlsPort tls;
  FakeGateway gateway;
  testing::Folder folder;
  AgentState state;
  ManualClock clock;
  DeviceTime time;
  WayOut way_out;
  ServerCheck check;
  ServerDialer dialer;
  Enrolment enrolment;
};

TEST_F(EnrolmentTest, TurnsTheFactoryCertificateIntoAnOperationalOne) {
  const auto done = attempt();
  ASSERT_TRUE(done) << done.error().detail;
  EXPECT_EQ(enrolment.phase(), Phase::enrolled);
  EXPECT_EQ(*enrolment.name(), testing::kDevice);
  ASSERT_TRUE(enrolment.operational());
  EXPECT_EQ(enrolment.operational()->chain.size(), 2U);
  const auto factory = state.factory();
  EXPECT_FALSE(enrolment.operational()->leaf().public_key() == (*factory)->leaf().public_key());
}

TEST_F(EnrolmentTest, WaitsForTheLedgerWithTheSameKey) {
  gateway.answer = 202;
  EXPECT_FALSE(attempt());
  EXPECT_EQ(enrolment.phase(), Phase::waiting_for_ledger);
  gateway.answer = 200;
  ASSERT_TRUE(attempt());
  ASSERT_EQ(gateway.keys.size(), 2U);
  EXPECT_EQ(gateway.keys.front(), gateway.keys.back());
}

TEST_F(EnrolmentTest, SaysThatItWasRefusedAndWithWhichKey) {
  gateway.answer = 403;
  EXPECT_FALSE(attempt());
  EXPECT_EQ(enrolment.phase(), Phase::refused);
  EXPECT_NE(enrolment.last_error().find("key "), std::string::npos);
}

TEST_F(EnrolmentTest, StoresNothingThatIsNotItsOwnOperationalCertificate) {
  gateway.answers_for_another_key = true;
  EXPECT_FALSE(attempt());
  gateway.answers_for_another_key = false;
  gateway.certificate_of_web_ca = true;
  EXPECT_FALSE(attempt());
  EXPECT_FALSE((*state.operational().load()).has_value());
}

TEST_F(EnrolmentTest, TellsARevokedGatewayNothing) {
  responder.revoked.insert(tree.gateway.certificate.serial().hex());
  EXPECT_FALSE(attempt());
  EXPECT_TRUE(gateway.keys.empty());
}

TEST_F(EnrolmentTest, ObtainsTheWebCertificateAndOffersItselfToBeClaimed) {
  net::spawn(io.executor(), enrolment.run(), "test.enrolment");
  io.restart();
  net::run(io, wait_until([&] { return enrolment.web().has_value() && !gateway.claim_hashes.empty(); }));
  const auto code = state.claim_code(random);
  ASSERT_TRUE(code);
  ASSERT_EQ(gateway.claim_hashes.size(), 1U);
  EXPECT_EQ(gateway.claim_hashes.front(), codec::encode_hex(claim_hash(testing::kDevice, *code)));
  EXPECT_EQ(enrolment.facts()->state, "connected");
}

TEST_F(EnrolmentTest, ShowsTheClaimCodeOnceTheGatewayKnowsItsHash) {
  EXPECT_NE(claim_refusal(enrolment).find("has not enrolled yet"), std::string::npos);
  ASSERT_TRUE(attempt());
  EXPECT_NE(claim_refusal(enrolment).find("has not acknowledged it yet"), std::string::npos);
  gateway.claim_answer = 503;
  net::spawn(io.executor(), enrolment.run(), "test.enrolment");
  run_until([&] { return !enrolment.last_error().empty(); });
  EXPECT_NE(claim_refusal(enrolment).find("answered 503"), std::string::npos) << claim_refusal(enrolment);
  gateway.claim_answer = 200;
  run_until([&] { return enrolment.claim_code().has_value(); });
  EXPECT_EQ(gateway.claim_hashes.back(), codec::encode_hex(claim_hash(testing::kDevice, *enrolment.claim_code())));

  Enrolment later(io.executor(), state, time, dialer, random);
  ASSERT_TRUE(later.load());
  EXPECT_EQ(later.claim_code().value_or(""), *enrolment.claim_code());
}

TEST_F(EnrolmentTest, AUsedClaimCodeIsForgotten) {
  net::spawn(io.executor(), enrolment.run(), "test.enrolment");
  run_until([&] { return enrolment.claim_code().has_value(); });
  const std::string used = *enrolment.claim_code();
  gateway.state = "claimed";
  Enrolment later(io.executor(), state, time, dialer, random);
  ASSERT_TRUE(later.load());
  net::spawn(io.executor(), later.run(), "test.enrolment");
  run_until([&] { return later.facts().has_value() && !*state.find_claim_code(); });
  EXPECT_NE(claim_refusal(later).find("is claimed"), std::string::npos);
  EXPECT_NE(state.claim_code(random).value_or(used), used);
}

TEST_F(EnrolmentTest, AskedToClaimWhatIsClaimedItAsksWhatBecameOfIt) {
  gateway.claim_answer = 409;
  net::spawn(io.executor(), enrolment.run(), "test.enrolment");
  run_until([&] { return !gateway.claim_hashes.empty() && enrolment.facts().has_value(); });
  EXPECT_FALSE(enrolment.claim_code());
}

TEST_F(EnrolmentTest, TakesThePortOfBrowsersFromTheGateway) {
  EXPECT_EQ(state.public_port(), tls.address().port);
  gateway.public_port = 8443;
  unsigned told = 0;
  enrolment.on_facts([&] { told = state.public_port(); });
  net::spawn(io.executor(), enrolment.run(), "test.enrolment");
  run_until([&] { return told != 0; });
  EXPECT_EQ(told, 8443U);
}

TEST_F(EnrolmentTest, TakesNoPortThatIsNone) {
  gateway.public_port = 65'536;
  net::spawn(io.executor(), enrolment.run(), "test.enrolment");
  run_until([&] { return enrolment.last_error().find("public_port") != std::string::npos; });
  EXPECT_FALSE(enrolment.facts());
}

TEST_F(EnrolmentTest, RenewsBothCertificatesInTheWindowThatTheGatewaySuggests) {
  gateway.window =
      codec::Json::Object{{"start", to_iso8601(kNow - seconds(10))}, {"end", to_iso8601(kNow - seconds(9))}};
  net::spawn(io.executor(), enrolment.run(), "test.enrolment");
  run_until([&] { return gateway.keys.size() >= 4 && !gateway.claim_hashes.empty(); });
  ASSERT_EQ(gateway.keys.size(), 4U);
  EXPECT_EQ(to_bytes(enrolment.operational()->leaf().public_key().spki()), gateway.keys[2]);
  EXPECT_EQ(to_bytes(enrolment.web()->leaf().public_key().spki()), gateway.keys[3]);
  // Each on a connection that was made for it: it may be the clock that is wrong, and the server's check tells.
  EXPECT_EQ(std::ranges::count(gateway.keys_by_connection, 2U), 1);
  EXPECT_GE(std::ranges::count(gateway.keys_by_connection, 3U), 1);
}

TEST_F(EnrolmentTest, LeavesAWindowThatIsNotYetThere) {
  gateway.window =
      codec::Json::Object{{"start", to_iso8601(kNow + seconds(1))}, {"end", to_iso8601(kNow + seconds(9))}};
  net::spawn(io.executor(), enrolment.run(), "test.enrolment");
  run_until([&] { return !gateway.claim_hashes.empty(); });
  EXPECT_EQ(gateway.keys.size(), 2U);
}

TEST_F(EnrolmentTest, DrawsAnotherClaimCodeWhenItsCodeWasUsed) {
  const auto used = state.claim_code(random);
  ASSERT_TRUE(used);
  gateway.void_claim_hash = codec::encode_hex(claim_hash(testing::kDevice, *used));
  net::spawn(io.executor(), enrolment.run(), "test.enrolment");
  run_until([&] { return gateway.claim_hashes.size() >= 2; });
  EXPECT_EQ(gateway.claim_hashes.front(), gateway.void_claim_hash);
  EXPECT_NE(*state.claim_code(random), *used);
  EXPECT_EQ(gateway.claim_hashes.back(), codec::encode_hex(claim_hash(testing::kDevice, *state.claim_code(random))));
}

TEST_F(EnrolmentTest, LoadsWhatItObtained) {
  ASSERT_TRUE(attempt());
  Enrolment later(io.executor(), state, time, dialer, random);
  ASSERT_TRUE(later.load());
  EXPECT_EQ(later.phase(), Phase::enrolled);
  EXPECT_EQ(*later.name(), testing::kDevice);
}

TEST(RenewalTime, IsTwoThirdsOfTheLifeGiveOrTakeATenth) {
  const pki::Validity validity{.not_before = kNow, .not_after = kNow + 90 * kDay};
  std::set<std::int64_t> times;
  for (int i = 0; i < 100; ++i) {
    const UnixTime at = renewal_time(validity, "device-" + std::to_string(i));
    EXPECT_GE(at, kNow + 50 * kDay);
    EXPECT_LE(at, kNow + 70 * kDay);
    EXPECT_EQ(at, renewal_time(validity, "device-" + std::to_string(i)));
    times.insert(at.since_epoch());
  }
  EXPECT_GT(times.size(), 50U);
}

TEST(RenewalTime, IsAnInstantOfTheWindowThatIsSuggested) {
  const pki::Validity validity{.not_before = kNow, .not_after = kNow + 90 * kDay};
  const RenewalWindow window{kNow + 3 * kDay, kNow + 5 * kDay};
  std::set<std::int64_t> times;
  for (int i = 0; i < 100; ++i) {
    const UnixTime at = renewal_time(validity, "device-" + std::to_string(i), window);
    EXPECT_GE(at, window.start);
    EXPECT_LT(at, window.end);
    times.insert(at.since_epoch());
  }
  EXPECT_GT(times.size(), 90U);
  EXPECT_LT(*times.begin(), (window.start + kDay).since_epoch()) << "spread over all of it";
  EXPECT_GT(*times.rbegin(), (window.end - kDay).since_epoch());
}

TEST(RenewalTime, IgnoresAWindowThatMakesNoSense) {
  const pki::Validity validity{.not_before = kNow, .not_after = kNow + 90 * kDay};
  const UnixTime usual = renewal_time(validity, "device");
  const RenewalWindow nonsense[] = {{kNow + 5 * kDay, kNow + 3 * kDay},
                                    {kNow + 5 * kDay, kNow + 5 * kDay},
                                    {kNow + 90 * kDay, kNow + 91 * kDay},
                                    {kNow + 400 * kDay, kNow + 401 * kDay}};
  for (const RenewalWindow& window : nonsense) EXPECT_EQ(renewal_time(validity, "device", window), usual);
}

TEST(RenewalTime, NeverWaitsBeyondTheCertificate) {
  const pki::Validity validity{.not_before = kNow, .not_after = kNow + 90 * kDay};
  const RenewalWindow endless{kNow, UnixTime(std::int64_t{1} << 40)};
  EXPECT_LT(renewal_time(validity, "device", endless), validity.not_after);
}

}  // namespace
}  // namespace sallyport::agent
