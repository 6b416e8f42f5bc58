#include "agent/status_check.h"

#include "agent/detail/test_installation.h"

namespace sallyport::agent {
namespace {

using pki::Reason;
using testing::Issued;
using testing::kNow;
using testing::kZone;
using testing::Lie;
using testing::Responder;
using testing::Tree;

// A status host, and a device that asks it about the gateway.
class StatusCheck : public ::testing::Test {
 protected:
  StatusCheck() : responder(tree) {}

  pki::VerifiedChain verify(const Issued& leaf, const Issued& ca, const pki::Purpose& purpose) {
    const std::vector<pki::Certificate> chain = {leaf.certificate, ca.certificate};
    const pki::Certificate anchors[] = {tree.root};
    auto verified = pki::verify_chain(chain, anchors, purpose, rule);
    EXPECT_TRUE(verified) << verified.error().error.detail;
    return *std::move(verified);
  }
  pki::VerifiedChain gateway() {
    return verify(tree.gateway, tree.server_ca, pki::ServerPurpose{.name = under("gateway", kZone)});
  }

  // Asks and judges, with the CRL that the device holds and, where that does not do, the one that is served.
  pki::Verdict<StatusFinding> ask(pki::VerifiedChain subject) {
    const StatusQuestion question{
        .subject = std::move(subject), .time = rule, .nonce = random.bytes(pki::kOcspNonceSize), .ratchets = ratchets};
    StatusEvidence evidence;
    evidence.subject_answer = responder.answer(encode_subject_request(question));
    evidence.control_ca = to_bytes(shown_control_ca.value_or(tree.control_ca.certificate).der());
    evidence.witness = tree.grants.certificate.serial().hex();
    auto request = encode_witness_request(question, to_bytes(tree.control_ca.certificate.der()), evidence.witness);
    EXPECT_TRUE(request);
    evidence.witness_answer = responder.answer(*request);
    if (held) evidence.root_crls = {*held};
    auto verdict = judge_status(question, evidence);
    if (!verdict && wants_newer_crl(verdict.error().reason)) {
      evidence.root_crls = {responder.root_crl};
      verdict = judge_status(question, evidence);
    }
    return verdict;
  }
  Bytes root_key_id() const { return *tree.root.extensions().subject_key_id; }
  void expect_refused(Reason reason) {
    const auto verdict = ask(gateway());
    ASSERT_FALSE(verdict);
    EXPECT_EQ(pki::to_string(verdict.error().reason), pki::to_string(reason)) << verdict.error().error.detail;
  }

