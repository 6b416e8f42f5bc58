// INIT-CERT, prekeys and bundles.
#include <gtest/gtest.h>

#include "codec/der.h"
#include "sealed/detail/test_world.h"

namespace sallyport::sealed {
namespace {

using testing::WireMessage;
using testing::World;

// A chain is any DER here: who judges it is a stand-in that knows one certificate and verifies the signature.
struct CertifiedWorld : World {
  explicit CertifiedWorld(ResponderLimits given = {}) : World(1, given) {
    signing = std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate());
    chain = {codec::der::encode_utf8_string("device-1"), codec::der::encode_utf8_string("device-ca")};
    judge_by(Principal("device:one"));
    bundle = responder->renew_prekey(civil, 1).value();
    use_certificate();
  }
  void judge_by(Principal principal) {
    responder->set_judge(
        [this, principal](const std::vector<Bytes>& shown, ByteView bytes, ByteView signature) -> Result<JudgedCaller> {
          ++judged;
          if (shown != chain) return fail(Errc::unauthorized, "another chain");
          TRY_VOID(signing->public_key().verify(signing->scheme(), bytes, signature));
          return JudgedCaller{.principal = principal, .until = until};
        });
  }
  void use_certificate() { start_caller(CertificateCredential{.key = signing, .chain = chain, .bundle = bundle}); }

  std::shared_ptr<crypto::PrivateKey> signing;
  std::vector<Bytes> chain;
  Bundle bundle;
  UnixTime until = kNoExpiry;  // of the caller's certificate
  int judged = 0;
};

TEST(CertifiedCaller, IsServedAsThePrincipalOfItsCertificate) {
  CertifiedWorld world;
  const CallId rode = world.call_and_run("get", {.idempotent = true});
  const CallId sent = world.call_and_run();
  EXPECT_TRUE(world.was_done(rode));
  EXPECT_TRUE(world.was_done(sent));
  EXPECT_EQ(world.times_run(rode, "device:one"), 1);
  EXPECT_EQ(world.judged, 1) << "one handshake";
}

TEST(CertifiedCaller, ASignatureOfAnotherKeyOpensNothing) {
  CertifiedWorld world;
  auto other = std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate());
  world.start_caller(CertificateCredential{.key = other, .chain = world.chain, .bundle = world.bundle});
  world.call_and_run();
  EXPECT_EQ(world.counts().dropped_forged, 1U);
  EXPECT_EQ(world.responder->sessions(), 0U);
  EXPECT_EQ(world.count(0x53), 0U);
}

TEST(CertifiedCaller, AnotherChainOrNoneOrTooLongAOneOpensNothing) {
  CertifiedWorld world;
  for (const std::vector<Bytes>& chain :
       {std::vector<Bytes>{}, std::vector<Bytes>{world.chain[0]}, std::vector<Bytes>(7, world.chain[0]),
        std::vector<Bytes>{Bytes{0x30, 0x80}}}) {
    world.start_caller(CertificateCredential{.key = world.signing, .chain = chain, .bundle = world.bundle});
    world.call_and_run();
  }
  EXPECT_EQ(world.counts().dropped_forged, 4U);
}

TEST(CertifiedCaller, NoCertificateSpeaksForAnApiKey) {
  CertifiedWorld world;
  world.judge_by(Principal("key:pump"));
  world.call_and_run();
  EXPECT_EQ(world.counts().dropped_forged, 1U);
  EXPECT_EQ(world.responder->sessions(), 0U);
}

TEST(CertifiedCaller, AHandshakeThatIsRepeatedIsDropped) {
  CertifiedWorld world;
  world.call_and_run("get", {.idempotent = true});
  world.deliver(world.last(0x52));
  EXPECT_EQ(world.counts().dropped_seen, 1U);
  EXPECT_EQ(world.judged, 1);
}

TEST(CertifiedCaller, ASessionEndsWithTheCertificateThatOpenedIt) {
  CertifiedWorld world;
  world.until = world.civil + seconds(100);
  EXPECT_TRUE(world.was_done(world.call_and_run()));
  world.advance(seconds(100));
  EXPECT_TRUE(world.was_done(world.call_and_run())) << "in its last second";
  world.advance(seconds(1));
  const CallId late = world.call_and_run();
  EXPECT_EQ(world.times_run(late, "device:one"), 0);
  EXPECT_EQ(world.counts().dropped_unknown, 1U);
  world.responder->on_tick(world.civil);
  EXPECT_EQ(world.responder->sessions(), 0U);
}

