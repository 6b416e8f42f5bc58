#include "pki/certificate.h"

#include <gtest/gtest.h>

#include "pki/csr.h"
#include "pki/detail/name_constraints.h"
#include "pki/detail/names.h"
#include "pki/detail/test_vectors.h"
#include "pki/oids.h"

namespace sallyport::pki {
namespace {

std::string outcome_of(const auto& result) {
  return result ? "ok" : std::string(to_string(result.error().code));
}

TEST(Certificate, OthersCertificatesAreReadOrRefusedByRule) {
  for (const TestVector& vector : load_test_vectors("certificates.txt")) {
    SCOPED_TRACE(vector.name);
    const auto parsed = parse_certificate(vector.bytes("der"));
    EXPECT_EQ(outcome_of(parsed), vector.text("expect")) << (parsed ? "" : parsed.error().detail);
  }
}

TEST(Certificate, EveryFieldOfAForeignCertificateIsFound) {
  const auto vectors = load_test_vectors("certificates.txt");
  ASSERT_EQ(vectors[0].name, "cryptography p256");
  const auto parsed = parse_certificate(vectors[0].bytes("der"));
  ASSERT_TRUE(parsed);
  const Extensions& found = parsed->extensions();
  EXPECT_EQ(parsed->subject().common_name(), "maker");
  EXPECT_TRUE(parsed->is_self_issued());
  EXPECT_EQ(parsed->validity().not_before, *parse_iso8601("2026-06-01T12:00:00Z"));
  EXPECT_EQ(parsed->validity().not_after - parsed->validity().not_before, kDay * 90);
  EXPECT_TRUE(found.is_ca());
  EXPECT_EQ(found.basic_constraints->path_length, 1U);
  EXPECT_EQ(found.key_usage, kDigitalSignature | kKeyEncipherment | kKeyCertSign | kCrlSign);
  EXPECT_TRUE(found.has_extended_key_usage(oid::eku_server_auth));
  EXPECT_EQ(found.alternative_names->dns, (std::vector<std::string>{"a.example", "*.b.example"}));
  EXPECT_EQ(found.alternative_names->uri, std::vector<std::string>{"https://c.example/x"});
  EXPECT_EQ(found.alternative_names->email, std::vector<std::string>{"d@e.example"});
  EXPECT_EQ(found.name_constraints->permitted.dns, std::vector<std::string>{"example"});
  EXPECT_EQ(found.name_constraints->excluded.dns, std::vector<std::string>{"bad.example"});
  EXPECT_EQ(found.crl_urls, std::vector<std::string>{"http://crl.example/1"});
  EXPECT_EQ(found.ocsp_urls, std::vector<std::string>{"http://ocsp.example"});
  EXPECT_EQ(found.ca_issuer_urls, std::vector<std::string>{"http://ca.example"});
  EXPECT_EQ(found.policies, std::vector<Oid>{Oid::of("1.2.3.4")});
  EXPECT_TRUE(found.ocsp_no_check);
  EXPECT_EQ(found.subject_key_id->size(), 20U);
  EXPECT_TRUE(parsed->public_key().verify(parsed->signature_scheme(), parsed->tbs(), parsed->signature()));
}

TEST(Certificate, NoPrefixOfASoundOneParses) {
  const Bytes der = load_test_vectors("certificates.txt")[0].bytes("der");
  for (std::size_t size = 0; size < der.size(); ++size) {
    EXPECT_FALSE(parse_certificate(ByteView(der).first(size))) << size;
  }
}

TEST(Certificate, AKeyThatIsKnownExcusesNothingElse) {
  const auto other = crypto::PrivateKey::generate().public_key();
  for (const TestVector& vector : load_test_vectors("certificates.txt")) {
    SCOPED_TRACE(vector.name);
    const auto alone = parse_certificate(vector.bytes("der"));
    const auto with_other = parse_certificate_of(other, vector.bytes("der"));
    EXPECT_EQ(outcome_of(with_other), vector.text("expect"));
    if (!alone || !with_other) continue;
    EXPECT_EQ(with_other->public_key(), alone->public_key()) << "the certificate's, not the one that was given";
    const auto with_own = parse_certificate_of(alone->public_key(), vector.bytes("der"));
    ASSERT_TRUE(with_own);
    EXPECT_EQ(with_own->public_key(), alone->public_key());
  }
}

TEST(Certificate, PemHoldsWhatWasWrittenAndNothingIsRefused) {
  const auto first = parse_certificate(load_test_vectors("certificates.txt")[0].bytes("der"));
  const std::array pair = {*first, *first};
  const std::string pem = encode_certificates_pem(pair);
  EXPECT_EQ(parse_certificates_pem(pem)->size(), 2U);
  EXPECT_EQ(parse_certificates_pem(pem, 1).error().code, Errc::overloaded);
  EXPECT_FALSE(parse_certificates_pem(""));
  EXPECT_FALSE(parse_certificates_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
}

TEST(Csr, OthersRequestsAreReadOrRefusedByRule) {
  for (const TestVector& vector : load_test_vectors("csr.txt")) {
    SCOPED_TRACE(vector.name);
    const auto parsed = parse_csr(vector.bytes("der"));
    EXPECT_EQ(outcome_of(parsed), vector.text("expect")) << (parsed ? "" : parsed.error().detail);
  }
}

TEST(Csr, OursIsReadBackWithItsNames) {
  auto key = crypto::PrivateKey::generate();
  const std::vector<std::string> names = {"a.example", "*.a.example"};
  const auto der = build_csr(key, *DistinguishedName::of("unit-1", "Example"), names);
  ASSERT_TRUE(der);
  const auto parsed = parse_csr(*der);
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(parsed->public_key, key.public_key());
  EXPECT_EQ(parsed->subject.common_name(), "unit-1");
  EXPECT_EQ(parsed->dns_names, names);
  const std::vector<std::string> hostile = {"a..example"};
  EXPECT_FALSE(build_csr(key, *DistinguishedName::of("unit-1"), hostile));
}

TEST(SerialNumber, DrawnOnesHaveTheFormThatIsDemanded) {
  SeededRandom random(1);
  for (int i = 0; i < 1'000; ++i) {
    const SerialNumber serial = SerialNumber::draw(random);
    EXPECT_TRUE(serial.is_drawn_form());
    EXPECT_EQ(SerialNumber::parse_hex(serial.hex()), serial);
  }
  EXPECT_FALSE(SerialNumber().is_drawn_form());
}

TEST(SerialNumber, OrderIsThatOfTheNumbers) {
  EXPECT_LT(*SerialNumber::parse_hex("7f"), *SerialNumber::parse_hex("0080"));
  EXPECT_LT(*SerialNumber::parse_hex("0080"), *SerialNumber::parse_hex("0081"));
  EXPECT_LT(*SerialNumber::parse_hex("00ff"), *SerialNumber::parse_hex("0100"));
  for (const char* bad : {"", "00", "80", "ff01", "0001", "00ffffffffffffffffffffffffffffffffffffffff"}) {
    EXPECT_FALSE(SerialNumber::parse_hex(bad)) << bad;
  }
}

TEST(DistinguishedName, HostileTextIsRefusedInOursAndDefusedInOthers) {
  for (const std::string& bad :
       {std::string(), std::string("a\nb"), std::string("a\0b", 3), std::string("\xff"), std::string(65, 'a')}) {
    EXPECT_FALSE(DistinguishedName::of(bad));
  }
  EXPECT_TRUE(DistinguishedName::of(std::string(64, 'a')));
  const Bytes hostile = *codec::decode_hex("300d310b300906035504030c020a1b");
  EXPECT_EQ(DistinguishedName::parse(hostile)->common_name(), "??");
  EXPECT_TRUE(DistinguishedName().empty());
}

TEST(Names, ConstraintsCoverWildcardsBothWays) {
  using detail::is_covered, detail::may_overlap, detail::matches_host;
  EXPECT_TRUE(is_covered("a.example", "example"));
  EXPECT_TRUE(is_covered("example", "example"));
  EXPECT_TRUE(is_covered("*.example", "example"));
  EXPECT_TRUE(is_covered("a.example", ""));
  EXPECT_FALSE(is_covered("*.example", "a.example"));
  EXPECT_FALSE(is_covered("badexample", "example"));
  EXPECT_TRUE(may_overlap("*.example", "a.example"));
  EXPECT_TRUE(may_overlap("*.a.example", "example"));
  EXPECT_FALSE(may_overlap("*.a.example", "b.example"));
  EXPECT_TRUE(matches_host("*.example", "a.example"));
  EXPECT_FALSE(matches_host("*.example", "a.b.example"));
  EXPECT_FALSE(matches_host("*.example", "example"));
  EXPECT_FALSE(matches_host("*.example", ".example"));
}

}  // namespace
}  // namespace sallyport::pki
