#include "crypto/password.h"

#include <gtest/gtest.h>

#include "codec/text.h"

namespace sallyport::crypto {
namespace {

// Made with python hashlib.pbkdf2_hmac("sha256", b"passwordPASSWORDpassword", b"saltSALTsaltSALTsaltSALTsaltSALTsalt",
// 4096, 40): the fifth vector of RFC 6070 with SHA-256 in the place of SHA-1.
TEST(Pbkdf2, GivesWhatPythonGives) {
  const auto derived =
      pbkdf2_sha256(as_bytes("passwordPASSWORDpassword"), as_bytes("saltSALTsaltSALTsaltSALTsaltSALTsalt"), 4096, 40);
  EXPECT_EQ(codec::encode_hex(derived.expose()),
            "348c89dbcbd32b2f32d814b8116e84cf2b17347ebc1800181c4e2a1fb8dd53e1c635518c7dac47e9");
}

TEST(Pbkdf2, DependsOnPasswordSaltAndIterations) {
  const auto salt = as_bytes("0123456789abcdef");
  const auto derived = pbkdf2_sha256(as_bytes("a"), salt, 10, 32);
  EXPECT_FALSE(equal(derived.expose(), pbkdf2_sha256(as_bytes("b"), salt, 10, 32).expose()));
  EXPECT_FALSE(equal(derived.expose(), pbkdf2_sha256(as_bytes("a"), as_bytes("0123456789abcdeg"), 10, 32).expose()));
  EXPECT_FALSE(equal(derived.expose(), pbkdf2_sha256(as_bytes("a"), salt, 11, 32).expose()));
}

TEST(Pbkdf2, TakesAnEmptyPassword) {
  EXPECT_EQ(pbkdf2_sha256({}, as_bytes("0123456789abcdef"), 1, 32).size(), 32U);
}

}  // namespace
}  // namespace sallyport::crypto
