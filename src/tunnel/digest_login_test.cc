#include "tunnel/digest_login.h"

#include <gtest/gtest.h>

namespace sallyport::tunnel {
namespace {

Result<DigestChallenge> read_one(std::string_view field) {
  std::vector<AuthChallenge> found;
  read_challenges(field, found);
  EXPECT_EQ(found.size(), 1U) << field;
  return read_digest_challenge(found.at(0));
}

std::string answer(std::string_view field, std::string_view user, std::string_view password, const DigestUse& use) {
  const auto challenge = read_one(field);
  EXPECT_TRUE(challenge) << challenge.error().detail;
  const ProxyCredentials credentials{.user = std::string(user), .password = SecretBytes(password)};
  return encode_digest_answer(*challenge, credentials, use).value();
}

// RFC 7616 §3.9.1
TEST(DigestLogin, AnswersAsTheStandardDoes) {
  constexpr DigestUse kUse{.method = "GET",
                           .uri = "/dir/index.html",
                           .count = 1,
                           .own_nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"};
  constexpr std::string_view kRest =
      "qop=\"auth, auth-int\", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "
      "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
  const struct {
    std::string_view algorithm, response;
  } cases[] = {
      {"MD5", "8ca523f5e9506fed4657c9700eebdbec"},
      {"SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
  };
  for (const auto& one : cases) {
    const std::string field =
        fmt::format("Digest realm=\"http-auth@example.org\", {}, algorithm={}", kRest, one.algorithm);
    EXPECT_EQ(answer(field, "Mufasa", "Circle of Life", kUse),
              fmt::format("Digest username=\"Mufasa\", realm=\"http-auth@example.org\", "
                          "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", uri=\"/dir/index.html\", "
                          "response=\"{}\", cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", nc=00000001, "
                          "qop=auth, algorithm={}, opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
                          one.response, one.algorithm));
  }
}

// RFC 7616 §3.9.2 with the hashes of its erratum 4897.
TEST(DigestLogin, HidesTheUserWhereThatIsWanted) {
  constexpr std::string_view kField =
      "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, "
      "nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", "
      "opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", "
      "charset=UTF-8, userhash=true";
  const std::string said = answer(
      kField, "J\u00E4s\u00F8n Doe", "Secret, or not?",
      {.method = "GET", .uri = "/doe.json", .count = 1, .own_nonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"});
  EXPECT_TRUE(said.starts_with(
      "Digest username=\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b\", userhash=true, "))
      << said;
  EXPECT_NE(said.find("response=\"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5\""),
            std::string::npos)
      << said;
}

TEST(DigestLogin, NamesAUserOfOtherLettersByTheCharsetThatIsTold) {
  constexpr DigestUse kUse{.method = "GET", .uri = "/", .count = 0x1F, .own_nonce = "c"};
  constexpr std::string_view kField = "Digest realm=r, nonce=n, qop=auth";
  EXPECT_NE(answer(std::string(kField) + ", charset=UTF-8", "J\u00E4s\u00F8n Doe", "p", kUse)
                .find("username*=UTF-8''J%C3%A4s%C3%B8n%20Doe,"),
            std::string::npos);
  EXPECT_NE(answer(kField, "J\u00E4s \"\\", "p", kUse).find("username=\"J\u00E4s \\\"\\\\\","), std::string::npos);
  EXPECT_NE(answer(kField, "u", "p", kUse).find("nc=0000001f"), std::string::npos);
  EXPECT_EQ(answer(kField, "u", "p", kUse).find("algorithm"), std::string::npos);
}

// What curl 7.88 answers.
TEST(DigestLogin, HashesTheSessionAnew) {
  const struct {
    std::string_view algorithm, own_nonce, response;
  } cases[] = {
      {"MD5-sess", "Y2I4MjZhOTNlZDFiYTlmMTgxZTllOTQyNjFlNTBiMDk=", "f1b4f2fd22a07b5f7b7903f0c90d6cf1"},
      {"SHA-256-sess", "MTc0OGQ3ZjZkZDA2YjRlNjYyYmZkMWRhODJlMTNkOTg=",
       "c171ac0de0135943e526b9ba861ac6a96a302844c6f5d5c147986e21a3675fca"},
  };
  for (const auto& one : cases) {
    const std::string field =
        fmt::format("Digest realm=\"a plant\", nonce=\"n/1\", qop=\"auth\", algorithm={}", one.algorithm);
    const std::string said =
        answer(field, "ada", "open sesame", {.method = "GET", .uri = "/x?y=1", .count = 1, .own_nonce = one.own_nonce});
    EXPECT_NE(said.find(fmt::format("response=\"{}\"", one.response)), std::string::npos) << said;
  }
}

TEST(DigestLogin, RefusesWhatItCannotAnswer) {
  const struct {
    std::string_view field;
    Errc want;
  } cases[] = {
      {"Digest nonce=n, qop=auth", Errc::malformed},
      {"Digest realm=r, qop=auth", Errc::malformed},
      {"Digest realm=r, nonce=n", Errc::unavailable},
      {"Digest realm=r, nonce=n, qop=auth-int", Errc::unavailable},
      {"Digest realm=r, nonce=n, qop=auth, algorithm=SHA-512", Errc::unavailable},
      {"Digest realm=r, nonce=n, qop=auth, algorithm=token", Errc::unavailable},
      {"Digest realm=r, nonce=n, qop=auth, algorithm=-sess", Errc::unavailable},
  };
  for (const auto& one : cases) {
    const auto challenge = read_one(one.field);
    ASSERT_FALSE(challenge) << one.field;
    EXPECT_EQ(challenge.error().code, one.want) << one.field;
  }
}

}  // namespace
}  // namespace sallyport::tunnel
