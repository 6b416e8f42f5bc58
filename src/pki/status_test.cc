// CRL, OCSP and certs-only messages of other makers, and ours read back.
#include <gtest/gtest.h>

#include "pki/crl.h"
#include "pki/detail/test_tree.h"
#include "pki/detail/test_vectors.h"
#include "pki/est.h"
#include "pki/ocsp.h"
#include "pki/oids.h"
#include "pki/verify.h"

namespace sallyport::pki {
namespace {

std::string outcome_of_crl(const TestVector& vector) {
  const auto crl = parse_crl(vector.bytes("der"));
  if (!crl) return std::string(to_string(crl.error().code));
  constexpr std::uint64_t kLowest = 7;
  const auto ca = parse_certificate(vector.bytes("ca"));
  const auto verified = verify_crl(*crl, *ca, TimeRule::clock(*parse_iso8601(vector.text("now"))), kLowest);
  return verified ? "ok" : std::string(to_string(verified.error().reason));
}

TEST(Crl, OthersListsAreReadOrRefusedForTheirReason) {
  for (const TestVector& vector : load_test_vectors("crl.txt")) {
    SCOPED_TRACE(vector.name);
    EXPECT_EQ(outcome_of_crl(vector), vector.text("expect"));
  }
}

TEST(Crl, AForeignListIsSearchedBySerial) {
  const auto crl = parse_crl(load_test_vectors("crl.txt")[0].bytes("der"));
  ASSERT_TRUE(crl);
  EXPECT_EQ(crl->number(), 41U);
  ASSERT_EQ(crl->entries().size(), 3U);
  for (const char* listed : {"03", "09", "012c"}) {
    const RevokedEntry* entry = crl->find(*SerialNumber::parse_hex(listed));
    ASSERT_NE(entry, nullptr) << listed;
    EXPECT_EQ(entry->reason, RevocationReason::key_compromise);
  }
  for (const char* absent : {"01", "04", "0a", "012d"}) EXPECT_EQ(crl->find(*SerialNumber::parse_hex(absent)), nullptr);
}

TEST(Crl, OursHoldsWhatItWasBuiltFrom) {
  TestTree tree;
  const TestCa ca = tree.make_ca(ProfileId::server_ca);
  CrlFields fields{
      .number = 12, .this_update = kTestNow, .next_update = kTestNow + kDay, .delta_base = std::nullopt, .entries = {}};
  for (int i = 0; i < 500; ++i) {
    const auto reason = static_cast<RevocationReason>(i % 6);
    fields.entries.push_back(
        {.serial = SerialNumber::draw(tree.random), .reason = reason, .revoked_at = kTestNow - seconds(i)});
  }
  const auto der = build_crl(ca.certificate, fields, *ca.key);
  ASSERT_TRUE(der) << der.error().detail;
  const auto crl = parse_crl(*der);
  ASSERT_TRUE(crl) << crl.error().detail;
  EXPECT_TRUE(verify_crl(*crl, ca.certificate, TimeRule::clock(kTestNow), 12));
  EXPECT_EQ(verify_crl(*crl, ca.certificate, TimeRule::clock(kTestNow), 13).error().reason, Reason::crl_unusable);
  EXPECT_EQ(verify_crl(*crl, tree.root, TimeRule::clock(kTestNow)).error().reason, Reason::issuer_mismatch);
  for (const RevokedEntry& entry : fields.entries) {
    const RevokedEntry* found = crl->find(entry.serial);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->revoked_at, entry.revoked_at);
    EXPECT_EQ(found->reason, entry.reason);
  }
}

TEST(Crl, OfEachIssuerTheNewestIsChosen) {
  TestTree tree;
  const TestCa server = tree.make_ca(ProfileId::server_ca);
  const TestCa people = tree.make_ca(ProfileId::people_ca);
  const TestCa stranger = tree.make_ca(ProfileId::online_ca);
  const auto list = [](const TestCa& ca, std::uint64_t number, UnixTime from) {
    CrlFields fields{
        .number = number, .this_update = from, .next_update = from + kDay, .delta_base = std::nullopt, .entries = {}};
    return *parse_crl(*build_crl(ca.certificate, std::move(fields), *ca.key));
  };
  const std::array crls = {list(server, 7, kTestNow), list(stranger, 99, kTestNow), list(server, 9, kTestNow),
                           list(server, 8, kTestNow), list(server, 12, kTestNow - 2 * kDay)};
  const std::array issuers = {people.certificate, server.certificate};
  const auto in_date = newest_crls(issuers, crls, TimeRule::clock(kTestNow));
  ASSERT_EQ(in_date.size(), 2U);
  EXPECT_FALSE(in_date[0]);
  ASSERT_TRUE(in_date[1]);
  EXPECT_EQ(in_date[1]->number(), 9U);
  const auto of_any_time = newest_crls(issuers, crls, TimeRule::floor(UnixTime(0)));
  EXPECT_FALSE(of_any_time[0]);
  ASSERT_TRUE(of_any_time[1]);
  EXPECT_EQ(of_any_time[1]->number(), 12U);
}

TEST(Crl, WhatCannotBeASoundListIsNotBuilt) {
  TestTree tree;
  const TestCa ca = tree.make_ca(ProfileId::server_ca);
  const TestCa local = tree.make_ca(ProfileId::local_ca);
  const CrlFields sound{
      .number = 1, .this_update = kTestNow, .next_update = kTestNow + kDay, .delta_base = std::nullopt, .entries = {}};
  EXPECT_EQ(build_crl(ca.certificate, sound, *local.key).error().code, Errc::conflict);
  EXPECT_EQ(build_crl(local.certificate, sound, *local.key).error().code, Errc::unauthorized);
  CrlFields twice = sound;
  twice.entries.assign(2, {.serial = SerialNumber::draw(tree.random), .reason = {}, .revoked_at = kTestNow});
  EXPECT_EQ(build_crl(ca.certificate, twice, *ca.key).error().code, Errc::malformed);
  CrlFields reversed = sound;
  reversed.next_update = kTestNow;
  EXPECT_EQ(build_crl(ca.certificate, reversed, *ca.key).error().code, Errc::malformed);
}

TEST(Crl, ARevokedCaClosesEveryPathThroughIt) {
  TestTree tree;
  const TestCa ca = tree.make_ca(ProfileId::server_ca);
  const TestLeaf leaf = tree.make_leaf(ProfileId::server, ca, {"gateway.devices.example"});
  const std::array chain = {leaf.certificate, ca.certificate};
  const std::array anchors = {tree.root};
  const Purpose purpose = ServerPurpose{*parse_dns_name("gateway.devices.example")};
  const auto list = [&](std::vector<RevokedEntry> entries, std::optional<std::uint64_t> base = std::nullopt) {
    const CrlFields fields{.number = 1,
                           .this_update = kTestNow,
                           .next_update = kTestNow + kDay,
                           .delta_base = base,
                           .entries = std::move(entries)};
    return *verify_crl(*parse_crl(*build_crl(tree.root, fields, *tree.root_key)), tree.root, TimeRule::clock(kTestNow));
  };
  const TimeRule time = TimeRule::clock(kTestNow);
  const VerifiedCrl innocent = list({{.serial = leaf.certificate.serial(), .reason = {}, .revoked_at = kTestNow}});
  EXPECT_TRUE(verify_chain(chain, anchors, purpose, time, &innocent));
  const VerifiedCrl guilty =
      list({{.serial = ca.certificate.serial(), .reason = RevocationReason::ca_compromise, .revoked_at = kTestNow}});
  EXPECT_EQ(verify_chain(chain, anchors, purpose, time, &guilty).error().reason, Reason::ca_revoked);
  const VerifiedCrl delta = list({}, 0);
  EXPECT_EQ(verify_chain(chain, anchors, purpose, time, &delta).error().reason, Reason::crl_unusable);
  TestTree other(99);
  const CrlFields fields{
      .number = 1, .this_update = kTestNow, .next_update = kTestNow + kDay, .delta_base = std::nullopt, .entries = {}};
  const auto foreign = verify_crl(*parse_crl(*build_crl(other.root, fields, *other.root_key)), other.root, time);
  EXPECT_EQ(verify_chain(chain, anchors, purpose, time, &*foreign).error().reason, Reason::crl_unusable);
}

std::string outcome_of_request(const TestVector& vector) {
  const auto request = parse_ocsp_request(vector.bytes("der"));
  if (!request) return std::string(to_string(request.error().code));
  EXPECT_EQ(request->ids.size(), 1U);
  EXPECT_EQ(request->ids[0].serial.hex(), vector.text("serial"));
  if (vector.name.starts_with("openssl") || vector.name.starts_with("cryptography")) {
    const auto ca = parse_certificate(vector.bytes("ca"));
    EXPECT_EQ(request->ids[0], make_cert_id(request->ids[0].hash, *ca, request->ids[0].serial));
  }
  const std::string hash = request->ids[0].hash == CertIdHash::sha1 ? "sha1" : "sha256";
  return request->nonce ? hash + " nonce" : hash;
}

TEST(OcspRequest, OthersRequestsAreReadOrRefusedByRule) {
  for (const TestVector& vector : load_test_vectors("ocsp_request.txt")) {
    SCOPED_TRACE(vector.name);
    EXPECT_EQ(outcome_of_request(vector), vector.text("expect"));
  }
}

TEST(OcspRequest, OursIsReadBack) {
  TestTree tree;
  const TestCa ca = tree.make_ca(ProfileId::server_ca);
  for (const CertIdHash hash : {CertIdHash::sha1, CertIdHash::sha256}) {
    const OcspRequest request{.ids = {make_cert_id(hash, ca.certificate, SerialNumber::draw(tree.random))},
                              .nonce = Bytes(32, 7)};
    const auto parsed = parse_ocsp_request(encode_ocsp_request(request));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->ids, request.ids);
    EXPECT_EQ(parsed->nonce, request.nonce);
  }
}