TEST(CertifiedCaller, ACertificateThatLivesOnDoesNotLengthenASession) {
  CertifiedWorld world;
  EXPECT_TRUE(world.was_done(world.call_and_run()));
  world.advance(seconds(3'600 + 31));
  world.responder->on_tick(world.civil);
  EXPECT_EQ(world.responder->sessions(), 0U);
}

TEST(CertifiedCaller, ACallThatRunsWhenTheCertificateEndsIsAnsweredToNobody) {
  CertifiedWorld world;
  world.until = world.civil + seconds(10);
  world.call_and_run();
  world.holds = true;
  const CallId id = world.call_and_run();
  world.advance(seconds(11));
  world.responder->on_tick(world.civil);
  world.finish(world.executed.back());
  world.run();
  EXPECT_FALSE(world.answers.contains(id));
  EXPECT_EQ(world.times_run(id, "device:one"), 1);
}

TEST(CertifiedCaller, APrekeyThatHasEndedIsUnknown) {
  CertifiedWorld world;
  world.call();
  const Bytes init = world.queue.front().payload;
  world.advance(kPrekeyAcceptance);
  world.to_node(init);
  EXPECT_EQ(world.counts().dropped_unknown, 1U);
}

TEST(CertifiedCaller, YesterdaysPrekeyIsGoodUntilItsAcceptanceEnds) {
  CertifiedWorld world;
  EXPECT_FALSE(world.responder->renew_prekey(world.civil + kPrekeyLife - seconds(1), 2));
  world.advance(kPrekeyLife);
  const auto next = world.responder->renew_prekey(world.civil, 2);
  ASSERT_TRUE(next);
  EXPECT_NE(next->prekey_id, world.bundle.prekey_id);
  EXPECT_TRUE(world.was_done(world.call_and_run()));
  world.advance(kPrekeyAcceptance - kPrekeyLife);
  world.use_certificate();
  world.call_and_run();
  EXPECT_EQ(world.counts().dropped_unknown, 1U);
}

TEST(CertifiedCaller, MoreHandshakesThanTheLimitAreDroppedUnreadAndASessionLivesOn) {
  CertifiedWorld world({.certificate_handshakes_per_second = 5});
  EXPECT_TRUE(world.was_done(world.call_and_run()));
  Bytes garbage(300, 0x52);
  std::copy_n(Writer().u32(world.bundle.prekey_id).view().begin(), 4, garbage.begin() + 1);
  SeededRandom noise(3);
  for (int i = 0; i < 200; ++i) {
    const auto ephemeral = noise.array<32>();
    std::copy(ephemeral.begin(), ephemeral.end(), garbage.begin() + 5);
    world.to_node(garbage);
  }
  EXPECT_EQ(world.counts().dropped_forged, 4U);
  EXPECT_EQ(world.counts().dropped_rate, 196U);
  EXPECT_TRUE(world.was_done(world.call_and_run()));
}

TEST(CertifiedCaller, AnInboxIsKnownToNobodyWithoutThePrekey) {
  CertifiedWorld world;
  world.call_and_run();
  const auto first = world.subscribed.back();
  world.use_certificate();
  world.call_and_run();
  EXPECT_NE(world.subscribed.back(), first);
}

Bundle bundle_of_today() {
  return {.node = NodeName("pump-7"),
          .prekey = {1, 2, 3},
          .prekey_id = 9,
          .not_before = testing::kWorldStart,
          .not_after = testing::kWorldStart + kBundleLife,
          .sequence = 17};
}

TEST(Bundles, ReadBackAsWritten) {
  EXPECT_EQ(parse_bundle(encode_bundle(bundle_of_today())).value(), bundle_of_today());
}

TEST(Bundles, AreRefusedWhenCutLengthenedOrOutsideTheirGrammar) {
  const Bytes good = encode_bundle(bundle_of_today());
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(parse_bundle(ByteView(good).first(size)));
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(parse_bundle(longer));
  Bundle bad = bundle_of_today();
  bad.not_after = bad.not_before;
  EXPECT_FALSE(parse_bundle(encode_bundle(bad)));
  bad.not_after = bad.not_before + kBundleLife + seconds(1);
  EXPECT_FALSE(parse_bundle(encode_bundle(bad)));
  bad = bundle_of_today();
  bad.node = NodeName("a/b");
  EXPECT_FALSE(parse_bundle(encode_bundle(bad)));
}

TEST(Bundles, AnOlderOneThanSeenIsRefused) {
  const Bundle bundle = bundle_of_today();
  const UnixTime today = testing::kWorldStart + seconds(60);
  EXPECT_TRUE(check_bundle(bundle, bundle.node, 0, today));
  EXPECT_TRUE(check_bundle(bundle, bundle.node, 17, today));
  EXPECT_EQ(check_bundle(bundle, bundle.node, 18, today).error().code, Errc::conflict);
  EXPECT_EQ(check_bundle(bundle, NodeName("pump-8"), 0, today).error().code, Errc::conflict);
  EXPECT_EQ(check_bundle(bundle, bundle.node, 0, today - seconds(61)).error().code, Errc::not_yet);
  EXPECT_EQ(check_bundle(bundle, bundle.node, 0, today + kBundleLife).error().code, Errc::expired);
}

}  // namespace
}  // namespace sallyport::sealed
