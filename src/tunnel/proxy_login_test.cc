#include "tunnel/proxy_login.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace sallyport::tunnel {
namespace {

constexpr std::string_view kDigest = "Digest realm=plant, nonce=n1, qop=auth, algorithm=MD5";
constexpr std::string_view kLaterDigest = "Digest realm=plant, nonce=n2, qop=auth, algorithm=MD5";
constexpr std::string_view kStaleDigest = "Digest realm=plant, nonce=n3, qop=auth, algorithm=MD5, stale=true";
constexpr std::string_view kStrongDigest = "Digest realm=plant, nonce=s, qop=auth, algorithm=SHA-256";
constexpr std::string_view kBasic = "Basic realm=plant";

std::shared_ptr<const ProxyCredentials> aladdin() {
  return std::make_shared<const ProxyCredentials>(
      ProxyCredentials{.user = "Aladdin", .password = SecretBytes(std::string_view("open sesame"))});
}

class ProxyLoginTest : public ::testing::Test {
 protected:
  // What the next request shows.
  std::string show(ProxyLogin& login) {
    auto shown = login.show("CONNECT", "relay.example:443");
    EXPECT_TRUE(shown) << shown.error().detail;
    scheme = shown->scheme;
    return std::string(as_text(shown->line.expose()));
  }
  // Empty: it is worth asking again.
  std::string refused(ProxyLogin& login, std::initializer_list<std::string_view> fields, unsigned requests) {
    std::vector<AuthChallenge> challenges;
    for (const std::string_view field : fields) read_challenges(field, challenges);
    const auto again = login.take_challenges(challenges, scheme, requests);
    return again ? "" : again.error().detail;
  }

