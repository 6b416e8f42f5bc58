#include "pki/caa.h"

#include <gtest/gtest.h>

namespace sallyport::pki {
namespace {

Bytes rdata(std::uint8_t flags, std::string_view tag, std::string_view value) {
  Bytes out{flags, static_cast<std::uint8_t>(tag.size())};
  append(out, as_bytes(tag));
  append(out, as_bytes(value));
  return out;
}

CaaRecord record(std::string_view tag, std::string_view value) {
  return parse_caa_record(rdata(0, tag, value)).value();
}

constexpr std::string_view kGood = "ca.example; accounturi=https://ca.example/acct/1; validationmethods=dns-01";

TEST(CaaRecord, IsReadAsRfc8659HasItAndShownAsInAZoneFile) {
  const auto read = parse_caa_record(rdata(128, "Issue", "ca.example; policy=ev"));
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->is_critical);
  EXPECT_EQ(read->text(), "128 issue \"ca.example; policy=ev\"");
  EXPECT_EQ(record("iodef", "mailto:\"a\"@example").text(), "0 iodef \"mailto:\\\"a\\\"@example\"");
}

TEST(CaaRecord, ThatIsNoneIsRefused) {
  const Bytes wrong[] = {{},
                         {0},
                         {0, 0},
                         {0, 5, 'i', 's'},
                         rdata(0, "is sue", "x"),
                         rdata(0, std::string(16, 'a'), "x"),
                         rdata(0, "issue", "\x01"),
                         rdata(0, "issue", "\xc3\xbc"),
                         rdata(0, "issue", std::string(kMaxCaaValue + 1, 'a'))};
  for (const Bytes& each : wrong) EXPECT_FALSE(parse_caa_record(each)) << as_text(each);
}

TEST(CaaIssuer, HasADomainAndParameters) {
  const auto read = parse_caa_issuer(" CA.Example ;AccountURI=https://ca.example/a=b ;; validationmethods=dns-01;");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->domain, "ca.example");
  ASSERT_EQ(read->parameters.size(), 2U);
  EXPECT_EQ(read->parameters[0].tag, "accounturi");
  EXPECT_EQ(read->parameters[0].value, "https://ca.example/a=b");
  EXPECT_EQ(parse_caa_issuer(";")->domain, "");
  EXPECT_EQ(parse_caa_issuer("")->domain, "");
}

TEST(CaaIssuer, ThatIsNoneIsRefused) {
  for (const char* wrong :
       {"ca example", "ca.example; x", "ca.example; =x", "ca.example; -a=x", "ca.example; a=b c", "ca_1"})
    EXPECT_FALSE(parse_caa_issuer(wrong)) << wrong;
  std::string many = "ca.example";
  for (std::size_t i = 0; i <= kMaxCaaParameters; ++i) many += ";a=b";
  EXPECT_FALSE(parse_caa_issuer(many));
}

TEST(CaaHoles, NobodyAndTheOneAccountByDnsAreNone) {
  for (const auto& account : {std::optional<std::string>(), std::optional<std::string>("https://ca.example/acct/1")}) {
    EXPECT_TRUE(find_caa_holes(std::array{record("issue", ";")}, account).empty());
    EXPECT_TRUE(find_caa_holes(std::array{record("issue", kGood)}, account).empty());
    EXPECT_TRUE(
        find_caa_holes(std::array{record("issue", kGood), record("issuewild", ";"), record("iodef", "x")}, account)
            .empty());
    EXPECT_TRUE(find_caa_holes(std::array{record("issue", "not readable!")}, account).empty()) << "nobody may";
  }
}

TEST(CaaHoles, EachIsNamed) {
  const std::optional<std::string> account("https://ca.example/acct/1");
  const std::pair<std::vector<CaaRecord>, const char*> table[] = {
      {{}, "no record has the tag issue"},
      {{record("iodef", "mailto:a@example")}, "no record has the tag issue"},
      {{record("issuewild", ";")}, "no record has the tag issue"},
      {{record("issue", "ca.example")}, "has no accounturi"},
      {{record("issue", "ca.example; validationmethods=dns-01")}, "has no accounturi"},
      {{record("issue", "ca.example; accounturi=")}, "has an empty accounturi"},
      {{record("issue", "ca.example; accounturi=https://ca.example/acct/2; validationmethods=dns-01")},
       "is for the account"},
      {{record("issue", "ca.example; accounturi=https://ca.example/acct/1")}, "has no validationmethods"},
      {{record("issue", "ca.example; accounturi=https://ca.example/acct/1; validationmethods=dns-01,http-01")},
       "allows validation by dns-01,http-01"},
      {{record("issue", std::string(kGood) + "; accounturi=https://evil.example/1")}, "has accounturi more than once"},
      {{record("issue", kGood), record("issue", "other.example")}, "issue \"other.example\" has no accounturi"},
      {{record("issue", kGood), record("issuewild", "other.example")},
       "issuewild \"other.example\" has no accounturi"}};
  for (const auto& [records, wanted] : table) {
    const auto holes = find_caa_holes(records, account);
    ASSERT_EQ(holes.size(), 1U) << wanted;
    EXPECT_NE(holes.front().find(wanted), std::string::npos) << holes.front() << ", want " << wanted;
  }
}

}  // namespace
}  // namespace sallyport::pki
