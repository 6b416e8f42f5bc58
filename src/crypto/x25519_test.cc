#include "crypto/x25519.h"

#include <gtest/gtest.h>

#include "codec/text.h"
#include "crypto/aead_cipher.h"
#include "crypto/system_random.h"

namespace sallyport::crypto {
namespace {

template <std::size_t N>
std::array<std::uint8_t, N> octets(std::string_view text) {
  std::array<std::uint8_t, N> out{};
  std::ranges::copy(codec::decode_hex(text).value(), out.begin());
  return out;
}

AgreementSecret scalar(std::string_view text) {
  return AgreementSecret(octets<32>(text));
}

// RFC 7748 §5.2.
TEST(X25519, AgreesWithTheRfc) {
  const auto first =
      AgreementKey::from_private(scalar("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"));
  const auto point = octets<32>("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
  EXPECT_EQ(codec::encode_hex(first.agree(point)->expose()),
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  const auto nine =
      AgreementKey::from_private(scalar("0900000000000000000000000000000000000000000000000000000000000000"));
  EXPECT_EQ(codec::encode_hex(nine.public_key()), "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
}

TEST(X25519, BothSidesShareASecretThatAThirdDoesNot) {
  SystemRandom random;
  const auto a = AgreementKey::generate(random);
  const auto b = AgreementKey::generate(random);
  const auto c = AgreementKey::generate(random);
  EXPECT_TRUE(a.agree(b.public_key())->equals(b.agree(a.public_key())->expose()));
  EXPECT_FALSE(a.agree(b.public_key())->equals(c.agree(b.public_key())->expose()));
}

// The points of small order on the curve and its twist, and those that are them modulo p.
TEST(X25519, PointsOfSmallOrderAreRefused) {
  SystemRandom random;
  const auto key = AgreementKey::generate(random);
  for (const std::string_view point : {"0000000000000000000000000000000000000000000000000000000000000000",
                                       "0100000000000000000000000000000000000000000000000000000000000000",
                                       "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                                       "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                                       "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                       "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                       "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
    const auto agreed = key.agree(octets<32>(point));
    ASSERT_FALSE(agreed) << point;
    EXPECT_EQ(agreed.error().code, Errc::unauthorized);
  }
}

TEST(AeadCipher, SealsWhatTheSingleFunctionOpensAndTheOtherWayRound) {
  const AeadKey key(octets<32>("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"));
  AeadSealer sealer(key);
  AeadOpener opener(key);
  for (std::uint8_t i = 0; i < 50; ++i) {
    const AeadNonce nonce{i};
    const Bytes associated(i % 3 == 0 ? 0U : i, 0xAA);
    const Bytes plaintext(i, i);
    Bytes sealed(plaintext.size() + kAeadTagBytes);
    sealer.seal(nonce, associated, plaintext, sealed);
    EXPECT_EQ(sealed, aead_seal(key, nonce, associated, plaintext));
    Bytes opened(plaintext.size());
    EXPECT_TRUE(opener.open(nonce, associated, sealed, opened));
    EXPECT_EQ(opened, plaintext);
  }
}

TEST(AeadCipher, WhatWasAlteredDoesNotOpenAndLeavesNoTrace) {
  const AeadKey key(octets<32>("00"));
  AeadSealer sealer(key);
  AeadOpener opener(key);
  const Bytes plaintext(40, 0x55);
  Bytes sealed(plaintext.size() + kAeadTagBytes);
  sealer.seal({}, {}, plaintext, sealed);
  Bytes opened(plaintext.size());
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    sealed[i] ^= 1;
    EXPECT_FALSE(opener.open({}, {}, sealed, opened));
    EXPECT_NE(opened, plaintext);
    sealed[i] ^= 1;
  }
  EXPECT_FALSE(opener.open({1}, {}, sealed, opened));
  EXPECT_FALSE(opener.open({}, Bytes{1}, sealed, opened));
  EXPECT_FALSE(opener.open({}, {}, Bytes(15), {}));
  EXPECT_TRUE(opener.open({}, {}, sealed, opened));
}

// FIPS 197, appendix C.3.
TEST(BlockPrf, IsAes256OfEachBlock) {
  BlockPrf prf(Secret<32>(octets<32>("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")));
  Bytes blocks = codec::decode_hex("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff").value();
  prf.apply(blocks);
  EXPECT_EQ(codec::encode_hex(blocks), "8ea2b7ca516745bfeafc49904b4960898ea2b7ca516745bfeafc49904b496089");
}

}  // namespace
}  // namespace sallyport::crypto
