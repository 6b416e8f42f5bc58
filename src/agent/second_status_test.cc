// Without a trusted clock a device wants two independent status hosts to agree (docs/operate/agent.md).
#include "agent/detail/test_installation.h"
#include "agent/server_check.h"

namespace sallyport::agent {
namespace {

using testing::Issued;
using testing::kNow;
using testing::kZone;
using testing::Lie;
using testing::PlainStatus;
using testing::Responder;
using testing::Tree;

net::Task<void> run_check(ServerCheck& check, pki::VerifiedChain subject, Result<void>& into) {
  into = co_await check.check(std::move(subject), "gateway");
}

// A device whose clock stands where the factory left it, and two status hosts with delegates of their own.
class SecondStatus : public ::testing::Test {
 protected:
  SecondStatus() : first(tree), second(tree), first_host(io, first), second_host(io, second) {
    second.own_server_delegate = make_delegate(tree.server_ca);
    second.own_control_delegate = make_delegate(tree.control_ca);
    begin(settings());
  }
  ~SecondStatus() override { io.stop(); }

  Issued make_delegate(const Issued& ca, UnixTime at = kNow) {
    return tree.make_leaf(pki::ProfileId::ocsp_signer, ca, {}, at);
  }
  Settings settings() const {
    Settings out = testing::make_settings();
    out.relay_address = {.host = "127.0.0.1", .port = 1};  // nobody is there: no second way to the first host
    out.http_address = first_host.address();
    out.second_status = second_host.address();
    out.trusted_clock = false;
    return out;
  }
  // The agent, started with these settings.
  void begin(const Settings& what) {
    check.reset();
    state.emplace(*AgentState::initialise(folder / fmt::format("state-{}", ++begun), what, tree.root, random));
    time.emplace(clock, what.trusted_clock, UnixTime());
    way_out.emplace(state->settings(), random);
    check.emplace(*state, *time, random, *way_out);
  }
  bool is_good() {
    const std::vector<pki::Certificate> chain = {tree.gateway.certificate, tree.server_ca.certificate};
    auto subject =
        pki::verify_chain(chain, state->anchors(), pki::ServerPurpose{.name = under("gateway", kZone)}, time->rule());
    EXPECT_TRUE(subject) << subject.error().error.detail;
    outcome = {};
    io.restart();
    net::run(io, run_check(*check, *std::move(subject), outcome));
    return outcome.has_value();
  }
  const CheckRecord& record() const { return check->records().at("gateway"); }
  void expect_refused(std::string_view reason) {
    EXPECT_FALSE(is_good()) << reason;
    EXPECT_EQ(record().reason, reason) << record().detail;
    EXPECT_NE(record().detail.find("second status host: "), std::string::npos) << record().detail;
    EXPECT_EQ(state->ratchets(), Ratchets()) << "nothing is learned from one of two";
    EXPECT_FALSE(time->is_known());
  }