  SeededRandom random{7};
  LoginScheme scheme = LoginScheme::none;
};

TEST_F(ProxyLoginTest, ShowsNothingUntilItIsAskedThenBasic) {
  ProxyLogin login(aladdin(), LoginRule::any, random);
  EXPECT_EQ(show(login), "");
  EXPECT_EQ(refused(login, {kBasic}, 1), "");
  // RFC 7617 §2
  EXPECT_EQ(show(login), "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n");
  // It is remembered for the next connection.
  EXPECT_EQ(show(login), "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n");
}

TEST_F(ProxyLoginTest, TakesTheStrongestThatIsOffered) {
  const struct {
    std::initializer_list<std::string_view> fields;
    std::string_view want;
  } cases[] = {
      {{kBasic, kDigest, kStrongDigest}, "algorithm=SHA-256"},
      {{kStrongDigest, kDigest, kBasic}, "algorithm=SHA-256"},
      {{kDigest, kBasic}, "algorithm=MD5"},
      {{"Digest realm=plant, nonce=n, qop=auth, algorithm=SHA3", kBasic}, "Basic "},
      {{"NTLM", "Negotiate", kBasic}, "Basic "},
  };
  for (const auto& one : cases) {
    ProxyLogin login(aladdin(), LoginRule::any, random);
    static_cast<void>(show(login));
    EXPECT_EQ(refused(login, one.fields, 1), "");
    const std::string said = show(login);
    EXPECT_NE(said.find(one.want), std::string::npos) << said;
    EXPECT_EQ(said.find("sesame"), std::string::npos);
  }
}

TEST_F(ProxyLoginTest, CountsTheUsesOfANonce) {
  ProxyLogin login(aladdin(), LoginRule::any, random);
  static_cast<void>(show(login));
  EXPECT_EQ(refused(login, {kDigest}, 1), "");
  const std::string first = show(login), second = show(login);
  EXPECT_NE(first.find("uri=\"relay.example:443\""), std::string::npos) << first;
  EXPECT_NE(first.find("nc=00000001"), std::string::npos) << first;
  EXPECT_NE(second.find("nc=00000002"), std::string::npos) << second;
  const auto own_nonce = [](std::string_view said) { return said.substr(said.find("cnonce="), 40); };
  EXPECT_NE(own_nonce(first), own_nonce(second));
  EXPECT_EQ(refused(login, {kStaleDigest}, 1), "");
  const std::string third = show(login);
  EXPECT_NE(third.find("nonce=\"n3\""), std::string::npos) << third;
  EXPECT_NE(third.find("nc=00000001"), std::string::npos) << third;
}

TEST_F(ProxyLoginTest, AsksAgainWhereTheNonceAloneIsWrong) {
  ProxyLogin login(aladdin(), LoginRule::any, random);
  static_cast<void>(show(login));
  ASSERT_EQ(refused(login, {kDigest}, 1), "");
  static_cast<void>(show(login));
  // Of the next connection; the proxy was started anew and knows no nonce of before.
  static_cast<void>(show(login));
  EXPECT_EQ(refused(login, {kLaterDigest}, 1), "");
  static_cast<void>(show(login));
  EXPECT_EQ(refused(login, {kStaleDigest}, 2), "");
  static_cast<void>(show(login));
  EXPECT_EQ(refused(login, {kStaleDigest}, kMaxProxyRequests), "refused user name or password");
}

TEST_F(ProxyLoginTest, ShowsAWrongPasswordOnce) {
  for (const std::string_view field : {kBasic, kDigest}) {
    ProxyLogin login(aladdin(), LoginRule::any, random);
    for (int connection = 0; connection < 3; ++connection) {
      EXPECT_EQ(show(login), "") << field;
      ASSERT_EQ(refused(login, {field}, 1), "");
      EXPECT_NE(show(login), "");
      EXPECT_EQ(refused(login, {field}, 2), "refused user name or password");
    }
  }
}

TEST_F(ProxyLoginTest, GoesFromOneSchemeToAnother) {
  ProxyLogin login(aladdin(), LoginRule::any, random);
  static_cast<void>(show(login));
  ASSERT_EQ(refused(login, {kBasic}, 1), "");
  static_cast<void>(show(login));
  EXPECT_EQ(refused(login, {kDigest}, 2), "");
  EXPECT_NE(show(login).find("Digest "), std::string::npos);
}

TEST_F(ProxyLoginTest, NeverSaysThePasswordWhereThatIsForbidden) {
  ProxyLogin login(aladdin(), LoginRule::digest_alone, random);
  static_cast<void>(show(login));
  EXPECT_EQ(refused(login, {kBasic}, 1),
            "wants a login by basic; want one that takes Digest, which alone is allowed here, or an exception without "
            "a login");
  EXPECT_EQ(show(login), "");
  EXPECT_EQ(refused(login, {kBasic, kDigest}, 1), "");
  EXPECT_NE(show(login).find("Digest "), std::string::npos);
}

TEST_F(ProxyLoginTest, SaysWhatCannotBeAnswered) {
  ProxyLogin nobody(nullptr, LoginRule::any, random), somebody(aladdin(), LoginRule::any, random);
  EXPECT_EQ(show(nobody), "");
  EXPECT_EQ(refused(nobody, {kBasic}, 1), "wants a user name and password");
  EXPECT_EQ(refused(nobody, {kDigest}, 1), "wants a user name and password");
  for (ProxyLogin* login : {&nobody, &somebody}) {
    EXPECT_EQ(refused(*login, {"NTLM", "Negotiate, NTLM"}, 1),
              "wants a login by ntlm, negotiate; want one that takes Basic or Digest, or an exception without a login");
    EXPECT_EQ(refused(*login, {}, 1),
              "wants a login by no scheme that it names; want one that takes Basic or Digest, or an exception without "
              "a login");
    EXPECT_EQ(refused(*login, {"Digest realm=r, nonce=n"}, 1),
              "wants a login by digest; digest: found no qop \"auth\"; want one that takes Basic or Digest, or an "
              "exception without a login");
  }
}

TEST(ProxyCredentials, AreRefusedWhereTheyCannotBeSaid) {
  const std::pair<std::string, std::string> cases[] = {
      {"a:b", "c"}, {"a\r\nX: y", "c"}, {"a", "b\nc"}, {"a", std::string("b\0c", 3)}, {"a\x7F", "c"}};
  for (const auto& [user, password] : cases) {
    const ProxyCredentials credentials{.user = user, .password = SecretBytes(std::string_view(password))};
    EXPECT_EQ(check_proxy_credentials(credentials).error().code, Errc::malformed);
  }
}

}  // namespace
}  // namespace sallyport::tunnel
