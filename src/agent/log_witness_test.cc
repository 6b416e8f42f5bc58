#include "agent/log_witness.h"

#include "agent/detail/test_installation.h"
#include "keystore/file.h"

namespace sallyport::agent {
namespace {

using testing::Folder;
using testing::kDevice;
using testing::kNow;
using testing::kZone;
using testing::make_settings;
using testing::Tree;

const pki::TimeRule kTime = pki::TimeRule::clock(kNow);

class LogWitnessTest : public ::testing::Test {
 protected:
  // A log of `size` entries of which the one at `index` is the certificate of `leaf`, and the gateway's answer with it.
  http::Response answer(const pki::Certificate& logged, std::uint64_t index = 1, std::uint64_t size = 3,
                        std::uint8_t other = 0) {
    tlog::LogEntry entry{
        .index = index, .time = kNow, .what = tlog::CertificateEntry{"online-ca", to_bytes(logged.der())}};
    std::vector<tlog::Hash> leaves(size, tlog::Hash{other});
    leaves[index] = tlog::leaf_hash(tlog::encode_log_entry(entry));
    const auto subtree = [&](unsigned height, std::uint64_t at) -> Result<tlog::Hash> {
      tlog::GrowingTree tree;
      for (std::uint64_t i = at << height; i < (at + 1) << height; ++i) tree.append(leaves.at(i));
      return tree.root();
    };
    tlog::LogProof proof{.extra = tlog::encode_entry_head(entry), .index = index, .hashes = {}, .checkpoint = {}};
    for (const tlog::Range& range : tlog::inclusion_ranges(index, size))
      proof.hashes.push_back(*tlog::range_hash(range, subtree));
    const tlog::Checkpoint checkpoint{.origin = tlog::origin_of(kZone.get()),
                                      .size = size,
                                      .root = *tlog::range_hash({0, size}, subtree),
                                      .extensions = {}};
    proof.checkpoint = *tlog::sign_checkpoint(checkpoint, log_key);
    return response(tlog::encode_log_proof(proof), key_certificate);
  }
  static http::Response response(const std::string& proof, const pki::Certificate& key) {
    http::Response out;
    out.headers.set("Sallyport-Log-Proof", codec::encode_base64(as_bytes(proof)));
    out.headers.set("Sallyport-Log-Key", codec::encode_base64(key.der()));
    return out;
  }
  const LogStanding& take(const http::Response& from) {
    witness.take("operational", from, leaf, cas, kTime);
    return witness.standings().at("operational");
  }
  std::string refusal(const http::Response& from) {
    const LogStanding& standing = take(from);
    EXPECT_FALSE(standing.is_proven);
    return standing.detail;
  }

  crypto::SystemRandom random;
  Tree tree;
  Folder folder;
  AgentState state = *AgentState::initialise(folder / "state", make_settings(), tree.root, random);
  LogWitness witness{state};
  crypto::PrivateKey log_key = crypto::PrivateKey::generate(crypto::KeyType::ed25519);
  pki::Certificate key_certificate =
      tree.certify(pki::ProfileId::checkpoint_signer, tree.control_ca, {}, log_key.public_key());
  std::vector<pki::Certificate> cas = {tree.online_ca.certificate, tree.control_ca.certificate};
  pki::Certificate leaf =
      tree.make_leaf(pki::ProfileId::operational_device, tree.online_ca, {kDevice.get() + "." + kZone.get()})
          .certificate;
};

TEST_F(LogWitnessTest, TakesAProofInAndProvesItAgainAfterARestart) {
  const LogStanding& taken = take(answer(leaf));
  EXPECT_TRUE(taken.is_proven) << taken.detail;
  EXPECT_EQ(taken.detail, "entry 1 of 3");
  LogWitness restarted(state);
  restarted.load("operational", leaf, kTime);
  EXPECT_TRUE(restarted.standings().at("operational").is_proven);
  restarted.load("web", leaf, kTime);
  EXPECT_FALSE(restarted.standings().at("web").is_proven) << "no proof was ever there";
}

TEST_F(LogWitnessTest, AnAnswerWithoutAProofIsNotProven) {
  EXPECT_EQ(refusal({}), "log: the answer had no Sallyport-Log-Proof");
  http::Response without_key = answer(leaf);
  without_key.headers.set("Sallyport-Log-Key", "");
  EXPECT_FALSE(refusal(without_key).empty());
}

TEST_F(LogWitnessTest, AProofOfAnotherCertificateOrUnderAnotherKeyIsNone) {
  const auto other = tree.make_leaf(pki::ProfileId::operational_device, tree.online_ca, {"bcdefghijk." + kZone.get()});
  EXPECT_FALSE(refusal(answer(other.certificate)).empty());
  const Bytes encoded = *codec::decode_base64(answer(leaf).headers.get("Sallyport-Log-Proof"));
  const std::string proof(as_text(encoded));
  // A key for something else, one of another installation, one that signed another head.
  EXPECT_FALSE(refusal(response(proof, tree.grants.certificate)).empty());
  Tree foreign;
  EXPECT_FALSE(refusal(response(proof, foreign.certify(pki::ProfileId::checkpoint_signer, foreign.control_ca, {},
                                                       log_key.public_key())))
                   .empty());
  auto second = crypto::PrivateKey::generate(crypto::KeyType::ed25519);
  EXPECT_FALSE(refusal(response(proof, tree.certify(pki::ProfileId::checkpoint_signer, tree.control_ca, {},
                                                    second.public_key())))
                   .empty());
}

TEST_F(LogWitnessTest, OfTwoCasOfOneNameTheOneThatCertifiedTheKeyCounts) {
  const auto next = tree.make_ca("control-ca", {});
  key_certificate = tree.certify(pki::ProfileId::checkpoint_signer, next, {}, log_key.public_key());
  EXPECT_FALSE(refusal(answer(leaf)).empty()) << "the gateway does not name it";
  cas = {tree.control_ca.certificate, next.certificate};
  EXPECT_TRUE(take(answer(leaf)).is_proven);
  key_certificate = tree.certify(pki::ProfileId::checkpoint_signer, tree.control_ca, {}, log_key.public_key());
  EXPECT_TRUE(take(answer(leaf)).is_proven) << "the one before it, too";
}

TEST_F(LogWitnessTest, EveryOctetOfAProofCounts) {
  const Bytes proof = *codec::decode_base64(answer(leaf).headers.get("Sallyport-Log-Proof"));
  for (std::size_t i = 0; i < proof.size(); i += 3) {
    Bytes altered = proof;
    altered[i] ^= 1U;
    EXPECT_FALSE(refusal(response(std::string(as_text(altered)), key_certificate)).empty()) << i;
  }
}

TEST_F(LogWitnessTest, ALogThatFellOrForkedIsAnAlarm) {
  ASSERT_TRUE(take(answer(leaf, 1, 5)).is_proven);
  ASSERT_TRUE(take(answer(leaf, 1, 5)).is_proven) << "the same again";
  EXPECT_EQ(refusal(answer(leaf, 1, 4)), "log: found 4 entries, it had 5 before");
  EXPECT_EQ(refusal(answer(leaf, 1, 5, 9)), "log: found another log of 5 entries than before");
  EXPECT_TRUE(take(answer(leaf, 1, 6)).is_proven);
}

}  // namespace
}  // namespace sallyport::agent
