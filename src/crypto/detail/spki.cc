#include "crypto/detail/spki.h"

#include <bit>

namespace sallyport::crypto {
namespace {

namespace der = codec::der;

constexpr std::size_t kP256Point = 65;
constexpr std::size_t kP384Point = 97;
constexpr std::size_t kEd25519Key = 32;
constexpr std::uint8_t kUncompressed = 0x04;

// Everything of a P-256 SubjectPublicKeyInfo before its point.
constexpr std::array<std::uint8_t, 26> kP256Prefix = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
                                                      0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48,
                                                      0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

Result<KeyType> parse_curve(der::Reader& algorithm) {
  static const der::Oid kP256 = der::Oid::of("1.2.840.10045.3.1.7");
  static const der::Oid kP384 = der::Oid::of("1.3.132.0.34");
  const auto tag = algorithm.peek();
  if (tag == der::Tag::sequence) return fail(Errc::malformed, "key: explicit curve parameters, want a named curve");
  if (tag == der::Tag::null) return fail(Errc::malformed, "key: implicit curve, want a named curve");
  TRY(const der::Oid curve, algorithm.oid());
  if (curve == kP256) return KeyType::p256;
  if (curve == kP384) return KeyType::p384;
  return failf(Errc::malformed, "key: curve {}, want P-256 or P-384", curve.dotted());
}

Result<void> check_point(ByteView point, std::size_t want) {
  if (point.size() == want && point[0] == kUncompressed) return {};
  return failf(Errc::malformed, "key: point of {} bytes, want {} in uncompressed form", point.size(), want);
}

// RSAPublicKey := SEQUENCE { modulus INTEGER, publicExponent INTEGER } (RFC 8017 §A.1.1)
Result<void> check_rsa_key(ByteView key) {
  TRY(der::Reader fields, der::enter_only(key, der::Tag::sequence, "rsa key"));
  TRY(ByteView modulus, fields.integer());
  if (modulus[0] >= 0x80) return fail(Errc::malformed, "rsa key: negative modulus");
  if (modulus[0] == 0) modulus = modulus.subspan(1);
  TRY(const std::uint64_t exponent, fields.small_unsigned());
  TRY_VOID(fields.finish("rsa key"));
  if (modulus.empty()) return fail(Errc::malformed, "rsa key: modulus 0");
  const std::size_t bits = modulus.size() * 8 - static_cast<unsigned>(std::countl_zero(modulus[0]));
  if (bits < kMinRsaBits || bits > kMaxRsaBits) {
    return failf(Errc::malformed, "rsa key: {} bits, want {} to {}", bits, kMinRsaBits, kMaxRsaBits);
  }
  if (modulus.back() % 2 == 0) return fail(Errc::malformed, "rsa key: even modulus");
  if (exponent < kMinRsaExponent || exponent % 2 == 0) {
    return failf(Errc::malformed, "rsa key: exponent {}, want an odd one of at least {}", exponent, kMinRsaExponent);
  }
  return {};
}

Result<void> check_key(KeyType type, ByteView key) {
  switch (type) {
    case KeyType::p256:
      return check_point(key, kP256Point);
    case KeyType::p384:
      return check_point(key, kP384Point);
    case KeyType::ed25519:
      if (key.size() == kEd25519Key) return {};
      return failf(Errc::malformed, "key: Ed25519 key of {} bytes, want {}", key.size(), kEd25519Key);
    case KeyType::rsa:
      return check_rsa_key(key);
  }
  return fail(Errc::internal, "key: unknown type");
}

}  // namespace

Result<KeyType> parse_key_algorithm(der::Reader algorithm) {
  static const der::Oid kEcPublicKey = der::Oid::of("1.2.840.10045.2.1");
  static const der::Oid kRsaEncryption = der::Oid::of("1.2.840.113549.1.1.1");
  static const der::Oid kEd25519 = der::Oid::of("1.3.101.112");
  TRY(const der::Oid name, algorithm.oid());
  KeyType out{};
  if (name == kEcPublicKey) {
    TRY(out, parse_curve(algorithm));
  } else if (name == kRsaEncryption) {
    TRY(const der::Element parameters, algorithm.element(der::Tag::null));  // RFC 3279 §2.3.1: MUST be NULL
    if (!parameters.content.empty()) return fail(Errc::malformed, "key: NULL with content");
    out = KeyType::rsa;
  } else if (name == kEd25519) {
    out = KeyType::ed25519;  // RFC 8410 §3: parameters MUST be absent
  } else {
    return failf(Errc::malformed, "key: algorithm {}, want EC, RSA or Ed25519", name.dotted());
  }
  TRY_VOID(algorithm.finish("key algorithm"));
  return out;
}

Result<ParsedSpki> parse_spki(ByteView der) {
  const bool is_p256 =
      der.size() == kP256Prefix.size() + kP256Point && equal(der.first(kP256Prefix.size()), kP256Prefix);
  if (is_p256) {
    const ByteView point = der.subspan(kP256Prefix.size());
    TRY_VOID(check_point(point, kP256Point));
    return ParsedSpki{.type = KeyType::p256, .key = point};
  }
  TRY(der::Reader fields, der::enter_only(der, der::Tag::sequence, "public key"));
  TRY(der::Reader algorithm, fields.sequence());
  TRY(const KeyType type, parse_key_algorithm(algorithm));
  TRY(const ByteView key, fields.bit_string());
  TRY_VOID(fields.finish("public key"));
  TRY_VOID(check_key(type, key));
  return ParsedSpki{.type = type, .key = key};
}

}  // namespace sallyport::crypto
