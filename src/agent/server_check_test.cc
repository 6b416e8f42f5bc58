#include "agent/server_check.h"

#include "agent/checked_stream.h"
#include "agent/detail/test_installation.h"
#include "http/client.h"

namespace sallyport::agent {
namespace {

using testing::kNow;
using testing::kSoon;
using testing::kZone;
using testing::Lie;
using testing::PlainStatus;
using testing::Responder;
using testing::TlsPort;
using testing::Tree;

// Reads to the end and counts.
net::Task<void> count_bytes(net::StreamPtr stream, std::size_t& connections, std::size_t& bytes) {
  ++connections;
  Bytes piece(1'024);
  for (;;) {
    const auto count = co_await stream->read_some(piece, kSoon);
    if (!count || *count == 0) co_return;
    bytes += *count;
  }
}

// A device, a gateway that counts what it is told, a status host on a plain port and behind TLS.
class ServerCheckTest : public ::testing::Test {
 protected:
  ServerCheckTest()
      : responder(tree),
        plain(io, responder),
        tls(io),
        state(*AgentState::initialise(folder / "state", settings(), tree.root, random)),
        clock(kNow),
        time(clock, true, UnixTime()),
        way_out(state.settings(), random),
        check(state, time, random, way_out),
        dialer(state, time, check, way_out) {
    tls.add(under("gateway", kZone), Tree::identity(tree.gateway, tree.server_ca),
            [this](net::StreamPtr stream) { return count_bytes(std::move(stream), connections, bytes); });
    tls.add(under("relay", kZone), Tree::identity(tree.web, tree.web_ca),
            [this](net::StreamPtr stream) { return count_bytes(std::move(stream), connections, bytes); });
    tls.add(under("status", kZone), Tree::identity(tree.status, tree.server_ca),
            [this](net::StreamPtr stream) { return serve_status(std::move(stream)); });
    tls.start();
  }
  ~ServerCheckTest() override { io.stop(); }

  Settings settings() const {
    Settings out = testing::make_settings();
    out.relay_address = tls.address();
    out.http_address = plain.address();
    return out;
  }
  net::Task<void> serve_status(net::StreamPtr stream) {
    ++asked_over_tls;
    if (!tls_status_answers) co_return;
    co_await plain.server().serve(std::move(stream));
  }
  ServerTarget gateway() {
    return {.server_name = under("gateway", kZone),
            .certificate_name = under("gateway", kZone),
            .alpn = "http/1.1",
            .identity = Tree::identity(tree.gateway, tree.server_ca)};
  }
  net::Task<void> connect(ServerTarget target) { outcome.emplace(co_await dialer.connect(std::move(target))); }
  // Connects as the agent does before it sends anything; true when it may.
  bool may_send(std::optional<ServerTarget> target = std::nullopt) {
    outcome.reset();
    io.restart();
    net::run(io, connect(target ? *std::move(target) : gateway()));
    return outcome && outcome->has_value();
  }
  Bytes root_key_id() const { return *tree.root.extensions().subject_key_id; }
  const CheckRecord& record() { return check.records().at("gateway.devices.example"); }
  // Lets the servers see what was sent to them.
  void settle() {
    outcome.reset();
    io.restart();
    io.run_for(milliseconds(20));
  }

  net::Io io;
  crypto::SystemRandom random;
  Tree tree;
  Responder responder;
  PlainStatus plain;
  TlsPort tls;
  testing::Folder folder;
  AgentState state;
  ManualClock clock;
  DeviceTime time;
  WayOut way_out;
  ServerCheck check;
  ServerDialer dialer;
  std::size_t connections = 0, bytes = 0, asked_over_tls = 0;
  bool tls_status_answers = true;
  std::optional<Result<CheckedStream>> outcome;
};

TEST_F(ServerCheckTest, HandsOutAGoodServerAndStoresWhatItLearned) {
  ASSERT_TRUE(may_send()) << outcome->error().detail;
  EXPECT_EQ(record().reason, "good");
  EXPECT_EQ(asked_over_tls, 0U);
  ASSERT_TRUE(state.root_crl());
  EXPECT_EQ(state.ratchets().root_crl_numbers.at(root_key_id()), 1U);
  EXPECT_EQ(state.ratchets().time_floor, kNow);
}

// Not one byte of application data to a server that is not proven.
TEST_F(ServerCheckTest, SendsNoApplicationDataWhateverTheStatusHostDoes) {
  const struct {
    Lie lie;
    std::string_view reason;
  } table[] = {
      {Lie::unreachable, "unreachable"},
      {Lie::try_later, "try_later"},
      {Lie::no_nonce, "nonce_mismatch"},
      {Lie::other_nonce, "nonce_mismatch"},
      {Lie::witness_no_nonce, "nonce_mismatch"},
      {Lie::old_answer, "outside_window"},
      {Lie::foreign_signer, "responder_unauthorized"},
      {Lie::no_delegate, "responder_unauthorized"},
      {Lie::other_certificate, "wrong_certificate"},
      {Lie::unknown, "status_unknown"},
      {Lie::no_crl_number, "responder_error"},
      {Lie::garbage, "malformed"},
  };
  for (const auto& [lie, reason] : table) {
    SCOPED_TRACE(reason);
    responder.lie = lie;
    tls_status_answers = lie != Lie::unreachable;
    EXPECT_FALSE(may_send());
    EXPECT_EQ(record().reason, reason);
  }
  settle();
  EXPECT_EQ(connections, std::size(table));
  EXPECT_EQ(bytes, 0U);
}

TEST_F(ServerCheckTest, SendsNothingToARevokedGatewayAndAsksNoFurther) {
  responder.revoked.insert(tree.gateway.certificate.serial().hex());
  EXPECT_FALSE(may_send());
  EXPECT_EQ(record().reason, "status_revoked");
  EXPECT_EQ(asked_over_tls, 0U);
  settle();
  EXPECT_EQ(bytes, 0U);
}

TEST_F(ServerCheckTest, SendsNothingUnderARevokedServerCa) {
  ASSERT_TRUE(may_send());
  // The thief of server-ca answers "good" for ever; the root has said otherwise, and control-ca tells of it.
  responder.root_crl = tree.make_crl(2, {tree.server_ca.certificate.serial()});
  responder.told_crl = 2;
  EXPECT_FALSE(may_send());
  EXPECT_EQ(record().reason, "ca_revoked");
  settle();
  EXPECT_EQ(bytes, 0U);
}

TEST_F(ServerCheckTest, SendsNothingWhenTheNewestRootCrlIsWithheld) {
  ASSERT_TRUE(may_send());
  responder.told_crl = 2;
  EXPECT_FALSE(may_send());
  EXPECT_EQ(record().reason, "crl_unusable");
}

TEST_F(ServerCheckTest, FetchesANewerRootCrlWhenItIsTold) {
  ASSERT_TRUE(may_send());
  responder.root_crl = tree.make_crl(2, {});
  responder.told_crl = 2;
  ASSERT_TRUE(may_send());
  EXPECT_EQ(state.root_crl()->number(), 2U);
  // The number never falls, even when everybody agrees that it should.
  responder.root_crl = tree.make_crl(1, {});
  responder.told_crl = 1;
  ASSERT_TRUE(may_send());
  EXPECT_EQ(state.ratchets().root_crl_numbers.at(root_key_id()), 2U);
  EXPECT_EQ(state.root_crl()->number(), 2U);
}

TEST_F(ServerCheckTest, AsksOverTlsWherePlainHttpIsBlocked) {
  responder.lie = Lie::unreachable;  // which the TLS side does not look at
  ASSERT_TRUE(may_send()) << outcome->error().detail;
  EXPECT_EQ(asked_over_tls, 1U);
}

TEST_F(ServerCheckTest, DoesNotEvenAskAboutACertificateOfAnotherCa) {
  // web-ca may issue for names of the zone; its certificates are never a server's.
  ServerTarget relay = gateway();
  relay.server_name = relay.certificate_name = under("relay", kZone);
  EXPECT_FALSE(may_send(std::move(relay)));
  EXPECT_EQ(outcome->error().code, Errc::unauthorized);
  EXPECT_EQ(responder.asked, 0U);
  settle();
  EXPECT_EQ(bytes, 0U);
}

TEST_F(ServerCheckTest, RefusesAServerThatShowsTheNameOfAnother) {
  ServerTarget target = gateway();
  target.certificate_name = under("relay", kZone);
  EXPECT_FALSE(may_send(std::move(target)));
  EXPECT_EQ(responder.asked, 0U);
}

net::Task<void> ask_recent(ServerCheck& check, pki::VerifiedChain subject, Result<void>& into) {
  into = co_await check.check_recent(std::move(subject), "grant signer");
}

// Asks about the signer of grants as an OPEN does.
class SignerCheckTest : public ServerCheckTest {
 protected:
  bool ask() {
    const std::vector<pki::Certificate> chain = {tree.grants.certificate, tree.control_ca.certificate};
    const pki::Certificate anchors[] = {tree.root};
    auto signer = pki::verify_chain(chain, anchors, pki::ControlPurpose{.kind = pki::ControlKind::grant},
                                    pki::TimeRule::clock(kNow));
    EXPECT_TRUE(signer);
    Result<void> good;
    io.restart();
    net::run(io, ask_recent(check, *std::move(signer), good));
    return good.has_value();
  }
};

TEST_F(SignerCheckTest, AGoodAnswerServesForAnHour) {
  ASSERT_TRUE(may_send());
  const std::size_t asked = responder.asked;
  EXPECT_TRUE(ask());  // it was the witness of the gateway's check
  EXPECT_EQ(responder.asked, asked);
  clock.advance(kRecheckAfter);
  responder.now = clock.now();
  EXPECT_TRUE(ask());
  EXPECT_EQ(responder.asked, asked + 1);
  clock.advance(kRecheckAfter);
  responder.now = clock.now();
  responder.revoked.insert(tree.grants.certificate.serial().hex());
  EXPECT_FALSE(ask());
}

// A status service that starts again keeps nobody out whom it has let in.
TEST_F(SignerCheckTest, AnAnswerThatDoesNotComeTakesNothingBack) {
  ASSERT_TRUE(may_send());
  for (const Lie lie : {Lie::unreachable, Lie::try_later}) {
    responder.lie = lie;
    tls_status_answers = lie != Lie::unreachable;
    EXPECT_FALSE(may_send());
    EXPECT_TRUE(ask());
  }
  responder.lie = Lie::none;
  responder.revoked.insert(tree.gateway.certificate.serial().hex());
  EXPECT_FALSE(may_send());
  const std::size_t asked = responder.asked;
  EXPECT_TRUE(ask());
  EXPECT_GT(responder.asked, asked);
}

TEST_F(ServerCheckTest, AClockBeforeTheFloorIsNotBelieved) {
  ASSERT_TRUE(state.raise_ratchets({.time_floor = kNow, .root_crl_numbers = {}, .signer_not_before = {}}));
  ManualClock wrong(kNow - 365 * kDay);
  DeviceTime doubtful(wrong, true, kNow);
  EXPECT_FALSE(doubtful.has_clock());
  EXPECT_FALSE(doubtful.rule().is_clock());
  EXPECT_EQ(doubtful.now(), kNow);
  doubtful.learn(kNow + kDay);
  wrong.advance(minutes(1));
  EXPECT_EQ(doubtful.now(), kNow + kDay + seconds(60));
}

net::Task<void> check_shown(ServerCheck& check, pki::Certificate leaf, DnsName name, Result<void>& into) {
  into = co_await check.check_leaf(std::move(leaf), std::move(name));
}

// A certificate that another program was shown, as OpenVPN's hook hands it over.
class ShownServerTest : public ServerCheckTest {
 protected:
  Result<void> check_leaf(const pki::Certificate& leaf, const DnsName& name = under("gateway", kZone)) {
    Result<void> good;
    io.restart();
    net::run(io, check_shown(check, leaf, name, good));
    return good;
  }
};

TEST_F(ShownServerTest, IsGoodWhenChainNameAndStatusAre) {
  const auto good = check_leaf(tree.gateway.certificate);
  EXPECT_TRUE(good) << good.error().detail;
  EXPECT_EQ(record().reason, "good");
}

TEST_F(ShownServerTest, IsAskedAboutOverTlsWherePlainHttpIsBlocked) {
  responder.lie = Lie::unreachable;
  EXPECT_TRUE(check_leaf(tree.gateway.certificate));
  EXPECT_GE(asked_over_tls, 1U);
}

TEST_F(ShownServerTest, IsRefusedWhenRevoked) {
  responder.revoked.insert(tree.gateway.certificate.serial().hex());
  EXPECT_FALSE(check_leaf(tree.gateway.certificate));
  EXPECT_EQ(record().reason, "status_revoked");
}

TEST_F(ShownServerTest, IsRefusedWhenNobodyAnswers) {
  responder.lie = Lie::unreachable;
  tls_status_answers = false;
  const auto refused = check_leaf(tree.gateway.certificate);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  EXPECT_EQ(record().reason, "unreachable");
}

TEST_F(ShownServerTest, IsRefusedUnderAnotherNameCaOrPurposeBeforeAnythingIsAsked) {
  const Tree somebody_elses;
  EXPECT_FALSE(check_leaf(tree.relay.certificate));
  EXPECT_EQ(record().reason, "identity");
  for (const pki::Certificate& leaf : {tree.web.certificate, tree.grants.certificate, tree.server_ca.certificate,
                                       somebody_elses.gateway.certificate}) {
    EXPECT_FALSE(check_leaf(leaf));
    EXPECT_EQ(record().reason, "no_anchor");
  }
  EXPECT_EQ(responder.asked, 0U);
}

}  // namespace
}  // namespace sallyport::agent
