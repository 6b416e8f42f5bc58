#include "crypto/key.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "codec/pem.h"
#include "crypto/detail/evp.h"
#include "crypto/detail/vectors.h"

namespace sallyport::crypto {
namespace {

constexpr KeyType kTypes[] = {KeyType::p256, KeyType::p384, KeyType::ed25519, KeyType::rsa};

std::string_view name_of(KeyType type) {
  constexpr std::string_view kNames[] = {"p256", "p384", "ed25519", "rsa"};
  return kNames[static_cast<std::size_t>(type)];
}

SignatureScheme scheme_of(std::string_view name) {
  constexpr std::pair<std::string_view, SignatureScheme> kSchemes[] = {
      {"ecdsa_p256_sha256", SignatureScheme::ecdsa_p256_sha256},
      {"ecdsa_p384_sha384", SignatureScheme::ecdsa_p384_sha384},
      {"ed25519", SignatureScheme::ed25519},
      {"rsa_pkcs1_sha256", SignatureScheme::rsa_pkcs1_sha256},
      {"rsa_pkcs1_sha384", SignatureScheme::rsa_pkcs1_sha384},
      {"rsa_pkcs1_sha512", SignatureScheme::rsa_pkcs1_sha512},
      {"rsa_pss_sha256", SignatureScheme::rsa_pss_sha256}};
  for (const auto& [text, scheme] : kSchemes) {
    if (text == name) return scheme;
  }
  ADD_FAILURE() << "no scheme " << name;
  return {};
}

// What a test leaves in OpenSSL's queue would fail somebody else's call.
class Key : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(ERR_peek_error(), 0U); }
};

TEST_F(Key, SpkisOfOthersAreAcceptedOrRefusedByRule) {
  for (const codec::Json& vector : load_vectors("spki.json")) {
    SCOPED_TRACE(text_of(vector, "name"));
    const Bytes spki = bytes_of(vector, "spki");
    const auto key = PublicKey::from_spki(spki);
    if (text_of(vector, "type") == "malformed") {
      ASSERT_FALSE(key);
      EXPECT_EQ(key.error().code, Errc::malformed) << key.error().detail;
      continue;
    }
    ASSERT_TRUE(key) << key.error().detail;
    EXPECT_EQ(name_of(key->type()), text_of(vector, "type"));
    EXPECT_TRUE(equal(key->spki(), spki));
  }
}

TEST_F(Key, ExplicitParametersAreRefusedByName) {
  for (const codec::Json& vector : load_vectors("spki.json")) {
    if (text_of(vector, "name") != "explicit curve parameters") continue;
    const auto key = PublicKey::from_spki(bytes_of(vector, "spki"));
    EXPECT_EQ(key.error().detail, "key: explicit curve parameters, want a named curve");
    return;
  }
  FAIL() << "no such vector";
}

TEST_F(Key, EveryTruncationOfAnSpkiIsRefused) {
  for (const KeyType type : kTypes) {
    const PrivateKey key = PrivateKey::generate(type);
    const ByteView spki = key.public_key().spki();
    for (std::size_t size = 0; size < spki.size(); ++size) EXPECT_FALSE(PublicKey::from_spki(spki.first(size)));
  }
}

TEST_F(Key, SignaturesOfOthersAreVerifiedStrictly) {
  for (const codec::Json& vector : load_vectors("signature.json")) {
    SCOPED_TRACE(text_of(vector, "name"));
    const auto key = PublicKey::from_spki(bytes_of(vector, "spki"));
    ASSERT_TRUE(key);
    const auto verified =
        key->verify(scheme_of(text_of(vector, "scheme")), bytes_of(vector, "message"), bytes_of(vector, "signature"));
    EXPECT_EQ(verified.has_value(), vector.boolean_at("good").value());
    if (!verified) EXPECT_EQ(verified.error().code, Errc::unauthorized);
  }
}

TEST_F(Key, PrivateKeysOfOthersAreReadOrRefused) {
  for (const codec::Json& vector : load_vectors("private_key.json")) {
    SCOPED_TRACE(text_of(vector, "name"));
    const std::string passphrase = text_of(vector, "passphrase");
    auto key = PrivateKey::from_pem(text_of(vector, "pem"), as_bytes(passphrase));
    const std::string expect = text_of(vector, "expect");
    ASSERT_EQ(key.has_value(), expect == "good") << (key ? "" : key.error().detail);
    if (!key) {
      EXPECT_EQ(to_string(key.error().code), expect) << key.error().detail;
      continue;
    }
    EXPECT_TRUE(equal(key->public_key().spki(), bytes_of(vector, "spki")));
    const auto signature = key->sign(as_bytes("message"));
    ASSERT_TRUE(signature);
    EXPECT_TRUE(key->public_key().verify(key->scheme(), as_bytes("message"), *signature));
  }
}

