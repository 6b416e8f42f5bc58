#include "crypto/hash.h"

#include <gtest/gtest.h>

#include "crypto/detail/vectors.h"
#include "crypto/system_random.h"

namespace sallyport::crypto {
namespace {

TEST(Hash, AgreesWithPython) {
  for (const codec::Json& vector : load_vectors("hash.json")) {
    const Bytes message = bytes_of(vector, "message");
    const Bytes key = bytes_of(vector, "key");
    SCOPED_TRACE(message.size());
    EXPECT_EQ(codec::encode_hex(sha1(message)), text_of(vector, "sha1"));
    EXPECT_EQ(codec::encode_hex(sha256(message)), text_of(vector, "sha256"));
    EXPECT_EQ(codec::encode_hex(hmac_sha256(key, message)), text_of(vector, "hmac"));
    Bytes secret = to_bytes("secret");
    append(secret, message);
    const Bytes want = bytes_of(vector, "hkdf");
    const ByteView info = ByteView(message).first(std::min<std::size_t>(message.size(), 64));
    EXPECT_EQ(to_bytes(hkdf_sha256(secret, key, info, want.size()).expose()), want);
  }
}

// FIPS 180-4's example (SHA512_256.pdf), RFC 1321 §A.5.
TEST(Hash, AgreesWithTheStandards) {
  EXPECT_EQ(codec::encode_hex(sha512_256(as_bytes("abc"))),
            "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23");
  EXPECT_EQ(codec::encode_hex(md5(as_bytes("abc")).value()), "900150983cd24fb0d6963f7d28e17f72");
}

TEST(Hash, PartsHashAsTheWhole) {
  const Bytes message(300, 0x5A);
  for (std::size_t cut = 0; cut <= message.size(); cut += 25) {
    Sha256 hash;
    hash.update(ByteView(message).first(cut)).update({}).update(ByteView(message).subspan(cut));
    EXPECT_EQ(std::move(hash).digest(), sha256(message));
  }
}

TEST(Hash, HkdfReachesTheLongestOutput) {
  EXPECT_EQ(hkdf_sha256(as_bytes("k"), {}, {}, std::size_t{255} * 32).size(), std::size_t{255} * 32);
  EXPECT_DEATH(hkdf_sha256(as_bytes("k"), {}, {}, std::size_t{255} * 32 + 1), "");
  EXPECT_DEATH(hkdf_sha256({}, {}, {}, 32), "");
}

TEST(SystemRandom, FillsWholeAndNeverTheSame) {
  SystemRandom random;
  EXPECT_NE((random.array<16>()), (random.array<16>()));
  const Bytes large = random.bytes((1U << 20U) + 64);
  EXPECT_FALSE(std::ranges::all_of(ByteView(large).last(64), [](std::uint8_t byte) { return byte == 0; }));
  EXPECT_TRUE(random.bytes(0).empty());
}

}  // namespace
}  // namespace sallyport::crypto
