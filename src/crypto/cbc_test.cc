#include "crypto/cbc.h"

#include <gtest/gtest.h>

#include "crypto/detail/vectors.h"
#include "crypto/hash.h"

namespace sallyport::crypto {
namespace {

CbcKeys cbc_keys_of(const codec::Json& vector) {
  return {.cipher = SecretBytes(bytes_of(vector, "cipher")), .mac = SecretBytes(bytes_of(vector, "mac"))};
}

CbcKeys some_cbc_keys(std::uint8_t with) {
  return {.cipher = SecretBytes(Bytes(32, with)), .mac = SecretBytes(Bytes(32, with))};
}

const CbcIv kSomeIv{1, 2, 3};

TEST(Cbc, SealsAndOpensAsPycryptodome) {
  for (const codec::Json& vector : load_vectors("cbc.json")) {
    const CbcKeys keys = cbc_keys_of(vector);
    CbcIv iv{};
    std::ranges::copy(bytes_of(vector, "iv"), iv.begin());
    const Bytes header = bytes_of(vector, "header");
    const Bytes plain = bytes_of(vector, "plain");
    SCOPED_TRACE(plain.size());
    const Bytes sealed = cbc_seal(keys, header, iv, plain);
    EXPECT_EQ(codec::encode_hex(sealed), text_of(vector, "sealed"));
    const auto opened = cbc_open(keys, header, sealed);
    ASSERT_TRUE(opened) << opened.error().detail;
    EXPECT_EQ(to_bytes(opened->expose()), plain);
  }
}

TEST(Cbc, EveryWrongPaddingIsRefusedThoughItsTagIsRight) {
  for (const codec::Json& vector : load_vectors("cbc_refused.json")) {
    const auto opened = cbc_open(cbc_keys_of(vector), {}, bytes_of(vector, "sealed"));
    ASSERT_FALSE(opened) << text_of(vector, "name");
    EXPECT_EQ(opened.error().code, Errc::unauthorized) << text_of(vector, "name");
  }
}

TEST(Cbc, EveryChangedBitIsRefused) {
  const CbcKeys keys = some_cbc_keys(7);
  const Bytes sealed = cbc_seal(keys, as_bytes("head"), kSomeIv, as_bytes("a plaintext of two blocks"));
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes changed = sealed;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_FALSE(cbc_open(keys, as_bytes("head"), changed)) << bit;
  }
}

TEST(Cbc, WhatIsCutShortOrLongerIsRefused) {
  const CbcKeys keys = some_cbc_keys(7);
  Bytes sealed = cbc_seal(keys, {}, kSomeIv, Bytes(40, 9));
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(cbc_open(keys, {}, ByteView(sealed).first(size))) << size;
  }
  sealed.push_back(0);
  EXPECT_FALSE(cbc_open(keys, {}, sealed));
  sealed.insert(sealed.end(), 15, 0);
  EXPECT_FALSE(cbc_open(keys, {}, sealed));
}

TEST(Cbc, AnotherKeyOrHeaderIsRefused) {
  const Bytes sealed = cbc_seal(some_cbc_keys(7), as_bytes("head"), kSomeIv, as_bytes("plain"));
  EXPECT_FALSE(cbc_open(some_cbc_keys(8), as_bytes("head"), sealed));
  EXPECT_FALSE(cbc_open(some_cbc_keys(7), as_bytes("heap"), sealed));
  EXPECT_FALSE(cbc_open(some_cbc_keys(7), {}, sealed));
  const CbcKeys other_cipher{.cipher = SecretBytes(Bytes(32, 8)), .mac = SecretBytes(Bytes(32, 7))};
  const auto opened = cbc_open(other_cipher, as_bytes("head"), sealed);
  EXPECT_TRUE(!opened || to_bytes(opened->expose()) != to_bytes("plain"));
}

TEST(Cbc, RefusalsDoNotTellTheirReason) {
  const CbcKeys keys = some_cbc_keys(7);
  Bytes wrong_tag = cbc_seal(keys, {}, kSomeIv, as_bytes("plain"));
  wrong_tag.back() ^= 1U;
  const auto vectors = load_vectors("cbc_refused.json");
  const auto wrong_padding = cbc_open(cbc_keys_of(vectors[0]), {}, bytes_of(vectors[0], "sealed"));
  EXPECT_EQ(cbc_open(keys, {}, wrong_tag).error().detail, wrong_padding.error().detail);
  EXPECT_EQ(cbc_open(keys, {}, {}).error().detail, wrong_padding.error().detail);
}

TEST(Cbc, KeyOfAnotherLengthIsABrokenInvariant) {
  const CbcKeys keys{.cipher = SecretBytes(Bytes(24, 1)), .mac = SecretBytes(Bytes(32, 1))};
  EXPECT_DEATH(cbc_seal(keys, {}, kSomeIv, {}), "");
}

TEST(Sha512, AgreesWithPython) {
  for (const codec::Json& vector : load_vectors("sha512.json")) {
    EXPECT_EQ(codec::encode_hex(sha512(bytes_of(vector, "message"))), text_of(vector, "digest"));
  }
}

}  // namespace
}  // namespace sallyport::crypto
