#include "pki/root_chain.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "pki/detail/test_tree.h"
#include "pki/ocsp.h"
#include "pki/verify.h"

namespace sallyport::pki {
namespace {

using Roots = std::vector<Certificate>;
const TimeRule kRule = TimeRule::clock(kTestNow);

// Three roots of one owner, each pinning the next, and the links between them.
struct Generations {
  TestTree third{3};
  TestTree second{2, third.root.spki_sha256()};
  TestTree first{1, second.root.spki_sha256()};
  Certificate second_link = link(first, second);
  Certificate third_link = link(second, third);

  // `next`'s key under `before`, pinning what `next` pins.
  static Certificate link(TestTree& before, const TestTree& next,
                          std::optional<std::optional<crypto::Sha256Digest>> pins = std::nullopt) {
    const Profile& row = profile(ProfileId::root_link);
    auto fields = before.fields(row, &before.root, ca_common_name("root", "test"), next.root_key->public_key(), {});
    fields.next_root_key = pins.value_or(next.root.extensions().next_root_key);
    return TestTree::must(prepare(row, fields, before.root, before.now), *before.root_key);
  }
};

TEST(RootChain, APinnedLinkBringsTheNewRootBesideTheOldOne) {
  Generations g;
  EXPECT_EQ(follow_root_links(Roots{g.first.root}, Roots{g.second_link, g.second.root, g.first.root}, kRule),
            (Roots{g.second.root, g.first.root}));
}

TEST(RootChain, StockOfAnyAgeFollowsSeveralLinksAtOnceInAnyOrder) {
  Generations g;
  Roots shown{g.third_link, g.third.root, g.second.root, g.second_link};
  std::ranges::sort(shown, {}, [](const Certificate& each) { return to_bytes(each.der()); });
  do {
    EXPECT_EQ(follow_root_links(Roots{g.first.root}, shown, kRule), (Roots{g.third.root, g.second.root}));
  } while (
      std::ranges::next_permutation(shown, {}, [](const Certificate& each) { return to_bytes(each.der()); }).found);
}

TEST(RootChain, WhatTheInstallationHasRetiredIsNotTrustedAnyMore) {
  Generations g;
  EXPECT_EQ(follow_root_links(Roots{g.second.root, g.first.root}, Roots{g.second_link, g.second.root}, kRule),
            Roots{g.second.root});
}

TEST(RootChain, NobodyLeadsBackToAnOlderRoot) {
  Generations g;
  const Roots trusted{g.second.root, g.first.root};
  EXPECT_EQ(follow_root_links(trusted, Roots{g.first.root}, kRule), trusted);
  EXPECT_EQ(follow_root_links(trusted, Roots{}, kRule), trusted);
  EXPECT_EQ(follow_root_links(Roots{g.second.root}, Roots{g.first.root}, kRule), Roots{g.second.root});
}

TEST(RootChain, ALinkWithoutTheRootItselfChangesNothing) {
  Generations g;
  EXPECT_EQ(follow_root_links(Roots{g.first.root}, Roots{g.second_link}, kRule), Roots{g.first.root});
  EXPECT_EQ(follow_root_links(Roots{g.first.root}, Roots{g.second.root}, kRule), Roots{g.first.root});
  EXPECT_EQ(follow_root_links(Roots{g.first.root}, Roots{g.third_link, g.third.root}, kRule), Roots{g.first.root});
}

TEST(RootChain, AKeyThatIsNotPinnedIsRefusedThoughTheOldRootSignedIt) {
  Generations g;
  TestTree attacker(9);
  TestTree careless(1, attacker.root.spki_sha256());
  // The old root's key signs a link that its certificate does not pin: made under a twin of it that pins another key.
  careless.root_key = g.first.root_key;
  Certificate twin = [&] {
    const Profile& row = profile(ProfileId::root);
    auto fields = careless.fields(row, nullptr, ca_common_name("root", "test"), g.first.root_key->public_key(), {});
    fields.next_root_key = attacker.root.spki_sha256();
    return TestTree::must(prepare_self_signed(row, fields, kTestNow), *g.first.root_key);
  }();
  careless.root = twin;
  const Certificate link = Generations::link(careless, attacker);
  EXPECT_EQ(follow_root_links(Roots{g.first.root}, Roots{link, attacker.root}, kRule), Roots{g.first.root});
  EXPECT_EQ(follow_root_links(Roots{g.first.root}, Roots{twin, link, attacker.root}, kRule), Roots{g.first.root});
}

TEST(RootChain, ALinkThatSomebodyElseSignedIsRefused) {
  Generations g;
  TestTree attacker(9, g.second.root.spki_sha256());
  const Certificate link = Generations::link(attacker, g.second);
  EXPECT_EQ(follow_root_links(Roots{g.first.root}, Roots{link, attacker.root, g.second.root}, kRule),
            Roots{g.first.root});
}

TEST(RootChain, AnotherRootOfThePinnedNameIsRefused) {
  Generations g;
  TestTree attacker(9);
  EXPECT_EQ(follow_root_links(Roots{g.first.root}, Roots{g.second_link, attacker.root}, kRule), Roots{g.first.root});
}

TEST(RootChain, ARootThatPinsAnotherSuccessorThanItsLinkIsRefused) {
  Generations g;
  const Certificate link = Generations::link(g.first, g.second, crypto::Sha256Digest{7});
  EXPECT_EQ(follow_root_links(Roots{g.first.root}, Roots{link, g.second.root}, kRule), Roots{g.first.root});
  const Certificate unpinned = Generations::link(g.first, g.second, std::optional<crypto::Sha256Digest>());
  EXPECT_EQ(follow_root_links(Roots{g.first.root}, Roots{unpinned, g.second.root}, kRule), Roots{g.first.root});
}

TEST(RootChain, AnOlderPinDoesNotLeadOverTheHeadOfTheNewerRoot) {
  Generations g;
  // Who trusts the second root is shown a link under the first: true, and of no use.
  EXPECT_EQ(follow_root_links(Roots{g.second.root}, Roots{g.second_link, g.second.root, g.first.root}, kRule),
            Roots{g.second.root});
}

TEST(RootChain, AnExpiredOrFutureLinkIsRefused) {
  Generations g;
  const UnixTime late = g.second_link.validity().not_after + seconds(1);
  const UnixTime early = g.second_link.validity().not_before - seconds(1);
  for (const UnixTime at : {late, early}) {
    EXPECT_EQ(follow_root_links(Roots{g.first.root}, Roots{g.second_link, g.second.root}, TimeRule::clock(at)),
              Roots{g.first.root});
  }
  // Without a clock what had not ended by the floor may be right.
  EXPECT_EQ(follow_root_links(Roots{g.first.root}, Roots{g.second_link, g.second.root}, TimeRule::floor(early)),
            Roots{g.second.root});
  EXPECT_EQ(follow_root_links(Roots{g.first.root}, Roots{g.second_link, g.second.root}, TimeRule::floor(late)),
            Roots{g.first.root});
}

TEST(RootChain, ACaThatPretendsToBeALinkIsRefused) {
  Generations g;
  const TestCa ca = g.first.make_ca(ProfileId::control_ca);
  EXPECT_FALSE(is_root_link(ca.certificate));
  EXPECT_FALSE(is_root_link(g.first.root));
  EXPECT_TRUE(is_root_link(g.second_link));
  EXPECT_EQ(follow_root_links(Roots{g.first.root}, Roots{ca.certificate, g.second.root}, kRule), Roots{g.first.root});
}

TEST(RootChain, MoreThanMayBeLookedAtIsNotLookedAt) {
  Generations g;
  Roots shown(kMaxPoolCertificates, g.second_link);
  shown.push_back(g.second.root);
  EXPECT_EQ(follow_root_links(Roots{g.first.root}, shown, kRule), Roots{g.first.root});
}

TEST(RootChain, ACaUnderTheNewRootMayOutlastTheLinkToIt) {
  Generations g;
  g.second.now = kTestNow + 20 * 365 * kDay;
  const TestCa ca = g.second.make_ca(ProfileId::server_ca);
  const TestLeaf leaf = g.second.make_leaf(ProfileId::server, ca, {"console.example"});
  ASSERT_LT(kTestNow + 21 * 365 * kDay, g.second_link.validity().not_after);
  const std::array chain = {leaf.certificate, ca.certificate, g.second_link};
  const std::array anchors = {g.first.root};
  const auto verified =
      verify_chain(chain, anchors, ServerPurpose{*parse_dns_name("console.example")}, TimeRule::clock(g.second.now));
  EXPECT_TRUE(verified) << verified.error().error.detail;
}

TEST(RootChain, EveryRootsCrlJudgesTheCasBelowItAlone) {
  Generations g;
  const auto crl_of = [](TestTree& tree, std::vector<SerialNumber> listed) {
    CrlFields fields{.number = 1,
                     .this_update = kTestNow,
                     .next_update = kTestNow + 90 * kDay,
                     .delta_base = std::nullopt,
                     .entries = {}};
    for (const auto& serial : listed)
      fields.entries.push_back({.serial = serial, .reason = {}, .revoked_at = kTestNow});
    return *parse_crl(*build_crl(tree.root, std::move(fields), *tree.root_key));
  };
  const TestCa old_ca = g.first.make_ca(ProfileId::server_ca);
  const TestCa new_ca = g.second.make_ca(ProfileId::server_ca);
  const Roots anchors{g.second.root, g.first.root};
  const auto judge = [&](TestTree& tree, const TestCa& ca, std::vector<Crl> crls) {
    const TestLeaf leaf = tree.make_leaf(ProfileId::server, ca, {"console.example"});
    const std::array chain = {leaf.certificate, ca.certificate};
    const auto verified = verify_root_crls(crls, anchors, kRule);
    return verify_chain(chain, anchors, ServerPurpose{*parse_dns_name("console.example")}, kRule, verified);
  };
  const Crl first = crl_of(g.first, {});
  const Crl second = crl_of(g.second, {});
  EXPECT_TRUE(judge(g.first, old_ca, {first, second}));
  EXPECT_TRUE(judge(g.second, new_ca, {first, second}));
  EXPECT_EQ(judge(g.second, new_ca, {first}).error().reason, Reason::crl_unusable);
  EXPECT_EQ(judge(g.first, old_ca, {second}).error().reason, Reason::crl_unusable);
  EXPECT_EQ(judge(g.first, old_ca, {}).error().reason, Reason::crl_unusable);
  EXPECT_EQ(judge(g.first, old_ca, {crl_of(g.first, {old_ca.certificate.serial()}), second}).error().reason,
            Reason::ca_revoked);
  // A serial on the other root's list is another certificate's.
  EXPECT_TRUE(judge(g.first, old_ca, {first, crl_of(g.second, {old_ca.certificate.serial()})}));
  // A list that is nobody's whom we trust judges nothing.
  EXPECT_EQ(judge(g.second, new_ca, {first, crl_of(g.third, {})}).error().reason, Reason::crl_unusable);
}

// An answer of control-ca's delegate with what it tells of the roots.
Result<OcspResponse> tell(std::vector<RootCrlNumber> numbers) {
  TestTree tree;
  const TestCa ca = tree.make_ca(ProfileId::control_ca);
  const TestLeaf delegate = tree.make_leaf(ProfileId::ocsp_signer, ca, {});
  const OcspAnswer answer{
      .responses = {{.id = make_cert_id(CertIdHash::sha256, ca.certificate, SerialNumber::draw(tree.random)),
                     .status = GoodStatus{},
                     .this_update = kTestNow,
                     .next_update = kTestNow + hours(1),
                     .crl_number = 5,
                     .root_crl_numbers = std::move(numbers)}},
      .produced_at = kTestNow,
      .nonce = std::nullopt};
  TRY(const auto der, build_ocsp_response(answer, *delegate.key, &delegate.certificate));
  return parse_ocsp_response(der);
}

TEST(RootCrlNumbers, TravelBesideTheStandardsOne) {
  const std::vector<RootCrlNumber> numbers{{Bytes{1, 2}, 7}, {Bytes{3}, 1ULL << 40U}};
  const auto told = tell(numbers);
  ASSERT_TRUE(told) << told.error().detail;
  EXPECT_EQ(told->answer.responses[0].crl_number, 5U);
  EXPECT_EQ(told->answer.responses[0].root_crl_numbers, numbers);
  EXPECT_TRUE(tell({})->answer.responses[0].root_crl_numbers.empty());
}

TEST(RootCrlNumbers, ARootTwiceAndMoreRootsThanThereCanBeAreRefused) {
  EXPECT_EQ(tell({{Bytes{1}, 7}, {Bytes{1}, 8}}).error().code, Errc::malformed);
  std::vector<RootCrlNumber> many;
  for (std::uint8_t i = 0; i <= kMaxRootCrlNumbers; ++i) many.push_back({Bytes{i}, i});
  EXPECT_EQ(tell(many).error().code, Errc::malformed);
}

TEST(RootChain, DevicesAreShownTheNewestRootAndWhatTheirCasAreUnder) {
  Generations g;
  const Roots roots{g.third.root, g.second.root, g.first.root};
  const TestCa old_ca = g.first.make_ca(ProfileId::server_ca);
  const TestCa new_ca = g.third.make_ca(ProfileId::server_ca);
  EXPECT_EQ(select_shown_roots(roots, Roots{new_ca.certificate}), Roots{g.third.root});
  EXPECT_EQ(select_shown_roots(roots, Roots{new_ca.certificate, old_ca.certificate}),
            (Roots{g.third.root, g.first.root}));
  EXPECT_EQ(select_shown_roots(roots, Roots{}), Roots{g.third.root});
}

}  // namespace
}  // namespace sallyport::pki
