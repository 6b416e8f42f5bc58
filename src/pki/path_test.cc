#include "pki/path.h"

#include <gtest/gtest.h>

#include "pki/detail/name_constraints.h"
#include "pki/detail/test_tree.h"
#include "pki/detail/test_vectors.h"
#include "pki/oids.h"

namespace sallyport::pki {
namespace {

PathRules rules_for(std::string_view host) {
  return {.time = TimeRule::clock(kTestNow),
          .extended_uses = {oid::eku_server_auth},
          .host = *parse_dns_name(host),
          .policies = {}};
}

TEST(VerifyPath, AWayIsFoundThroughEveryTangleThatHasOneAndNoneCostsMoreThanItMay) {
  for (const TestVector& vector : load_test_vectors("tangles.txt")) {
    SCOPED_TRACE(vector.name);
    const auto chain = read_certificates(vector.list("chain"));
    const auto anchors = read_certificates(vector.list("anchor"));
    const PathSource source{.others = std::span(chain).subspan(1), .anchors = anchors, .crls = {}};
    Work work;
    const auto path = verify_path(chain.front(), source, rules_for("www.shop.example"), &work);
    const std::string found = path ? "ok" : std::string(to_string(path.error().reason));
    EXPECT_EQ(found, vector.text("expect")) << (path ? "" : path.error().error.detail);
    EXPECT_LE(work.signatures, kMaxSignatureChecks + 1);
    EXPECT_LE(work.comparisons, kMaxNameComparisons + 1);
    EXPECT_LE(work.steps, kMaxPathSteps + 1);
    if (path) EXPECT_EQ(path->anchor(), anchors.front());
  }
}

TEST(VerifyPath, AnAnchorWithoutAPathOnlyPassesAsItself) {
  TestTree tree;
  const std::array anchors = {tree.root};
  PathRules rules{
      .time = TimeRule::clock(kTestNow), .extended_uses = {}, .leaf_may_be_ca = true, .host = {}, .policies = {}};
  const auto alone = verify_path(tree.root, {.others = {}, .anchors = anchors, .crls = {}}, rules);
  ASSERT_TRUE(alone) << alone.error().error.detail;
  EXPECT_EQ(alone->certificates().size(), 1U);
  EXPECT_EQ(verify_path(tree.root, {.others = {}, .anchors = {}, .crls = {}}, rules).error().reason, Reason::no_anchor);
  rules.leaf_may_be_ca = false;
  EXPECT_EQ(verify_path(tree.root, {.others = {}, .anchors = anchors, .crls = {}}, rules).error().reason,
            Reason::leaf_is_a_ca);
}

TEST(VerifyPath, RevocationIsAskedAsTheRuleSays) {
  TestTree tree;
  const TestCa ca = tree.make_ca(ProfileId::server_ca);
  const TestLeaf leaf = tree.make_leaf(ProfileId::server, ca, {"gateway.devices.example"});
  const std::array anchors = {tree.root};
  const std::array others = {ca.certificate};
  const auto list = [&](const TestCa& issuer, std::vector<RevokedEntry> entries) {
    const CrlFields fields{.number = 1,
                           .this_update = kTestNow - kDay,
                           .next_update = kTestNow + kDay,
                           .delta_base = {},
                           .entries = std::move(entries)};
    return *parse_foreign_crl(*build_crl(issuer.certificate, fields, *issuer.key));
  };
  const TestCa root{tree.root, tree.root_key};
  const auto reason = [&](RevocationRule rule, std::vector<Crl> crls) -> std::string {
    PathRules rules = rules_for("gateway.devices.example");
    rules.revocation = rule;
    const auto path = verify_path(leaf.certificate, {.others = others, .anchors = anchors, .crls = crls}, rules);
    return path ? "ok" : std::string(to_string(path.error().reason));
  };
  const RevokedEntry the_leaf{leaf.certificate.serial(), RevocationReason::key_compromise, kTestNow - kDay};
  const RevokedEntry the_ca{ca.certificate.serial(), RevocationReason::ca_compromise, kTestNow - kDay};
  using enum RevocationRule;
  EXPECT_EQ(reason(required, {list(root, {}), list(ca, {})}), "ok");
  EXPECT_EQ(reason(required, {list(ca, {})}), "status_unknown");
  EXPECT_EQ(reason(where_given, {list(ca, {})}), "ok");
  EXPECT_EQ(reason(where_given, {list(ca, {the_leaf})}), "status_revoked");
  EXPECT_EQ(reason(where_given, {list(root, {the_ca})}), "ca_revoked");
  EXPECT_EQ(reason(none, {list(ca, {the_leaf})}), "ok");
}

TEST(NameConstraints, MailboxesAreWithinWhatRfc5280Says) {
  using detail::is_mailbox_within;
  EXPECT_TRUE(is_mailbox_within("anna@A.example", "anna@a.example"));
  EXPECT_FALSE(is_mailbox_within("Anna@a.example", "anna@a.example"));
  EXPECT_TRUE(is_mailbox_within("anna@A.EXAMPLE", "a.example"));
  EXPECT_FALSE(is_mailbox_within("anna@b.a.example", "a.example"));
  EXPECT_TRUE(is_mailbox_within("anna@b.a.example", ".a.example"));
  EXPECT_FALSE(is_mailbox_within("anna@a.example", ".a.example"));
  EXPECT_TRUE(is_mailbox_within("anna@a.example", ""));
}

TEST(NameConstraints, OnlyAHostThatIsANameIsTakenOutOfAUri) {
  using detail::dns_host_of;
  EXPECT_EQ(dns_host_of("https://A.example/x?y#z"), "a.example");
  EXPECT_EQ(dns_host_of("https://user:pass@a.example:8443/"), "a.example");
  EXPECT_EQ(dns_host_of("https://evil.example@a.example"), "a.example");
  for (const char* none : {"urn:uuid:1", "mailto:anna@a.example", "https://10.0.0.1/", "https://[::1]/", "https:///x",
                           "https://a..example/", "x?://a.example"}) {
    EXPECT_EQ(dns_host_of(none), "") << none;
  }
}

TEST(DistinguishedName, NamesMatchByTheRulesOfRfc5280AndStayDifferentAsBytes) {
  const auto a = *DistinguishedName::of("Anna  Maker ", "Example");
  const auto b = *DistinguishedName::of("anna maker", "EXAMPLE");
  const auto c = *DistinguishedName::of("anna maker", "Example 2");
  EXPECT_TRUE(a.matches(b));
  EXPECT_FALSE(a == b);
  EXPECT_FALSE(a.matches(c));
  EXPECT_FALSE(a.matches(DistinguishedName()));
  EXPECT_EQ(b.text(), "O=EXAMPLE, CN=anna maker");
}

TEST(Reason, EachIsExplainedToOperatorsAndNoOther) {
  std::ifstream stream(std::string(SALLYPORT_SOURCE_DIR) + "/docs/operate/reasons.md");
  std::vector<std::string> explained;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("| `")) explained.push_back(line.substr(3, line.find('`', 3) - 3));
  }
  std::vector<std::string> known;
  for (std::size_t i = 0; i < kReasons; ++i) {
    known.emplace_back(to_string(static_cast<Reason>(i)));
    EXPECT_FALSE(in_words(static_cast<Reason>(i)).empty());
  }
  EXPECT_EQ(explained, known);
}

}  // namespace
}  // namespace sallyport::pki
