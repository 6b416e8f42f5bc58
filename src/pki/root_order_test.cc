#include "pki/root_order.h"

#include <gtest/gtest.h>

#include <array>

#include "codec/tlv.h"
#include "pki/detail/test_tree.h"
#include "pki/signed_object.h"

namespace sallyport::pki {
namespace {

class RootOrderTest : public testing::Test {
 protected:
  TestTree tree;
  TestCa server_ca = tree.make_ca(ProfileId::server_ca);
  RootOrder order{.number = 7,
                  .installation = "Acme",
                  .issued_at = kTestNow,
                  .ca = "server-ca",
                  .ca_key = server_ca.certificate.spki_sha256(),
                  .serial = SerialNumber::draw(tree.random),
                  .reason = RevocationReason::key_compromise};

  Bytes sealed() {
    auto out = seal_root_order(order, *tree.root_key, tree.root);
    EXPECT_TRUE(out) << out.error().detail;
    return *std::move(out);
  }
  std::string outcome(ByteView bytes) const {
    const std::array roots = {tree.root};
    const auto opened = open_root_order(bytes, roots);
    if (!opened) return std::string(to_string(opened.error().reason));
    EXPECT_EQ(opened->order(), order);
    return "ok";
  }
};

TEST_F(RootOrderTest, IsOpenedByWhoeverTrustsTheRoot) {
  EXPECT_EQ(outcome(sealed()), "ok");
  order.serial.reset();
  EXPECT_EQ(outcome(sealed()), "ok");
}

TEST_F(RootOrderTest, OfAnotherRootIsNone) {
  TestTree other(2);
  const auto foreign = seal_root_order(order, *other.root_key, other.root);
  ASSERT_TRUE(foreign);
  EXPECT_EQ(outcome(*foreign), "no_anchor");
  EXPECT_EQ(open_root_order(sealed(), {}).error().reason, Reason::no_anchor);
}

TEST_F(RootOrderTest, IsNotSignedByACa) {
  const auto refused = seal_root_order(order, *server_ca.key, tree.root);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::conflict);
  const auto by_ca = seal_root_order(order, *server_ca.key, server_ca.certificate);
  ASSERT_TRUE(by_ca);
  EXPECT_EQ(outcome(*by_ca), "no_anchor");
}

TEST_F(RootOrderTest, CannotBeShownUnderTheRootsCertificateByAnotherKey) {
  const Bytes payload = encode_root_order(order);
  const auto signature = server_ca.key->sign(codec::signing_input("root-order", payload));
  codec::TlvWriter writer;
  writer.bytes(1, tree.root.der()).bytes(2, payload).bytes(3, *signature);
  EXPECT_EQ(outcome(std::move(writer).take()), "bad_signature");
}

TEST_F(RootOrderTest, IsNoSignatureOfTheRootOverAnythingElse) {
  const Bytes payload = encode_root_order(order);
  for (const Bytes& input : {codec::signing_input("permit", payload), payload}) {
    const auto signature = tree.root_key->sign(input);
    codec::TlvWriter writer;
    writer.bytes(1, tree.root.der()).bytes(2, payload).bytes(3, *signature);
    EXPECT_EQ(outcome(std::move(writer).take()), "bad_signature");
  }
}

TEST_F(RootOrderTest, ASignedObjectOfControlCaIsNone) {
  const TestCa control = tree.make_ca(ProfileId::control_ca);
  const TestLeaf permits = tree.make_leaf(ProfileId::permit_signer, control, {});
  const std::array chain = {permits.certificate, control.certificate};
  const auto permit = seal_object(ControlKind::permit, encode_root_order(order), *permits.key, chain);
  ASSERT_TRUE(permit);
  EXPECT_EQ(outcome(*permit), "malformed") << "two certificates";
  const auto alone =
      seal_object(ControlKind::permit, encode_root_order(order), *permits.key, std::span(chain).first(1));
  ASSERT_TRUE(alone);
  EXPECT_EQ(outcome(*alone), "no_anchor");
}

TEST_F(RootOrderTest, NoByteCanBeChangedAndNoneLeftOut) {
  const Bytes whole = sealed();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    Bytes changed = whole;
    changed[i] = static_cast<std::uint8_t>(changed[i] ^ 0x20U);
    EXPECT_NE(outcome(changed), "ok") << i;
    EXPECT_EQ(outcome(ByteView(whole).first(i)), "malformed") << i;
  }
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_EQ(outcome(longer), "malformed");
  EXPECT_EQ(outcome(Bytes(kMaxRootOrderBytes + 1)), "malformed");
}

TEST_F(RootOrderTest, WithoutACertificateIsNone) {
  const Bytes payload = encode_root_order(order);
  const auto signature = tree.root_key->sign(codec::signing_input("root-order", payload));
  codec::TlvWriter writer;
  writer.bytes(2, payload).bytes(3, *signature);
  EXPECT_EQ(outcome(std::move(writer).take()), "no_anchor");
}

TEST_F(RootOrderTest, RefusesWhatCouldBeTakenBackAndWhatNamesNobody) {
  const RootOrder sound = order;
  const auto is_refused = [](const RootOrder& bad) {
    const auto parsed = parse_root_order(encode_root_order(bad));
    return !parsed && parsed.error().code == Errc::malformed;
  };
  const auto changed = [&](auto change) {
    RootOrder out = sound;
    change(out);
    return out;
  };
  EXPECT_FALSE(is_refused(sound));
  EXPECT_TRUE(is_refused(changed([](RootOrder& one) { one.number = 0; })));
  EXPECT_TRUE(is_refused(changed([](RootOrder& one) { one.installation.clear(); })));
  EXPECT_TRUE(is_refused(changed([](RootOrder& one) { one.installation = std::string(65, 'x'); })));
  EXPECT_TRUE(is_refused(changed([](RootOrder& one) { one.installation = "Ac\x1bme"; })));
  EXPECT_TRUE(is_refused(changed([](RootOrder& one) { one.ca.clear(); })));
  EXPECT_TRUE(is_refused(changed([](RootOrder& one) { one.reason = RevocationReason::certificate_hold; })));
  EXPECT_TRUE(is_refused(changed([](RootOrder& one) { one.reason = RevocationReason::remove_from_crl; })));
  EXPECT_TRUE(is_refused(changed([](RootOrder& one) { one.ca = std::string(2'000, 'x'); })));
  const RootOrder held = changed([](RootOrder& one) { one.reason = RevocationReason::certificate_hold; });
  EXPECT_FALSE(seal_root_order(held, *tree.root_key, tree.root));
}

}  // namespace
}  // namespace sallyport::pki
