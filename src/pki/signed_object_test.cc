#include "pki/signed_object.h"

#include <gtest/gtest.h>

#include "codec/tlv.h"
#include "pki/detail/test_tree.h"
#include "pki/signing_request.h"

namespace sallyport::pki {
namespace {

class SignedObject : public testing::Test {
 protected:
  TestTree tree;
  TestCa ca = tree.make_ca(ProfileId::control_ca);
  TestLeaf grants = tree.make_leaf(ProfileId::grant_signer, ca, {});
  TestLeaf permits = tree.make_leaf(ProfileId::permit_signer, ca, {});
  Bytes payload = to_bytes("payload");

  Bytes sealed(ControlKind kind, const TestLeaf& signer) {
    const std::array chain = {signer.certificate, ca.certificate};
    auto out = seal_object(kind, payload, *signer.key, chain);
    EXPECT_TRUE(out) << out.error().detail;
    return *std::move(out);
  }
  std::string outcome(ControlKind kind, ByteView bytes, UnixTime now = kTestNow) {
    const std::array anchors = {tree.root};
    const auto opened = open_object(kind, bytes, anchors, TimeRule::clock(now));
    if (!opened) return std::string(to_string(opened.error().reason));
    EXPECT_TRUE(equal(opened->payload(), payload));
    return "ok";
  }
};

TEST_F(SignedObject, OpensForItsKindAlone) {
  const Bytes grant = sealed(ControlKind::grant, grants);
  EXPECT_EQ(outcome(ControlKind::grant, grant), "ok");
  for (const ControlKind other : {ControlKind::snapshot, ControlKind::permit, ControlKind::licence}) {
    EXPECT_EQ(outcome(other, grant), "extended_key_usage");
  }
  EXPECT_EQ(outcome(ControlKind::grant, grant, kTestNow + kDay * 31), "expired");
}

TEST_F(SignedObject, ASignerSealsNothingButItsKind) {
  const std::array chain = {grants.certificate, ca.certificate};
  EXPECT_EQ(seal_object(ControlKind::permit, payload, *grants.key, chain).error().code, Errc::unauthorized);
  EXPECT_EQ(seal_object(ControlKind::grant, payload, *permits.key, chain).error().code, Errc::conflict);
  EXPECT_EQ(seal_object(ControlKind::grant, payload, *grants.key, {}).error().code, Errc::malformed);
  EXPECT_EQ(seal_object(ControlKind::grant, Bytes(kMaxObjectPayload + 1), *grants.key, chain).error().code,
            Errc::overloaded);
}

TEST_F(SignedObject, ASignatureOfAnotherKindIsNone) {
  // The grant signer's key over the same payload in another domain.
  const auto signature = grants.key->sign(codec::signing_input("permit", payload));
  codec::TlvWriter writer;
  writer.bytes(1, grants.certificate.der()).bytes(1, ca.certificate.der()).bytes(2, payload).bytes(3, *signature);
  EXPECT_EQ(outcome(ControlKind::grant, std::move(writer).take()), "bad_signature");
}

TEST_F(SignedObject, NoByteCanBeChanged) {
  const Bytes grant = sealed(ControlKind::grant, grants);
  for (std::size_t i = 0; i < grant.size(); ++i) {
    Bytes changed = grant;
    changed[i] = static_cast<std::uint8_t>(changed[i] ^ 0x20U);
    EXPECT_NE(outcome(ControlKind::grant, changed), "ok") << i;
  }
  for (std::size_t size = 0; size < grant.size(); ++size) {
    EXPECT_EQ(outcome(ControlKind::grant, ByteView(grant).first(size)), "malformed") << size;
  }
}

TEST_F(SignedObject, ADeviceCertificateSignsNothing) {
  const TestCa online = tree.make_ca(ProfileId::online_ca);
  const TestLeaf device = tree.make_leaf(ProfileId::operational_device, online, {"abcdefghij.devices.example"});
  const auto signature = device.key->sign(codec::signing_input("grant", payload));
  codec::TlvWriter writer;
  writer.bytes(1, device.certificate.der()).bytes(1, online.certificate.der()).bytes(2, payload).bytes(3, *signature);
  EXPECT_EQ(outcome(ControlKind::grant, std::move(writer).take()), "extended_key_usage");
}

TEST(SigningRequest, WhatIsAskedArrives) {
  TestTree tree;
  const TestCa ca = tree.make_ca(ProfileId::server_ca);
  const Profile& row = profile(ProfileId::server);
  CertificateFields fields = tree.fields(row, &ca.certificate, "gateway", tree.root_key->public_key(),
                                         {"gateway.devices.example", "console.example"});
  fields.ocsp_urls = {"http://status.devices.example/ocsp"};
  fields.next_root_key = crypto::Sha256Digest{9};
  const Bytes issue_bytes =
      encode_signing_request(IssueCertificate{.ca = "server-ca", .profile = row.id, .fields = fields});
  const auto issue_request = parse_signing_request(issue_bytes);
  ASSERT_TRUE(issue_request) << issue_request.error().detail;
  const auto& asked = std::get<IssueCertificate>(*issue_request);
  EXPECT_EQ(asked.ca, "server-ca");
  EXPECT_EQ(asked.profile, ProfileId::server);
  EXPECT_EQ(asked.fields.dns_names, fields.dns_names);
  EXPECT_EQ(asked.fields.public_key, fields.public_key);
  EXPECT_EQ(asked.fields.validity, fields.validity);
  EXPECT_EQ(asked.fields.serial, fields.serial);
  EXPECT_EQ(asked.fields.ocsp_urls, fields.ocsp_urls);
  EXPECT_EQ(asked.fields.next_root_key, fields.next_root_key);
  EXPECT_EQ(encode_signing_request(*issue_request), issue_bytes);

  const SignCrl crl{
      .ca = "local-ca/site-7",
      .fields = {
          .number = 4,
          .this_update = kTestNow,
          .next_update = kTestNow + kDay,
          .delta_base = 2,
          .entries = {{.serial = fields.serial, .reason = RevocationReason::superseded, .revoked_at = kTestNow}}}};
  const auto crl_request = parse_signing_request(encode_signing_request(crl));
  ASSERT_TRUE(crl_request) << crl_request.error().detail;
  EXPECT_EQ(std::get<SignCrl>(*crl_request).fields.entries[0].reason, RevocationReason::superseded);
  EXPECT_EQ(std::get<SignCrl>(*crl_request).fields.delta_base, 2U);

  const auto object =
      parse_signing_request(encode_signing_request(SignObject{.kind = ControlKind::permit, .payload = Bytes(3, 1)}));
  ASSERT_TRUE(object);
  EXPECT_EQ(std::get<SignObject>(*object).payload, Bytes(3, 1));

  const auto head = parse_signing_request(
      encode_signing_request(SignCheckpoint{.size = 7, .root = {1}, .continues = 5, .proof = {{2}, {3}}}));
  ASSERT_TRUE(head) << head.error().detail;
  EXPECT_EQ(std::get<SignCheckpoint>(*head).continues, 5U);
  EXPECT_EQ(std::get<SignCheckpoint>(*head).proof, (std::vector<crypto::Sha256Digest>{{2}, {3}}));
}

TEST(SigningRequest, AnotherCaNameKindOrProfileIsRefused) {
  EXPECT_FALSE(parse_signing_request({}));
  const CrlFields fields{
      .number = 1, .this_update = kTestNow, .next_update = kTestNow + kDay, .delta_base = std::nullopt, .entries = {}};
  for (const char* name : {"", "x", "local-ca/..", "server-ca\n"}) {
    EXPECT_FALSE(parse_signing_request(encode_signing_request(SignCrl{.ca = name, .fields = fields}))) << name;
  }
  for (const unsigned kind : {0U, 5U, 255U}) {
    EXPECT_FALSE(parse_signing_request(
        encode_signing_request(SignObject{.kind = static_cast<ControlKind>(kind), .payload = {}})));
  }
  Bytes type = encode_signing_request(SignObject{.kind = ControlKind::grant, .payload = {}});
  type[5] = 9;
  EXPECT_FALSE(parse_signing_request(type));
  EXPECT_FALSE(parse_signing_request(
      encode_signing_request(SignCheckpoint{.proof = std::vector<crypto::Sha256Digest>(kMaxLogProofHashes + 1)})));
}

TEST(SigningRequest, AnswersArriveAndRefusalsAreDefused) {
  EXPECT_EQ(std::get<SignedCrl>(*parse_signing_answer(encode_signing_answer(SignedCrl{Bytes(2, 5)}))).der, Bytes(2, 5));
  const auto refused = parse_signing_answer(encode_signing_answer(Error{Errc::conflict, "line\n\xff"}));
  ASSERT_TRUE(refused);
  EXPECT_EQ(std::get<Error>(*refused).code, Errc::conflict);
  EXPECT_EQ(std::get<Error>(*refused).detail, "line??");
  EXPECT_EQ(std::get<LogPosition>(*parse_signing_answer(encode_signing_answer(LogPosition{9}))).size, 9U);
  EXPECT_FALSE(parse_signing_answer({}));
}

}  // namespace
}  // namespace sallyport::pki