std::string outcome_of_response(const TestVector& vector) {
  const auto response = parse_ocsp_response(vector.bytes("der"));
  if (!response) return std::string(to_string(response.error().code));
  OcspExpectation expected{.issuer = *parse_certificate(vector.bytes("ca")),
                           .serial = *SerialNumber::parse_hex(vector.text("serial")),
                           .nonce = std::nullopt,
                           .signer_not_before_at_least = UnixTime(0),
                           .crl_number_at_least = std::stoul(vector.text("crl_number")),
                           .known_delegate = std::nullopt,
                           .foreign = vector.text("foreign") == "yes"};
  if (vector.text("nonce") != "none") expected.nonce = vector.bytes("nonce");
  if (vector.text("known") != "none") expected.known_delegate = *parse_certificate(vector.bytes("known"));
  if (vector.text("ratchet") != "none") expected.signer_not_before_at_least = *parse_iso8601(vector.text("ratchet"));
  const UnixTime now = *parse_iso8601(vector.text("now"));
  const TimeRule time = vector.text("clock") == "floor" ? TimeRule::floor(now) : TimeRule::clock(now);
  const auto good = check_ocsp_response(*response, expected, time);
  return good ? "ok" : std::string(to_string(good.error().reason));
}

TEST(OcspResponse, EveryHostileAnswerIsRefusedForItsReason) {
  for (const TestVector& vector : load_test_vectors("ocsp_response.txt")) {
    SCOPED_TRACE(vector.name);
    EXPECT_EQ(outcome_of_response(vector), vector.text("expect"));
  }
}

