#include "tunnel/auth_challenge.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

// "scheme(name=value,…) …"
std::string read(std::string_view field) {
  std::vector<AuthChallenge> found;
  read_challenges(field, found);
  std::string out;
  for (const AuthChallenge& one : found) {
    out += (out.empty() ? "" : " ") + one.scheme;
    std::string listed;
    for (const auto& [name, value] : one.parameters) listed += (listed.empty() ? "" : ",") + name + "=" + value;
    if (!listed.empty()) out += "(" + listed + ")";
  }
  return out;
}

TEST(AuthChallenge, IsReadInEverySpelling) {
  const struct {
    std::string_view field, want;
  } cases[] = {
      {"Basic realm=\"plant\"", "basic(realm=plant)"},
      {"BASIC Realm = plant", "basic(realm=plant)"},
      {"Negotiate", "negotiate"},
      {"Negotiate, NTLM , Basic realm=x", "negotiate ntlm basic(realm=x)"},
      {"NTLM TlRMTVNTUAACAAAA==, Basic realm=\"a, b\"", "ntlm basic(realm=a, b)"},
      {"Negotiate abc/+-.~=", "negotiate"},
      {", ,Basic ,, realm=x,", "basic(realm=x)"},
      {"Digest realm=\"a \\\"b\\\" \\\\\", qop=\"auth, auth-int\", nonce=\"x=,y\"",
       "digest(realm=a \"b\" \\,qop=auth, auth-int,nonce=x=,y)"},
      // RFC 9110 §11.6.1
      {"Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\", Basic realm=\"simple\"",
       "newauth(realm=apps,type=1,title=Login to \"apps\") basic(realm=simple)"},
      {"", ""},
      {" , ", ""},
  };
  for (const auto& one : cases) EXPECT_EQ(read(one.field), one.want) << one.field;
}

TEST(AuthChallenge, IsReadUpToAFault) {
  const struct {
    std::string_view field, want;
  } cases[] = {
      {"Basic realm=My Proxy, Digest realm=x", "basic(realm=My)"},
      {"Basic realm=\"never ends, Digest realm=x", "basic"},
      {"Basic realm=\"ends in a \\", "basic"},
      {"Basic realm=, Digest", "basic digest"},
      {"realm=\"nobody's\", Basic", ""},
      {"Basic \"realm\"", "basic"},
      {"\"Basic\"", ""},
  };
  for (const auto& one : cases) EXPECT_EQ(read(one.field), one.want) << one.field;
}

TEST(AuthChallenge, HasLimits) {
  std::string challenges, parameters = "Digest ";
  for (std::size_t i = 0; i < 2 * kMaxAuthChallenges; ++i) challenges += "A,";
  for (std::size_t i = 0; i < 2 * kMaxAuthParameters; ++i) parameters += "a=b,";
  std::vector<AuthChallenge> found;
  read_challenges(challenges, found);
  read_challenges(challenges, found);
  EXPECT_EQ(found.size(), kMaxAuthChallenges);
  found.clear();
  read_challenges(parameters, found);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().parameters.size(), kMaxAuthParameters);
}

TEST(AuthChallenge, FindsTheFirstOfAName) {
  std::vector<AuthChallenge> found;
  read_challenges("Digest Realm=a, realm=b", found);
  ASSERT_EQ(found.size(), 1U);
  ASSERT_NE(found.front().find("realm"), nullptr);
  EXPECT_EQ(*found.front().find("realm"), "a");
  EXPECT_EQ(found.front().find("nonce"), nullptr);
}

}  // namespace
}  // namespace sallyport::tunnel