  crypto::SystemRandom random;
  Tree tree;
  Responder responder;
  Ratchets ratchets;
  pki::TimeRule rule = pki::TimeRule::clock(kNow);
  std::optional<pki::Crl> held;
  std::optional<pki::Certificate> shown_control_ca;
};

TEST_F(StatusCheck, AcceptsAServerThatIsGoodAndRemembersWhatItSaw) {
  const auto verdict = ask(gateway());
  ASSERT_TRUE(verdict) << verdict.error().error.detail;
  EXPECT_EQ(verdict->produced_at, kNow);
  EXPECT_EQ(verdict->seen.root_crl_numbers.at(root_key_id()), 1U);
  EXPECT_EQ(verdict->seen.signer_not_before.size(), 2U);
  EXPECT_EQ(verdict->witness, tree.grants.certificate.serial());
}

struct Refusal {
  Lie lie;
  Reason reason;
};

TEST_F(StatusCheck, RefusesWhateverIsNotAProof) {
  const Refusal table[] = {
      {Lie::try_later, Reason::try_later},
      {Lie::no_nonce, Reason::nonce_mismatch},
      {Lie::other_nonce, Reason::nonce_mismatch},
      {Lie::witness_no_nonce, Reason::nonce_mismatch},
      {Lie::old_answer, Reason::outside_window},
      {Lie::foreign_signer, Reason::responder_unauthorized},
      {Lie::no_delegate, Reason::responder_unauthorized},
      {Lie::other_certificate, Reason::wrong_certificate},
      {Lie::unknown, Reason::status_unknown},
      {Lie::no_crl_number, Reason::responder_error},
      {Lie::garbage, Reason::malformed},
  };
  for (const auto& [lie, reason] : table) {
    SCOPED_TRACE(static_cast<int>(lie));
    responder.lie = lie;
    expect_refused(reason);
  }
}

TEST_F(StatusCheck, RefusesTheSameWithoutAClock) {
  rule = pki::TimeRule::floor(kNow - 400 * kDay);
  for (const Lie lie : {Lie::try_later, Lie::no_nonce, Lie::other_nonce, Lie::witness_no_nonce, Lie::foreign_signer,
                        Lie::no_delegate, Lie::other_certificate, Lie::unknown, Lie::no_crl_number, Lie::garbage}) {
    SCOPED_TRACE(static_cast<int>(lie));
    responder.lie = lie;
    EXPECT_FALSE(ask(gateway()));
  }
}

TEST_F(StatusCheck, RefusesARevokedServer) {
  responder.revoked.insert(tree.gateway.certificate.serial().hex());
  expect_refused(Reason::status_revoked);
  EXPECT_TRUE(is_final(Reason::status_revoked));
}

TEST_F(StatusCheck, RefusesAServerCaOnTheRootCrl) {
  responder.root_crl = tree.make_crl(2, {tree.server_ca.certificate.serial()});
  responder.told_crl = 2;
  held = tree.make_crl(1, {});
  expect_refused(Reason::ca_revoked);
}

TEST_F(StatusCheck, RefusesAControlCaOnTheRootCrl) {
  held = tree.make_crl(1, {tree.control_ca.certificate.serial()});
  expect_refused(Reason::ca_revoked);
}

TEST_F(StatusCheck, FindsOutAReplayedRootCrlByWhatControlCaTells) {
  // Whoever stole server-ca has everything but control-ca's delegate: he serves the CRL of before his theft was known.
  responder.told_crl = 2;
  expect_refused(Reason::crl_unusable);
}

TEST_F(StatusCheck, RefusesARootCrlBelowTheHighestSeen) {
  ratchets.root_crl_numbers[root_key_id()] = 3;
  expect_refused(Reason::crl_unusable);
}

TEST_F(StatusCheck, RefusesAnOverdueRootCrl) {
  responder.root_crl = tree.make_crl(1, {}, kNow - 100 * kDay);
  expect_refused(Reason::crl_stale);
}

TEST_F(StatusCheck, RefusesARootCrlOfAnotherRoot) {
  Tree other;
  responder.root_crl = other.make_crl(1, {});
  expect_refused(Reason::key_id_mismatch);
}

TEST_F(StatusCheck, RefusesASignerOlderThanOneAcceptedBefore) {
  ratchets.signer_not_before[*tree.server_ca.certificate.extensions().subject_key_id] =
      tree.server_delegate.certificate.validity().not_before + seconds(1);
  expect_refused(Reason::responder_ratchet);
}

TEST_F(StatusCheck, RefusesAControlCaThatTheRootDidNotIssue) {
  Tree other;
  shown_control_ca = other.control_ca.certificate;
  EXPECT_FALSE(ask(gateway()));
}

TEST_F(StatusCheck, RefusesAnotherCaInThePlaceOfControlCa) {
  shown_control_ca = tree.server_ca.certificate;
  expect_refused(Reason::policy);
}

TEST_F(StatusCheck, TakesTheTimeFromTheAnswerWhereThereIsNoClock) {
  rule = pki::TimeRule::floor(kNow - 400 * kDay);
  const auto verdict = ask(gateway());
  ASSERT_TRUE(verdict) << verdict.error().error.detail;
  EXPECT_EQ(verdict->produced_at, kNow);
}

TEST_F(StatusCheck, FindsAnExpiredServerByTheTimeThatItWasTold) {
  rule = pki::TimeRule::floor(kNow - 400 * kDay);
  auto subject = gateway();
  ASSERT_TRUE(subject.validity_deferred());
  // Later than the server certificate lives, told by delegates and a root CRL of that time.
  responder.now = kNow + 100 * kDay;
  tree.server_delegate = tree.make_leaf(pki::ProfileId::ocsp_signer, tree.server_ca, {}, responder.now);
  tree.control_delegate = tree.make_leaf(pki::ProfileId::ocsp_signer, tree.control_ca, {}, responder.now);
  responder.root_crl = tree.make_crl(1, {}, responder.now);
  const auto verdict = ask(std::move(subject));
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().reason, Reason::expired);
}

TEST_F(StatusCheck, RefusesAnAnswerFromBeforeTheFloor) {
  rule = pki::TimeRule::floor(kNow + seconds(1));
  expect_refused(Reason::outside_window);
}

TEST_F(StatusCheck, AsksAboutAGrantSignerAndTheRootCrlAtOnce) {
  const auto signer = verify(tree.grants, tree.control_ca, pki::ControlPurpose{.kind = pki::ControlKind::grant});
  const auto verdict = ask(signer);
  ASSERT_TRUE(verdict) << verdict.error().error.detail;
  responder.revoked.insert(tree.grants.certificate.serial().hex());
  const auto revoked = ask(signer);
  ASSERT_FALSE(revoked);
  EXPECT_EQ(revoked.error().reason, Reason::status_revoked);
}

}  // namespace
}  // namespace sallyport::agent