TEST(OcspResponse, OursSaysToAClientWhatTheResponderSaid) {
  TestTree tree;
  const TestCa ca = tree.make_ca(ProfileId::control_ca);
  const TestLeaf delegate = tree.make_leaf(ProfileId::ocsp_signer, ca, {});
  const SerialNumber serial = SerialNumber::draw(tree.random);
  const OcspExpectation expected{.issuer = ca.certificate,
                                 .serial = serial,
                                 .nonce = Bytes(32, 1),
                                 .signer_not_before_at_least = UnixTime(0),
                                 .crl_number_at_least = 4,
                                 .known_delegate = std::nullopt};
  const auto answer_with = [&](CertificateStatus status) {
    const OcspAnswer answer{.responses = {{.id = make_cert_id(CertIdHash::sha1, ca.certificate, serial),
                                           .status = status,
                                           .this_update = kTestNow,
                                           .next_update = kTestNow + hours(1),
                                           .crl_number = 5}},
                            .produced_at = kTestNow,
                            .nonce = Bytes(32, 1)};
    return *parse_ocsp_response(*build_ocsp_response(answer, *delegate.key, &delegate.certificate));
  };
  const TimeRule time = TimeRule::clock(kTestNow);
  const auto good = check_ocsp_response(answer_with(GoodStatus{}), expected, time);
  ASSERT_TRUE(good) << good.error().error.detail;
  EXPECT_EQ(good->response().crl_number, 5U);
  EXPECT_EQ(good->signer_not_before(), delegate.certificate.validity().not_before);
  const RevokedStatus revoked{.at = kTestNow, .reason = RevocationReason::key_compromise};
  const OcspResponse told = answer_with(revoked);
  EXPECT_EQ(std::get<RevokedStatus>(told.answer.responses[0].status), revoked);
  EXPECT_EQ(check_ocsp_response(told, expected, time).error().reason, Reason::status_revoked);
  const auto held =
      check_ocsp_response(answer_with(RevokedStatus{kTestNow, RevocationReason::certificate_hold}), expected, time);
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().reason, Reason::status_revoked);
  EXPECT_NE(held.error().error.detail.find("on hold"), std::string::npos) << "it may come back";
  EXPECT_EQ(check_ocsp_response(answer_with(UnknownStatus{}), expected, time).error().reason, Reason::status_unknown);
  EXPECT_EQ(parse_ocsp_response(encode_ocsp_error(OcspResponseStatus::try_later))->status,
            OcspResponseStatus::try_later);
  EXPECT_EQ(build_ocsp_response(told.answer, *ca.key, &delegate.certificate).error().code, Errc::conflict);
}

