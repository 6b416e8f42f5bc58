#include "crypto/aead.h"

#include <gtest/gtest.h>

#include "codec/text.h"

namespace sallyport::crypto {
namespace {

Bytes hex(std::string_view text) {
  return codec::decode_hex(text).value();
}

AeadKey key_of(ByteView bytes) {
  return AeadKey::from(bytes).value();
}

AeadNonce nonce_of(ByteView bytes) {
  AeadNonce nonce{};
  std::ranges::copy(bytes.first(nonce.size()), nonce.begin());
  return nonce;
}

// The GCM specification (McGrew and Viega), test case 16.
struct Case16 {
  AeadKey key = key_of(hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"));
  AeadNonce nonce = nonce_of(hex("cafebabefacedbaddecaf888"));
  Bytes associated = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  Bytes plaintext =
      hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0d"
          "e657ba637b39");
  Bytes sealed =
      hex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba"
          "7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
};

TEST(Aead, AgreesWithTheSpecification) {
  const Case16 test;
  EXPECT_EQ(aead_seal(test.key, test.nonce, test.associated, test.plaintext), test.sealed);
  const auto opened = aead_open(test.key, test.nonce, test.associated, test.sealed);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(to_bytes(opened->expose()), test.plaintext);
}

TEST(Aead, SealsNothingToATag) {
  const Case16 test;
  const Bytes sealed = aead_seal(test.key, test.nonce, {}, {});
  EXPECT_EQ(sealed.size(), kAeadTagBytes);
  EXPECT_TRUE(aead_open(test.key, test.nonce, {}, sealed)->empty());
}

TEST(Aead, EveryChangedBitIsRefused) {
  const Case16 test;
  for (std::size_t bit = 0; bit < test.sealed.size() * 8; ++bit) {
    Bytes changed = test.sealed;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_EQ(aead_open(test.key, test.nonce, test.associated, changed).error().code, Errc::unauthorized) << bit;
  }
}

TEST(Aead, AnotherKeyNonceOrAssociatedDataIsRefused) {
  const Case16 test;
  const auto other_key = key_of(Bytes(kAeadKeyBytes, 7));
  EXPECT_FALSE(aead_open(other_key, test.nonce, test.associated, test.sealed).has_value());
  EXPECT_FALSE(aead_open(test.key, AeadNonce{}, test.associated, test.sealed).has_value());
  EXPECT_FALSE(aead_open(test.key, test.nonce, {}, test.sealed).has_value());
}

TEST(Aead, WhatIsCutShortIsRefused) {
  const Case16 test;
  for (std::size_t size = 0; size < test.sealed.size(); ++size) {
    EXPECT_FALSE(aead_open(test.key, test.nonce, test.associated, ByteView(test.sealed).first(size)).has_value())
        << size;
  }
}

}  // namespace
}  // namespace sallyport::crypto
