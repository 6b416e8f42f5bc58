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
    auto showing = login.show("CONNECT", "relay.example:443");
    EXPECT_TRUE(showing) << showing.error().detail;
    shown = *std::move(showing);
    return std::string(as_text(shown.line.expose()));
  }
  // A request that shows nothing and is asked for a login by `field`.
  void be_asked(ProxyLogin& login, std::string_view field) {
    EXPECT_EQ(show(login), "");
    EXPECT_EQ(refused(login, {field}, 1), "");
  }
  // A connection that is let through by a login that was asked for by `field`.
  void log_in(ProxyLogin& login, std::string_view field) {
    be_asked(login, field);
    static_cast<void>(show(login));
    login.take_success(shown);
  }
  // Empty: it is worth asking again.
  std::string refused(ProxyLogin& login, std::initializer_list<std::string_view> fields, unsigned requests) {
    std::vector<AuthChallenge> challenges;
    for (const std::string_view field : fields) read_challenges(field, challenges);
    const auto again = login.take_challenges(challenges, shown, requests);
    return again ? "" : again.error().detail;
  }

  SeededRandom random{7};
  ShownLogin shown;  // last
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

std::string_view part(std::string_view said, std::string_view name) {
  const std::size_t at = said.find(name);
  return at == std::string_view::npos ? "" : said.substr(at, said.find_first_of(",\r", at) - at);
}

TEST_F(ProxyLoginTest, CountsTheUsesOfEachNonce) {
  ProxyLogin login(aladdin(), LoginRule::any, random);
  be_asked(login, kDigest);
  const std::string first = show(login), second = show(login);
  EXPECT_EQ(part(first, "uri="), "uri=\"relay.example:443\"");
  EXPECT_EQ(part(first, "nc="), "nc=00000001");
  EXPECT_EQ(part(second, "nc="), "nc=00000002");
  ASSERT_EQ(refused(login, {kStaleDigest}, 1), "");
  const std::string third = show(login);
  EXPECT_EQ(part(third, "nonce="), "nonce=\"n3\"");
  EXPECT_EQ(part(third, "nc="), "nc=00000001");
  // The proxy goes back to a nonce that another connection of ours has had.
  ASSERT_EQ(refused(login, {std::string(kDigest) + ", stale=true"}, 1), "");
  const std::string fourth = show(login);
  EXPECT_EQ(part(fourth, "nc="), "nc=00000003");
  // "-sess": the key is of the first nonce that we drew.
  EXPECT_EQ(part(first, "cnonce="), part(fourth, "cnonce="));
  EXPECT_NE(part(first, "cnonce="), part(third, "cnonce="));
}

TEST_F(ProxyLoginTest, CountsAsManyNoncesAsItPromises) {
  ProxyLogin login(aladdin(), LoginRule::any, random);
  for (std::size_t i = 0; i < 3 * kMaxProxyNonces; ++i) {
    static_cast<void>(show(login));
    ASSERT_EQ(refused(login, {fmt::format("Digest realm=r, qop=auth, nonce=n{}, stale=true", i)}, 1), "");
  }
  EXPECT_EQ(part(show(login), "nc="), "nc=00000001");
}

TEST_F(ProxyLoginTest, AsksAgainWhereTheNonceAloneIsWrong) {
  ProxyLogin login(aladdin(), LoginRule::any, random);
  log_in(login, kDigest);
  // Of the next connection; the proxy was started anew and knows no nonce of before.
  static_cast<void>(show(login));
  EXPECT_EQ(refused(login, {kLaterDigest}, 1), "");
  for (unsigned requests = 2; requests < kMaxProxyRequests; ++requests) {
    static_cast<void>(show(login));
    EXPECT_EQ(refused(login, {kStaleDigest}, requests), "");
  }
  static_cast<void>(show(login));
  EXPECT_EQ(refused(login, {kStaleDigest}, kMaxProxyRequests),
            "asks for another login each time: its nonces end too soon");
  EXPECT_NE(show(login), "");
}

TEST_F(ProxyLoginTest, ShowsAWrongPasswordOnceWhereSeveralConnectionsAreMade) {
  ProxyLogin login(aladdin(), LoginRule::any, random);
  be_asked(login, kDigest);
  static_cast<void>(show(login));  // one whose answer is under way
  EXPECT_NE(show(login), "");
  EXPECT_EQ(refused(login, {kLaterDigest}, 1), "refused user name or password");
}

TEST_F(ProxyLoginTest, ShowsAPasswordThatWasChangedAtTheProxyTwice) {
  ProxyLogin login(aladdin(), LoginRule::any, random);
  log_in(login, kDigest);
  static_cast<void>(show(login));
  EXPECT_EQ(refused(login, {kLaterDigest}, 1), "");  // it may be the nonce
  static_cast<void>(show(login));
  EXPECT_EQ(refused(login, {kLaterDigest}, 2), "refused user name or password");
}

TEST_F(ProxyLoginTest, ShowsBasicUnaskedWhereThatIsWanted) {
  ProxyLogin login(aladdin(), LoginRule::basic_at_once, random);
  EXPECT_NE(show(login).find("Basic "), std::string::npos);
  EXPECT_EQ(refused(login, {kBasic}, 1), "refused user name or password");
  EXPECT_NE(show(login).find("Basic "), std::string::npos);
  EXPECT_EQ(refused(login, {kDigest}, 1), "");
  EXPECT_NE(show(login).find("Digest "), std::string::npos);
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
  be_asked(login, kBasic);
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
    EXPECT_EQ(refused(*login, {"Digest realm=r, nonce=n"}, 1),
              "wants a login by digest; digest: found no qop \"auth\"; want one that takes Basic or Digest, or an "
              "exception without a login");
  }
}

TEST_F(ProxyLoginTest, ShowsBasicToAProxyThatNamesNoScheme) {
  ProxyLogin nobody(nullptr, LoginRule::any, random), somebody(aladdin(), LoginRule::any, random),
      careful(aladdin(), LoginRule::digest_alone, random);
  EXPECT_EQ(refused(nobody, {}, 1), "wants a user name and password");
  EXPECT_EQ(refused(somebody, {}, 1), "");
  EXPECT_NE(show(somebody).find("Basic "), std::string::npos);
  EXPECT_NE(refused(careful, {}, 1), "");
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
