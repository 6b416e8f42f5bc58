// The worked examples of docs/protocol/enrolment.md.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "agent/enrolment.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "pki/csr.h"
#include "pki/est.h"

namespace sallyport::agent {
namespace {

using Examples = std::map<std::string, std::string>;

// "name = value" of the fences called vectors; a line without a name goes on with the value before it.
Examples read_examples() {
  std::ifstream document(SALLYPORT_SOURCE_DIR "/docs/protocol/enrolment.md");
  EXPECT_TRUE(document);
  Examples out;
  std::string name;
  bool inside = false;
  for (std::string line; std::getline(document, line);) {
    if (line.starts_with("```")) {
      inside = line == "```vectors";
      continue;
    }
    if (!inside) continue;
    const std::size_t equals = line.find(" = ");
    if (equals != std::string::npos) name = line.substr(0, equals);
    out[name] += equals == std::string::npos ? line : line.substr(equals + 3);
  }
  return out;
}

TEST(EnrolmentDocument, ItsRequestIsOneOfOurs) {
  Examples examples = read_examples();
  const auto csr = pki::parse_csr(*codec::decode_hex(examples.at("request")));
  ASSERT_TRUE(csr) << csr.error().detail;
  EXPECT_EQ(codec::encode_hex(csr->public_key.spki()), examples.at("request.spki"));
  EXPECT_EQ(codec::encode_hex(crypto::sha256(csr->public_key.spki())), examples.at("request.fingerprint"));
  EXPECT_EQ(pki::encode_est_body(csr->der), examples.at("request.body"));
  EXPECT_EQ(*pki::decode_est_body(examples.at("request.body")), csr->der);
}

TEST(EnrolmentDocument, ItsAttributesAreOurs) {
  EXPECT_EQ(codec::encode_hex(pki::encode_csr_attributes()), read_examples().at("attributes"));
}

TEST(EnrolmentDocument, ItsClaimHashIsOurs) {
  Examples examples = read_examples();
  const auto name = parse_device_name(examples.at("claim.name"));
  ASSERT_TRUE(name);
  EXPECT_EQ(codec::encode_hex(claim_hash(*name, examples.at("claim.code"))), examples.at("claim.hash"));
}

TEST(EnrolmentDocument, ItsInstantOfRenewalIsOurs) {
  Examples examples = read_examples();
  const RenewalWindow window{*parse_iso8601(examples.at("window.start")), *parse_iso8601(examples.at("window.end"))};
  const pki::Validity validity{.not_before = window.start - 30 * kDay, .not_after = window.start + 60 * kDay};
  EXPECT_EQ(to_iso8601(renewal_time(validity, examples.at("claim.name"), window)), examples.at("window.instant"));
}

}  // namespace
}  // namespace sallyport::agent
