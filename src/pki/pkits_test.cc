// The Public Key Interoperability Test Suite of NIST (PKITS 1.0.1): its certificates and CRLs come from Debian's
// python3-cryptography-vectors; what each test wants is tests/vectors/pki/pkits.txt, from the suite's document.
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "pki/detail/test_vectors.h"
#include "pki/path.h"

namespace sallyport::pki {
namespace {

const std::filesystem::path kData = "/usr/lib/python3/dist-packages/cryptography_vectors/x509/PKITS_data";

Bytes read_all(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream) << path << ": tools/packages.sh install test";
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), std::istream_iterator<std::string>()};
}

// The objects of one test. What our parser refuses is left out, as a verifier must that cannot use it.
struct Objects {
  std::optional<Certificate> leaf;
  std::vector<Certificate> others;
  std::vector<Certificate> anchors;
  std::vector<Crl> crls;
  std::string unread;
};

std::optional<Certificate> read_certificate(const std::string& name, Objects& out) {
  auto parsed = parse_certificate(read_all(kData / "certs" / (name + ".crt")));
  if (parsed) return *std::move(parsed);
  out.unread += name + ": " + parsed.error().detail + "\n";
  return std::nullopt;
}

Objects objects_of(const TestVector& vector) {
  Objects out;
  out.anchors = {*read_certificate("TrustAnchorRootCertificate", out)};
  std::vector<std::string> names = words_of(vector.text("certificates"));
  out.leaf = read_certificate(names.back(), out);
  names.pop_back();
  for (const std::string& name : names) {
    if (auto certificate = read_certificate(name, out)) out.others.push_back(*std::move(certificate));
  }
  for (const std::string& name : words_of(vector.text("crls"))) {
    auto crl = parse_foreign_crl(read_all(kData / "crls" / (name + ".crl")));
    if (crl) {
      out.crls.push_back(*std::move(crl));
    } else {
      out.unread += name + ": " + crl.error().detail + "\n";
    }
  }
  return out;
}

PathRules rules_of(const TestVector& vector) {
  PathRules rules{.time = TimeRule::clock(*parse_iso8601("2026-06-01T12:00:00Z")),
                  .leaf_may_be_ca = true,
                  .revocation = RevocationRule::required};
  for (const std::string& setting : words_of(vector.has("settings") ? vector.text("settings") : "")) {
    rules.policies.explicit_required |= setting == "explicit";
    rules.policies.inhibit_any |= setting == "inhibit-any";
    rules.policies.inhibit_mapping |= setting == "inhibit-mapping";
    if (setting.starts_with("2.16")) rules.policies.accepted.push_back(Oid::of(setting));
  }
  return rules;
}

TEST(Pkits, EveryPathIsJudgedAsTheSuiteWants) {
  if (!std::filesystem::exists(kData)) GTEST_SKIP() << "python3-cryptography-vectors is not installed";
  std::size_t exceptions = 0;
  for (const TestVector& vector : load_test_vectors("pkits.txt")) {
    SCOPED_TRACE(vector.name);
    const Objects objects = objects_of(vector);
    std::string found = "refused";
    std::string why = objects.unread;
    std::string reason = "malformed";
    if (objects.leaf) {
      const PathSource source{.others = objects.others, .anchors = objects.anchors, .crls = objects.crls};
      const auto path = verify_path(*objects.leaf, source, rules_of(vector));
      if (path) found = "valid";
      if (!path) {
        why += path.error().error.detail;
        reason = to_string(path.error().reason);
      }
    }
    if (vector.has("exception")) {
      ++exceptions;
      EXPECT_EQ(found, "refused") << "the exception is not needed: " << vector.text("exception");
      EXPECT_EQ(vector.text("expect"), "valid") << "only what is stricter may be an exception";
      continue;
    }
    EXPECT_EQ(found, vector.text("expect")) << why;
    if (vector.has("reason")) EXPECT_EQ(reason, vector.text("reason")) << why;
  }
  EXPECT_LE(exceptions, 8U);
}

}  // namespace
}  // namespace sallyport::pki