TEST(Est, OthersCertsOnlyMessagesAreReadOrRefusedByRule) {
  for (const TestVector& vector : load_test_vectors("est.txt")) {
    SCOPED_TRACE(vector.name);
    const auto parsed = parse_certs_only(vector.bytes("der"));
    EXPECT_EQ(parsed ? std::to_string(parsed->size()) : std::string(to_string(parsed.error().code)),
              vector.text("expect"))
        << (parsed ? "" : parsed.error().detail);
  }
}

TEST(Est, OursIsReadBackThroughItsTransferForm) {
  TestTree tree;
  const TestCa ca = tree.make_ca(ProfileId::server_ca);
  const std::array both = {tree.root, ca.certificate};
  const std::string body = encode_est_body(encode_certs_only(both));
  EXPECT_EQ(body.find_first_of("\r\n"), std::string::npos) << "strongSwan 5.9 reads no line feeds";
  const auto der = decode_est_body(body);
  ASSERT_TRUE(der);
  EXPECT_EQ(parse_certs_only(*der)->size(), 2U);
  EXPECT_TRUE(decode_est_body(" TU\r\nFD\t\n"));
  EXPECT_FALSE(decode_est_body("TU%FD"));
  EXPECT_EQ(decode_est_body(std::string(kMaxEstBody + 1, 'A')).error().code, Errc::overloaded);
}

}  // namespace
}  // namespace sallyport::pki
