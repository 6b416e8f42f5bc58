#include "console/password.h"

#include <gtest/gtest.h>

namespace sallyport::console {
namespace {

TEST(Password, IsAcceptedOnlyWhole) {
  SeededRandom random(1);
  const auto hash = hash_password(as_bytes("correct horse battery"), random);
  ASSERT_TRUE(hash) << hash.error().detail;
  EXPECT_TRUE(hash->starts_with("$argon2id$v=19$m=65536,t=3,p=1$"));
  EXPECT_TRUE(verify_password(as_bytes("correct horse battery"), *hash));
  for (const char* wrong : {"", "correct horse batter", "correct horse batteryy", "Correct horse battery"}) {
    const auto verified = verify_password(as_bytes(wrong), *hash);
    ASSERT_FALSE(verified) << wrong;
    EXPECT_EQ(verified.error().code, Errc::unauthorized);
  }
}

// From the test vectors of the reference implementation (phc-winner-argon2, src/test.c, argon2id version 19).
TEST(Password, FollowsTheReferenceVector) {
  const std::string hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
  EXPECT_TRUE(verify_password(as_bytes("password"), hash));
  EXPECT_FALSE(verify_password(as_bytes("differentpassword"), hash));
}

TEST(Password, IsSaltedEachTime) {
  SeededRandom random(2);
  EXPECT_NE(*hash_password(as_bytes("twelve bytes"), random), *hash_password(as_bytes("twelve bytes"), random));
}

TEST(Password, RefusesLengthsOutsideItsLimits) {
  SeededRandom random(3);
  EXPECT_FALSE(hash_password(as_bytes("eleven byte"), random));
  EXPECT_FALSE(hash_password(as_bytes(std::string(kMaxPassword + 1, 'x')), random));
}

TEST(Password, NoHashAcceptsAnything) {
  for (const char* hash : {"", "$argon2id$", "$argon2i$v=19$m=65536,t=3,p=1$c2FsdHNhbHQ$AAAA", "x"}) {
    EXPECT_FALSE(verify_password(as_bytes("correct horse battery"), hash)) << hash;
  }
}

}  // namespace
}  // namespace sallyport::console
