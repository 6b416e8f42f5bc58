#include "sealed/detail/noise.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace sallyport::sealed {
namespace {

struct NoisePair {
  explicit NoisePair(std::uint64_t seed) : random(seed), psk(random.array<32>()) {}
  AgreementKey draw() { return AgreementKey::generate(random); }
  SeededRandom random;
  Secret<32> psk;
  Bytes prologue = to_bytes("SR1 test");
};

void expect_same(const NoiseSecrets& a, const NoiseSecrets& b) {
  EXPECT_TRUE(a.to_responder.equals(b.to_responder.expose()));
  EXPECT_TRUE(a.to_initiator.equals(b.to_initiator.expose()));
  EXPECT_TRUE(a.chaining_key.equals(b.chaining_key.expose()));
  EXPECT_EQ(a.hash, b.hash);
  EXPECT_FALSE(a.to_responder.equals(a.to_initiator.expose()));
}

TEST(Noise, BothSidesOfNnPsk0AgreeAndReadWhatTheOtherSealed) {
  NoisePair pair(1);
  auto initiator = NoiseInitiator::nnpsk0(pair.prologue, pair.psk, pair.draw());
  const Bytes first = initiator.write(as_bytes("hello"));
  EXPECT_EQ(first.size(), 32U + 5U + 16U);
  auto responder = NoiseResponder::nnpsk0(pair.prologue, pair.psk, initiator.ephemeral());
  EXPECT_EQ(as_text(responder.read(ByteView(first).subspan(32)).value().expose()), "hello");
  ASSERT_TRUE(responder.agree(pair.draw()));
  const auto second = responder.write(as_bytes("world"));
  const auto finished = initiator.read(second.message);
  ASSERT_TRUE(finished);
  EXPECT_EQ(as_text(finished->payload.expose()), "world");
  expect_same(finished->secrets, second.secrets);
}

TEST(Noise, BothSidesOfNkAgree) {
  NoisePair pair(2);
  const AgreementKey fixed = pair.draw();
  auto initiator = NoiseInitiator::nk(pair.prologue, fixed.public_key(), pair.draw()).value();
  const crypto::Sha256Digest before = initiator.hash();
  const Bytes first = initiator.write(as_bytes("hello"));
  auto responder = NoiseResponder::nk(pair.prologue, fixed, initiator.ephemeral()).value();
  EXPECT_EQ(responder.hash(), before);
  EXPECT_TRUE(responder.es()->equals(initiator.es()->expose()));
  ASSERT_TRUE(responder.read(ByteView(first).subspan(32)));
  ASSERT_TRUE(responder.agree(pair.draw()));
  const auto second = responder.write({});
  const auto finished = initiator.read(second.message);
  ASSERT_TRUE(finished);
  expect_same(finished->secrets, second.secrets);
}

TEST(Noise, AnotherPrologueOrKeyDoesNotOpen) {
  NoisePair pair(3);
  auto initiator = NoiseInitiator::nnpsk0(pair.prologue, pair.psk, pair.draw());
  const Bytes first = initiator.write(as_bytes("hello"));
  const ByteView sealed = ByteView(first).subspan(32);
  EXPECT_FALSE(NoiseResponder::nnpsk0(as_bytes("other"), pair.psk, initiator.ephemeral()).read(sealed));
  const Secret<32> wrong(pair.random.array<32>());
  EXPECT_FALSE(NoiseResponder::nnpsk0(pair.prologue, wrong, initiator.ephemeral()).read(sealed));
  EXPECT_FALSE(NoiseResponder::nnpsk0(pair.prologue, pair.psk, pair.draw().public_key()).read(sealed));
  EXPECT_TRUE(NoiseResponder::nnpsk0(pair.prologue, pair.psk, initiator.ephemeral()).read(sealed));
}

TEST(Noise, AForgedSecondMessageDoesNotSpoilTheHandshake) {
  NoisePair pair(4);
  auto initiator = NoiseInitiator::nnpsk0(pair.prologue, pair.psk, pair.draw());
  const Bytes first = initiator.write({});
  auto responder = NoiseResponder::nnpsk0(pair.prologue, pair.psk, initiator.ephemeral());
  ASSERT_TRUE(responder.read(ByteView(first).subspan(32)));
  ASSERT_TRUE(responder.agree(pair.draw()));
  const Bytes second = responder.write(as_bytes("x")).message;
  for (std::size_t i = 0; i < second.size(); ++i) {
    Bytes forged = second;
    forged[i] ^= 0x01;
    EXPECT_FALSE(initiator.read(forged)) << i;
    EXPECT_FALSE(initiator.read(ByteView(second).first(i))) << i;
  }
  EXPECT_TRUE(initiator.read(second));
}

TEST(Noise, PublicKeysOfSmallOrderAreRefused) {
  NoisePair pair(5);
  const AgreementPublic zero{};
  AgreementPublic one{};
  one[0] = 1;
  const AgreementKey fixed = pair.draw();
  for (const AgreementPublic& small : {zero, one}) {
    EXPECT_FALSE(NoiseInitiator::nk(pair.prologue, small, pair.draw()));
    EXPECT_FALSE(NoiseResponder::nk(pair.prologue, fixed, small));
    auto responder = NoiseResponder::nnpsk0(pair.prologue, pair.psk, small);
    EXPECT_FALSE(responder.agree(pair.draw()));
    auto initiator = NoiseInitiator::nnpsk0(pair.prologue, pair.psk, pair.draw());
    initiator.write({});
    Bytes message(small.begin(), small.end());
    message.resize(48);
    EXPECT_FALSE(initiator.read(message));
  }
}

}  // namespace
}  // namespace sallyport::sealed
