// A device over a rollover of the root: what leads it to the new one, and what does not.
#include <gtest/gtest.h>

#include <fstream>

#include "agent/checked_stream.h"
#include "agent/detail/test_installation.h"
#include "keystore/file.h"
#include "net/io.h"

namespace sallyport::agent {
namespace {

using namespace testing;

using Roots = std::vector<pki::Certificate>;

Bytes key_id_of(const pki::Certificate& root) {
  return *root.extensions().subject_key_id;
}
std::string crl_file(const pki::Certificate& root) {
  return "root-" + codec::encode_hex(key_id_of(root)) + ".crl";
}

// A device that was made under the old root meets servers of the new one.
class RootRolloverTest : public ::testing::Test {
 protected:
  RootRolloverTest()
      : responder(next),
        plain(io, responder),
        tls(io),
        state(*AgentState::initialise(folder / "state", settings(), old.root, random)),
        clock(kNow),
        time(clock, false, kNow),
        way_out(state.settings(), random),
        check(state, time, random, way_out),
        dialer(state, time, check, way_out) {
    show({link, next.root, old.root});
    tls.start();
  }
  ~RootRolloverTest() override { io.stop(); }
  Settings settings() {
    Settings out = make_settings();
    out.relay_address = tls.address();
    out.http_address = plain.address();
    return out;
  }
  // The gateway's chain from now on: its own certificates and these.
  void show(const Roots& roots) { show(next, roots); }
  void show(Tree& tree, const Roots& roots) {
    crypto::TlsIdentity identity = Tree::identity(tree.gateway, tree.server_ca);
    for (const auto& each : roots) identity.chain.push_back(to_bytes(each.der()));
    tls.add(under("gateway", kZone), std::move(identity), [](net::StreamPtr stream) -> net::Task<void> {
      Bytes buffer(16);
      static_cast<void>(co_await stream->read_some(buffer, kSoon));
    });
  }
  net::Task<void> connect(ServerTarget target) { outcome.emplace(co_await dialer.connect(std::move(target))); }
  bool may_send() {
    outcome.reset();
    io.restart();
    net::run(io, connect({.server_name = under("gateway", kZone),
                          .certificate_name = under("gateway", kZone),
                          .alpn = "http/1.1",
                          .identity = Tree::identity(next.gateway, next.server_ca)}));
    return outcome && outcome->has_value();
  }
  std::string why() const { return outcome && !*outcome ? outcome->error().detail : std::string(); }
  Roots stored() const {
    Roots out;
    const auto pem = keystore::read_file(folder / "state" / "anchors.pem", 64U << 10U);
    if (!pem) return out;
    return *pki::parse_certificates_pem(as_text(*pem));
  }

