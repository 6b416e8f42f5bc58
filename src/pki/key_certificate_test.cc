#include "pki/key_certificate.h"

#include <gtest/gtest.h>

#include "crypto/system_random.h"
#include "pki/path.h"
#include "pki/verify.h"

namespace sallyport::pki {
namespace {

constexpr UnixTime kMadeAt{1'780'315'200};

TEST(KeyCertificate, CarriesTheKeyAndItsProof) {
  crypto::SystemRandom random;
  auto key = crypto::PrivateKey::generate();
  const auto made = make_key_certificate(key, random, kMadeAt);
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(made->public_key(), key.public_key());
  EXPECT_EQ(made->spki_sha256(), crypto::sha256(key.public_key().spki()));
  EXPECT_TRUE(key.public_key().verify(made->signature_scheme(), made->tbs(), made->signature()));
  EXPECT_TRUE(made->serial().is_drawn_form());
}

TEST(KeyCertificate, IsNobodysAndOpensNothingByItself) {
  crypto::SystemRandom random;
  auto key = crypto::PrivateKey::generate();
  const auto made = *make_key_certificate(key, random, kMadeAt);
  const std::array chain{made};
  const DnsName zone("devices.example");
  const Purpose purposes[] = {ServerPurpose{zone},        OperationalDevicePurpose{zone},
                              FactoryDevicePurpose{zone}, WebDevicePurpose{zone},
                              RolePurpose{zone},          PersonPurpose{zone}};
  for (const Purpose& purpose : purposes) {
    EXPECT_FALSE(verify_chain(chain, chain, purpose, TimeRule::clock(kMadeAt))) << purpose.index();
  }
}

TEST(KeyCertificate, IsAnotherEachTime) {
  crypto::SystemRandom random;
  auto key = crypto::PrivateKey::generate();
  EXPECT_NE(make_key_certificate(key, random, kMadeAt)->serial(), make_key_certificate(key, random, kMadeAt)->serial());
}

}  // namespace
}  // namespace sallyport::pki
