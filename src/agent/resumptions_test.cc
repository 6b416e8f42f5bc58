#include "agent/resumptions.h"

#include <fstream>

#include "agent/detail/test_installation.h"
#include "keystore/file.h"

namespace sallyport::agent {
namespace {

const Bytes kLeaf = to_bytes("the certificate");

crypto::TlsResumption made_of(std::uint8_t filler) {
  return {.identity = Bytes(40, filler),
          .key = crypto::Psk::from(Bytes(crypto::kPskBytes, filler)).value(),
          .server_chain = {to_bytes("server"), to_bytes("its CA")}};
}

class ResumptionsTest : public ::testing::Test {
 protected:
  ResumptionsTest()
      : state(AgentState::initialise(folder / "state", testing::make_settings(), tree.root, random).value()) {}

  std::size_t offered(const Resumptions& from) const {
    const auto found = from.find(kLeaf);
    return found ? found->identity.front() : 0;
  }

  crypto::SystemRandom random;
  testing::Tree tree;
  testing::Folder folder;
  AgentState state;
};

TEST_F(ResumptionsTest, TheLastOneIsKeptOverARestart) {
  Resumptions first(state);
  EXPECT_EQ(offered(first), 0U);
  first.keep(kLeaf, made_of(1));
  first.keep(kLeaf, made_of(2));
  EXPECT_EQ(offered(first), 2U);
  const Resumptions again(state);
  const auto found = again.find(kLeaf);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->identity, Bytes(40, 2));
  EXPECT_TRUE(found->key.equals(Bytes(crypto::kPskBytes, 2)));
  EXPECT_EQ(found->server_chain, made_of(2).server_chain);
}

TEST_F(ResumptionsTest, ItIsOfferedWithItsCertificateAlone) {
  Resumptions kept(state);
  kept.keep(kLeaf, made_of(1));
  EXPECT_EQ(kept.find(to_bytes("a renewed certificate")), nullptr);
}

TEST_F(ResumptionsTest, WhatIsForgottenIsForgottenForGood) {
  Resumptions kept(state);
  kept.keep(kLeaf, made_of(1));
  kept.forget();
  EXPECT_EQ(offered(kept), 0U);
  EXPECT_EQ(offered(Resumptions(state)), 0U);
}

TEST_F(ResumptionsTest, ARelayThatIsNotReadyForgetsItAtTheFifthTime) {
  Resumptions kept(state);
  kept.keep(kLeaf, made_of(1));
  const Error away{.code = Errc::unavailable, .detail = "nobody there"};
  const Error alert{.code = Errc::malformed, .detail = "tlsv1 alert internal error"};
  for (std::size_t i = 1; i < kMaxResumptionFailures; ++i) kept.failed(alert);
  EXPECT_EQ(offered(kept), 1U);
  kept.worked();
  for (std::size_t i = 0; i < 3 * kMaxResumptionFailures; ++i) kept.failed(away);
  for (std::size_t i = 1; i < kMaxResumptionFailures; ++i) kept.failed(alert);
  EXPECT_EQ(offered(kept), 1U);
  kept.failed(alert);
  EXPECT_EQ(offered(kept), 0U);
}

TEST_F(ResumptionsTest, AResetForgetsIt) {
  Resumptions kept(state);
  kept.keep(kLeaf, made_of(1));
  ASSERT_TRUE(state.reset());
  EXPECT_EQ(offered(Resumptions(state)), 0U);
}

TEST_F(ResumptionsTest, AFileThatIsNoneOfOursIsNone) {
  const Bytes whole = [&] {
    Resumptions kept(state);
    kept.keep(kLeaf, made_of(1));
    return to_bytes(state.resumption().value().expose());
  }();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(parse_resumption(ByteView(whole).first(size)).error().code, Errc::malformed) << size;
  }
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_FALSE(parse_resumption(longer));
  ASSERT_TRUE(keystore::atomic_write_file(state.file("resumption"), longer, keystore::kSecretMode));
  EXPECT_EQ(offered(Resumptions(state)), 0U);
}

}  // namespace
}  // namespace sallyport::agent