  net::Io io;
  crypto::SystemRandom random;
  Tree tree;
  Responder first, second;
  PlainStatus first_host, second_host;
  testing::Folder folder;
  ManualClock clock{UnixTime(0)};
  int begun = 0;
  std::optional<AgentState> state;
  std::optional<DeviceTime> time;
  std::optional<WayOut> way_out;
  std::optional<ServerCheck> check;
  Result<void> outcome;
};

TEST_F(SecondStatus, WhereBothAgreeTheServerIsGoodAndTheTimeIsKnown) {
  ASSERT_TRUE(is_good()) << outcome.error().detail;
  EXPECT_EQ(record().reason, "good");
  EXPECT_NE(record().detail.find("second host"), std::string::npos) << record().detail;
  EXPECT_EQ(time->now(), kNow);
  EXPECT_EQ(second.asked, 2U) << "about the server, and about control-ca's witness";
  EXPECT_TRUE(is_good()) << outcome.error().detail;
  EXPECT_EQ(second.asked, 4U) << "what was told an hour ago is no clock";
}

TEST_F(SecondStatus, WhateverTheSecondDoesThatIsNoProofIsARefusalWithItsReason) {
  const struct {
    Lie lie;
    std::string_view reason;
  } table[] = {
      {Lie::unreachable, "second_unreachable"},
      {Lie::try_later, "try_later"},
      {Lie::no_nonce, "nonce_mismatch"},
      {Lie::other_nonce, "nonce_mismatch"},
      {Lie::witness_no_nonce, "nonce_mismatch"},
      {Lie::foreign_signer, "responder_unauthorized"},
      {Lie::no_delegate, "responder_unauthorized"},
      {Lie::other_certificate, "wrong_certificate"},
      {Lie::unknown, "status_unknown"},
      {Lie::no_crl_number, "responder_error"},
      {Lie::garbage, "malformed"},
  };
  for (const auto& [lie, reason] : table) {
    SCOPED_TRACE(reason);
    second.lie = lie;
    expect_refused(reason);
  }
  second.lie = Lie::none;
  EXPECT_TRUE(is_good()) << outcome.error().detail;
}

TEST_F(SecondStatus, OneKeyAtBothHostsIsOneWitness) {
  second.own_server_delegate.reset();
  second.own_control_delegate.reset();
  expect_refused("second_same_signer");
  second.own_control_delegate = make_delegate(tree.control_ca);
  expect_refused("second_same_signer");
  second.own_server_delegate = make_delegate(tree.server_ca);
  second.own_control_delegate.reset();
  expect_refused("second_same_signer");
}

// Whoever has the keys of a status machine of some time ago answers with the nonce, and tells the time of then: without
// a clock nothing else is wrong with it.
TEST_F(SecondStatus, AnOldKeyThatLeakedIsFoundOutByWhatTimeItIsElsewhere) {
  first.now = kNow + kDay;
  second.now = kNow + 20 * kDay;
  second.own_server_delegate = make_delegate(tree.server_ca, second.now);
  second.own_control_delegate = make_delegate(tree.control_ca, second.now);
  expect_refused("second_disagrees");

  auto alone = settings();
  alone.second_status.reset();
  begin(alone);
  EXPECT_TRUE(is_good()) << "which is what the second host is for";
}

TEST_F(SecondStatus, TimesOfTenMinutesApartAgreeAndOfMoreDoNot) {
  first.now = kNow + kWitnessAgreement + seconds(1);
  expect_refused("second_disagrees");
  first.now = kNow + kWitnessAgreement;
  ASSERT_TRUE(is_good()) << outcome.error().detail;
  EXPECT_EQ(time->now(), first.now) << "the later one is gone on with";
}

TEST_F(SecondStatus, TheSecondKnowsOfARevocationThatTheFirstHides) {
  second.revoked.insert(tree.gateway.certificate.serial().hex());
  expect_refused("status_revoked");
}

TEST_F(SecondStatus, TheSecondKnowsOfARootCrlThatTheFirstHides) {
  second.root_crl = tree.make_crl(2, {tree.server_ca.certificate.serial()});
  second.told_crl = 2;
  expect_refused("ca_revoked");
}

TEST_F(SecondStatus, TheSecondIsNotAskedWhatTheFirstHasRefused) {
  first.revoked.insert(tree.gateway.certificate.serial().hex());
  EXPECT_FALSE(is_good());
  EXPECT_EQ(record().reason, "status_revoked");
  EXPECT_EQ(second.asked, 0U);
}

TEST_F(SecondStatus, ADeviceWithATrustedClockDoesNotNeedIt) {
  auto trusted = settings();
  trusted.trusted_clock = true;
  clock.advance(kNow - UnixTime(0));
  begin(trusted);
  second.lie = Lie::unreachable;
  ASSERT_TRUE(is_good()) << outcome.error().detail;
  EXPECT_EQ(second.asked, 0U);
}

TEST_F(SecondStatus, AClockThatIsTrustedAndStandsBeforeTheFloorIsNone) {
  auto trusted = settings();
  trusted.trusted_clock = true;
  begin(trusted);
  time.emplace(clock, true, kNow - kDay);
  check.emplace(*state, *time, random, *way_out);
  second.lie = Lie::unreachable;
  EXPECT_FALSE(is_good());
  EXPECT_EQ(record().reason, "second_unreachable");
}

TEST_F(SecondStatus, EachHostsSignersAreRememberedApart) {
  // The second host's delegates are older than the first's, and stay so until they are replaced.
  first.now = second.now = kNow + 3 * kDay;
  first.own_server_delegate = make_delegate(tree.server_ca, kNow + 2 * kDay);
  first.own_control_delegate = make_delegate(tree.control_ca, kNow + 2 * kDay);
  second.own_server_delegate = make_delegate(tree.server_ca, kNow + kDay);
  ASSERT_TRUE(is_good()) << outcome.error().detail;
  ASSERT_TRUE(is_good()) << outcome.error().detail;
  EXPECT_EQ(state->ratchets().signer_not_before.size(), 4U);
  second.own_server_delegate = make_delegate(tree.server_ca, kNow);
  EXPECT_FALSE(is_good());
  EXPECT_EQ(record().reason, "responder_ratchet") << record().detail;
}

TEST_F(SecondStatus, WhatWasFoundGoodStaysSoForItsHourWhenTheSecondDoesNotAnswer) {
  ASSERT_TRUE(is_good());
  second.lie = Lie::try_later;
  EXPECT_FALSE(is_good());
  EXPECT_EQ(outcome.error().code, Errc::unavailable);
}

TEST(SecondStatusSettings, NameAnotherHostThanTheFirst) {
  Settings sound = testing::make_settings();
  sound.second_status = net::Address{.host = "status.example", .port = 80};
  const auto read = parse_settings(encode_settings(sound), "agent.toml");
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->second_status, sound.second_status);
  sound.second_status = sound.http_address;
  EXPECT_FALSE(parse_settings(encode_settings(sound), "agent.toml"));
}

}  // namespace
}  // namespace sallyport::agent