  net::Io io;
  crypto::SystemRandom random;
  Tree after;
  Tree next{after.root.spki_sha256()};
  Tree old{next.root.spki_sha256()};
  pki::Certificate link = old.make_link(next);
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
  std::optional<Result<CheckedStream>> outcome;
};

TEST_F(RootRolloverTest, StockThatKnowsTheOldRootAloneComesHomeAndKeepsTheNewOne) {
  ASSERT_TRUE(may_send()) << why();
  EXPECT_EQ(state.anchors(), (Roots{next.root, old.root}));
  EXPECT_EQ(stored(), (Roots{next.root, old.root}));
  EXPECT_EQ(state.root(), old.root);
  EXPECT_EQ(state.ratchets().root_crl_numbers.at(key_id_of(next.root)), 1U);
  ASSERT_TRUE(state.root_crl());
  EXPECT_EQ(state.root_crl()->number(), 1U);
}

TEST_F(RootRolloverTest, WhatItKeptIsThereAfterARestartAndServesWithoutLinks) {
  ASSERT_TRUE(may_send()) << why();
  show({});
  EXPECT_TRUE(may_send()) << why();
  EXPECT_EQ(state.anchors(), (Roots{next.root, old.root}));
  {
    const auto gone = std::move(state);
  }
  auto again = AgentState::open(folder / "state");
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(again->anchors(), (Roots{next.root, old.root}));
  state = *std::move(again);
}

TEST_F(RootRolloverTest, AListOfTheOldRootAtHandDoesNotHinderIt) {
  const auto held = pki::verify_crl(old.make_crl(3, {}), old.root, pki::TimeRule::clock(kNow));
  ASSERT_TRUE(held);
  ASSERT_TRUE(state.store_root_crl(*held));
  ASSERT_TRUE(may_send()) << why();
  EXPECT_EQ(state.root_crls().size(), 2U);
}

TEST_F(RootRolloverTest, NothingIsKeptOfAServerWhoseStatusIsNotGood) {
  responder.revoked.insert(next.gateway.certificate.serial().hex());
  EXPECT_FALSE(may_send());
  EXPECT_EQ(state.anchors(), Roots{old.root});
  EXPECT_TRUE(stored().empty());
  responder.revoked.clear();
  responder.lie = Lie::unreachable;
  EXPECT_FALSE(may_send());
  EXPECT_TRUE(stored().empty());
}

TEST_F(RootRolloverTest, AnAttackersNewRootIsRefusedHoweverItIsLinked) {
  Tree attacker(next.root.spki_sha256());  // pins the root that ours pins
  Tree accomplice(attacker.root.spki_sha256());
  responder.root_crl = attacker.make_crl(9, {});
  for (const Roots& shown :
       {Roots{attacker.root}, Roots{link, attacker.root}, Roots{attacker.make_link(next), attacker.root, next.root},
        Roots{accomplice.make_link(attacker), attacker.root, old.root}}) {
    show(attacker, shown);
    EXPECT_FALSE(may_send());
    EXPECT_EQ(state.anchors(), Roots{old.root});
    EXPECT_TRUE(stored().empty());
  }
}

TEST_F(RootRolloverTest, AServerOfTheOldRootThatShowsTheNewOneAloneTakesNothingAway) {
  const pki::Certificate new_root = next.root;
  next = old;  // the status host as well is still the old root's
  responder.root_crl = old.make_crl(1, {});
  show(old, {link, new_root});
  EXPECT_TRUE(may_send()) << why();
  EXPECT_EQ(state.anchors(), Roots{old.root});
}

TEST_F(RootRolloverTest, WhatTheInstallationRetiresIsForgottenAndDoesNotComeBack) {
  ASSERT_TRUE(may_send()) << why();
  show({link, next.root});
  ASSERT_TRUE(may_send()) << why();
  EXPECT_EQ(stored(), Roots{next.root});
  show({link, next.root, old.root});
  ASSERT_TRUE(may_send()) << why();
  EXPECT_EQ(stored(), Roots{next.root});
  show(old, {old.root});
  EXPECT_FALSE(may_send());
}

TEST_F(RootRolloverTest, TheRootAboveItsOwnCredentialIsKeptWhateverIsHidden) {
  const auto key = state.operational().pending_key();
  ASSERT_TRUE(key);
  const pki::Certificate leaf =
      old.sign(pki::profile(pki::ProfileId::operational_device), &old.online_ca.certificate, *old.online_ca.key,
               kDevice.get(), key->public_key(), {under(kDevice.get(), kZone).get()}, {});
  ASSERT_TRUE(state.operational().store({leaf, old.online_ca.certificate}));
  ASSERT_TRUE(may_send()) << why();
  show({link, next.root});
  ASSERT_TRUE(may_send()) << why();
  EXPECT_EQ(stored(), (Roots{next.root, old.root}));
  const auto renewed = state.operational().pending_key();
  ASSERT_TRUE(renewed);
  const pki::Certificate below =
      next.sign(pki::profile(pki::ProfileId::operational_device), &next.online_ca.certificate, *next.online_ca.key,
                kDevice.get(), renewed->public_key(), {under(kDevice.get(), kZone).get()}, {});
  ASSERT_TRUE(state.operational().store({below, next.online_ca.certificate}));
  ASSERT_TRUE(may_send()) << why();
  EXPECT_EQ(stored(), Roots{next.root});
}

TEST_F(RootRolloverTest, AListThatCannotBeReadLeavesThePinnedRootFromWhichItIsFoundAgain) {
  ASSERT_TRUE(may_send()) << why();
  {
    const auto gone = std::move(state);
  }
  std::ofstream(folder / "state" / "anchors.pem") << "garbage";
  auto again = AgentState::open(folder / "state");
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(again->anchors(), Roots{old.root});
  state = *std::move(again);
  ASSERT_TRUE(may_send()) << why();
  EXPECT_EQ(stored(), (Roots{next.root, old.root}));
}

TEST_F(RootRolloverTest, AFolderIsTakenUpAgainWithEitherRootAndNoOther) {
  ASSERT_TRUE(may_send()) << why();
  const Settings same = state.settings();
  {
    const auto gone = std::move(state);
  }
  for (const auto& root : {old.root, next.root}) {
    EXPECT_TRUE(AgentState::initialise(folder / "state", same, root, random));
  }
  EXPECT_EQ(AgentState::initialise(folder / "state", same, after.root, random).error().code, Errc::conflict);
  state = *AgentState::open(folder / "state");
}

// In the overlap: server-ca is under the new root already, control-ca still under the old one.
class OverlapTest : public RootRolloverTest {
 protected:
  OverlapTest() {
    next.control_ca = old.control_ca;
    next.grants = old.grants;
    next.control_delegate = old.control_delegate;
    responder.root_crls.insert_or_assign(crl_file(next.root), next.make_crl(4, {}));
    responder.root_crls.insert_or_assign(crl_file(old.root), old.make_crl(7, {}));
    tell(4, 7);
  }
  void tell(std::uint64_t of_next, std::uint64_t of_old) {
    responder.told_crl = of_old;
    responder.told_crls = {{key_id_of(next.root), of_next}, {key_id_of(old.root), of_old}};
  }
};

TEST_F(OverlapTest, EveryRootsListIsAskedForAndRemembered) {
  ASSERT_TRUE(may_send()) << why();
  EXPECT_EQ(state.ratchets().root_crl_numbers.at(key_id_of(next.root)), 4U);
  EXPECT_EQ(state.ratchets().root_crl_numbers.at(key_id_of(old.root)), 7U);
  EXPECT_EQ(state.root_crls().size(), 2U);
}

TEST_F(OverlapTest, AReplayedListOfEitherRootIsFoundOut) {
  tell(5, 7);
  EXPECT_FALSE(may_send());
  tell(4, 8);
  EXPECT_FALSE(may_send());
  tell(4, 7);
  EXPECT_TRUE(may_send()) << why();
}

TEST_F(OverlapTest, ARootOfWhichControlCaTellsNothingIsNotBelieved) {
  responder.told_crls = {{key_id_of(old.root), 7}};
  EXPECT_FALSE(may_send());
  // The standard's extension alone speaks of control-ca's own root.
  responder.told_crls.clear();
  EXPECT_FALSE(may_send());
}

TEST_F(OverlapTest, NumbersOfNeitherRootMayFall) {
  ASSERT_TRUE(may_send()) << why();
  std::filesystem::remove(state.file(crl_file(old.root)));
  responder.root_crls.insert_or_assign(crl_file(old.root), old.make_crl(6, {}));
  tell(4, 6);
  EXPECT_FALSE(may_send());
}

TEST_F(OverlapTest, ACaOnItsOwnRootsListIsRefused) {
  responder.root_crls.insert_or_assign(crl_file(next.root), next.make_crl(5, {next.server_ca.certificate.serial()}));
  tell(5, 7);
  EXPECT_FALSE(may_send());
  responder.root_crls.insert_or_assign(crl_file(next.root), next.make_crl(6, {}));
  responder.root_crls.insert_or_assign(crl_file(old.root), old.make_crl(8, {old.control_ca.certificate.serial()}));
  tell(6, 8);
  EXPECT_FALSE(may_send());
}

}  // namespace
}  // namespace sallyport::agent
