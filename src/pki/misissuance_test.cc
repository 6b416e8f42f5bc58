#include "pki/misissuance.h"

#include <gtest/gtest.h>

#include "pki/detail/algorithm.h"
#include "pki/detail/test_tree.h"

namespace sallyport::pki {
namespace {

// Two factories of one installation. The second one's key signs whatever a test likes.
class MisissuanceTest : public testing::Test {
 protected:
  TestTree tree;
  TestCa honest = tree.make_ca(ProfileId::local_ca);
  TestCa other = tree.make_ca(ProfileId::local_ca);
  TestCa online = tree.make_ca(ProfileId::online_ca);
  std::vector<Certificate> site_cas{honest.certificate};

  TestLeaf device(const TestCa& ca, const std::string& id = "unit-1") {
    return tree.make_leaf(ProfileId::factory_device, ca, {id + ".site-7.factory.devices.example"}, id);
  }
  static Bytes der(const TestLeaf& leaf) { return to_bytes(leaf.certificate.der()); }
  // Replaces `from` inside the to-be-signed bytes and has `ca` sign what results.
  static Bytes forge(const TestLeaf& leaf, std::string_view from, std::string_view to, const TestCa& ca) {
    std::string tbs(as_text(leaf.certificate.tbs()));
    const std::size_t at = tbs.find(from);
    EXPECT_NE(at, std::string::npos);
    EXPECT_EQ(from.size(), to.size());
    tbs.replace(at, from.size(), to);
    const Bytes signature = *ca.key->sign(as_bytes(tbs));
    return detail::encode_signed(as_bytes(tbs), crypto::SignatureScheme::ecdsa_p256_sha256, signature);
  }
  std::optional<Misissuance> find(std::vector<Bytes> chain) const { return find_misissuance(chain, site_cas); }
};

TEST_F(MisissuanceTest, AnHonestDeviceIsNoProofWhateverItIsSentWith) {
  const TestLeaf leaf = device(honest);
  EXPECT_FALSE(find({der(leaf), der(honest)}));
  EXPECT_FALSE(find({der(device(other)), der(leaf)}));
  EXPECT_FALSE(find({Bytes(40, 0x30), der(leaf), der(honest)}));
  EXPECT_FALSE(find({}));
}

TEST_F(MisissuanceTest, AnotherNamespaceUnderTheSitesSignatureIsProof) {
  const auto found = find({forge(device(honest), "site-7.factory", "site-8.factory", honest)});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->site_ca, 0U);
  EXPECT_EQ(found->reason, Reason::alternative_names);
}

TEST_F(MisissuanceTest, WhatDoesNotParseIsProofOnceTheSiteSignedIt) {
  // The object identifier of the extended key usage loses its end: 2B 06 01 05 05 07 03 02 ends in a continued octet.
  const Bytes forged =
      forge(device(honest), "\x2B\x06\x01\x05\x05\x07\x03\x02", "\x2B\x06\x01\x05\x05\x07\x03\x82", honest);
  ASSERT_FALSE(parse_certificate(forged));
  const auto found = find({forged});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->reason, Reason::malformed);
}

TEST_F(MisissuanceTest, NobodyElseCanBringASiteIntoSuspicion) {
  const TestLeaf leaf = device(honest);
  EXPECT_FALSE(find({forge(leaf, "site-7.factory", "site-8.factory", other)})) << "signed by another key";
  Bytes altered = der(leaf);
  altered[altered.size() / 2] ^= 1U;
  EXPECT_FALSE(find({altered})) << "altered after the signature";
  site_cas = {other.certificate};
  EXPECT_FALSE(find({forge(leaf, "site-7.factory", "site-8.factory", honest)})) << "a site that is none of ours";
}

TEST_F(MisissuanceTest, TheSiteAmongSeveralIsNamed) {
  site_cas = {other.certificate, honest.certificate};
  const auto found = find({forge(device(honest), "site-7.factory", "site-8.factory", honest)});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->site_ca, 1U);
}

}  // namespace
}  // namespace sallyport::pki