TEST_F(Key, EveryTypeSignsAndItsPublicKeyVerifies) {
  for (const KeyType type : kTypes) {
    SCOPED_TRACE(name_of(type));
    PrivateKey key = PrivateKey::generate(type);
    EXPECT_EQ(key.public_key().type(), type);
    EXPECT_EQ(key.scheme(), default_scheme(type));
    const auto signature = key.sign(as_bytes("message"));
    ASSERT_TRUE(signature);
    const auto pub = PublicKey::from_spki(key.public_key().spki());
    ASSERT_TRUE(pub);
    EXPECT_EQ(*pub, key.public_key());
    EXPECT_TRUE(pub->verify(key.scheme(), as_bytes("message"), *signature));
    EXPECT_FALSE(pub->verify(key.scheme(), as_bytes("massage"), *signature));
    EXPECT_FALSE(PrivateKey::generate(type).public_key().verify(key.scheme(), as_bytes("message"), *signature));
    EXPECT_TRUE(key.sign({})) << "the empty message has a signature too";
  }
}

TEST_F(Key, EveryFlippedBitOfASignatureIsRefused) {
  PrivateKey key = PrivateKey::generate();
  const Bytes signature = key.sign(as_bytes("message")).value();
  for (std::size_t bit = 0; bit < signature.size() * 8; ++bit) {
    Bytes changed = signature;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(key.public_key().verify(key.scheme(), as_bytes("message"), changed)) << bit;
  }
}

TEST_F(Key, PlainPemComesBack) {
  for (const KeyType type : kTypes) {
    const PrivateKey key = PrivateKey::generate(type);
    const SecretBytes pem = key.to_pem();
    const auto back = PrivateKey::from_pem(as_text(pem.expose()));
    ASSERT_TRUE(back) << back.error().detail;
    EXPECT_EQ(back->public_key(), key.public_key());
  }
}

TEST_F(Key, EncryptedPemOpensWithItsPassphraseAlone) {
  const PrivateKey key = PrivateKey::generate();
  const SecretBytes pem = key.to_encrypted_pem(as_bytes("correct horse"));
  const std::string_view text = as_text(pem.expose());
  EXPECT_TRUE(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
  const auto back = PrivateKey::from_pem(text, as_bytes("correct horse"));
  ASSERT_TRUE(back) << back.error().detail;
  EXPECT_EQ(back->public_key(), key.public_key());
  EXPECT_EQ(PrivateKey::from_pem(text, as_bytes("wrong horse")).error().code, Errc::unauthorized);
  EXPECT_EQ(PrivateKey::from_pem(text).error().code, Errc::unauthorized);
}

TEST_F(Key, EncryptedPemIsScryptWithTheWrittenCostAndAFreshSalt) {
  const PrivateKey key = PrivateKey::generate();
  const Bytes first =
      *codec::parse_single_pem(as_text(key.to_encrypted_pem(as_bytes("p")).expose()), "ENCRYPTED PRIVATE KEY");
  const Bytes second =
      *codec::parse_single_pem(as_text(key.to_encrypted_pem(as_bytes("p")).expose()), "ENCRYPTED PRIVATE KEY");
  EXPECT_NE(first, second);
  const std::string hex = codec::encode_hex(first);
  EXPECT_NE(hex.find("06092b06010401da47040b"), std::string::npos) << "id-scrypt (RFC 7914 §7)";
  EXPECT_NE(hex.find("02030080000201040201"
                     "05"),
            std::string::npos)
      << "N = 32768, r = 4, p = 5";
  EXPECT_NE(hex.find("060960864801650304012a"), std::string::npos) << "aes256-CBC";
}

TEST_F(Key, AnEmptyPassphraseIsAPassphrase) {
  const PrivateKey key = PrivateKey::generate();
  const SecretBytes pem = key.to_encrypted_pem({});
  EXPECT_TRUE(PrivateKey::from_pem(as_text(pem.expose())));
  EXPECT_FALSE(PrivateKey::from_pem(as_text(pem.expose()), as_bytes("x")));
}

TEST_F(Key, OneKeySignsAndVerifiesOnManyThreads) {
  PrivateKey key = PrivateKey::generate();
  const PublicKey pub = PublicKey::from_spki(key.public_key().spki()).value();
  std::vector<std::jthread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&key, &pub, &good, i] {
      const Bytes message(10, static_cast<std::uint8_t>(i));
      for (int round = 0; round < 25; ++round) {
        const auto signature = key.sign(message);
        if (signature && pub.verify(key.scheme(), message, *signature)) ++good;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(good, 100);
}

TEST_F(Key, CloneOutlivesTheOriginal) {
  auto key = std::make_unique<PrivateKey>(PrivateKey::generate());
  PrivateKey copy = key->clone();
  const PublicKey pub = key->public_key();
  key.reset();
  EXPECT_TRUE(pub.verify(copy.scheme(), as_bytes("m"), copy.sign(as_bytes("m")).value()));
}

}  // namespace
}  // namespace sallyport::crypto
