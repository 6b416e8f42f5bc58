#include "pki/detail/algorithm.h"

#include "pki/oids.h"

namespace sallyport::pki::detail {
namespace {

namespace der = codec::der;
using crypto::SignatureScheme;

enum class Parameters : std::uint8_t { absent, null, pss };
struct Algorithm {
  const der::Oid* oid;
  SignatureScheme scheme;
  Parameters parameters;
};

std::span<const Algorithm> known_algorithms() {
  static const std::array<Algorithm, 7> kRows = {{
      {&oid::ecdsa_with_sha256, SignatureScheme::ecdsa_p256_sha256, Parameters::absent},
      {&oid::ecdsa_with_sha384, SignatureScheme::ecdsa_p384_sha384, Parameters::absent},
      {&oid::ed25519, SignatureScheme::ed25519, Parameters::absent},
      {&oid::rsa_sha256, SignatureScheme::rsa_pkcs1_sha256, Parameters::null},
      {&oid::rsa_sha384, SignatureScheme::rsa_pkcs1_sha384, Parameters::null},
      {&oid::rsa_sha512, SignatureScheme::rsa_pkcs1_sha512, Parameters::null},
      {&oid::rsa_pss, SignatureScheme::rsa_pss_sha256, Parameters::pss},
  }};
  return kRows;
}

// RSASSA-PSS-params for SHA-256, MGF1 with SHA-256 and a salt of 32 (RFC 4055 §3.1); trailerField is the default.
Bytes pss_parameters() {
  constexpr std::uint64_t kSaltLength = 32;
  const Bytes hash = der::encode_sequence({der::encode_oid(oid::sha256), der::encode_null()});
  const Bytes mask = der::encode_sequence({der::encode_oid(oid::mgf1), hash});
  return der::encode_sequence({der::encode(der::context_constructed(0), hash),
                               der::encode(der::context_constructed(1), mask),
                               der::encode(der::context_constructed(2), der::encode_small_unsigned(kSaltLength))});
}

Bytes encode_row(const Algorithm& row) {
  Bytes parameters;
  if (row.parameters == Parameters::null) parameters = der::encode_null();
  if (row.parameters == Parameters::pss) parameters = pss_parameters();
  return der::encode_sequence({der::encode_oid(*row.oid), parameters});
}

// The seven accepted encodings; each algorithm has exactly one.
std::span<const Bytes> encodings() {
  static const std::array<Bytes, 7> kEncodings = [] {
    std::array<Bytes, 7> out;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = encode_row(known_algorithms()[i]);
    return out;
  }();
  return kEncodings;
}

}  // namespace

Result<SignatureScheme> parse_signature_algorithm(ByteView element) {
  for (std::size_t i = 0; i < known_algorithms().size(); ++i) {
    if (equal(element, encodings()[i])) return known_algorithms()[i].scheme;
  }
  TRY(der::Reader reader, der::enter_only(element, der::Tag::sequence, "signature algorithm"));
  TRY(const der::Oid oid, reader.oid());
  for (const Algorithm& row : known_algorithms()) {
    if (oid == *row.oid && row.parameters != Parameters::pss) {
      return failf(Errc::malformed, "signature algorithm {}: other parameters than the standard's", oid.dotted());
    }
  }
  return failf(Errc::unauthorized, "signature algorithm {}: not accepted", oid.dotted());
}

Bytes encode_signature_algorithm(SignatureScheme scheme) {
  for (std::size_t i = 0; i < known_algorithms().size(); ++i) {
    if (known_algorithms()[i].scheme == scheme) return encodings()[i];
  }
  abort_with(__FILE__, __LINE__, "a scheme without a row");
}

Result<SignedParts> read_signed_parts(der::Reader& reader) {
  SignedParts out;
  TRY(out.tbs, reader.element(der::Tag::sequence));
  TRY(const der::Element algorithm, reader.element(der::Tag::sequence));
  out.algorithm = algorithm.whole;
  TRY(out.scheme, parse_signature_algorithm(algorithm.whole));
  TRY(out.signature, reader.bit_string());
  return out;
}

Bytes encode_signed(ByteView tbs, SignatureScheme scheme, ByteView signature) {
  return der::encode_sequence({tbs, encode_signature_algorithm(scheme), der::encode_bit_string(signature)});
}

Result<SubjectPublicKey> parse_subject_public_key(ByteView element, const crypto::PublicKey* known) {
  TRY(der::Reader reader, der::enter_only(element, der::Tag::sequence, "public key"));
  TRY_VOID(reader.element(der::Tag::sequence));
  TRY(const ByteView bits, reader.bit_string());
  TRY_VOID(reader.finish("public key"));
  if (known != nullptr && equal(element, known->spki())) return SubjectPublicKey{*known, bits};
  auto key = crypto::PublicKey::from_spki(element);
  if (!key) return fail(Errc::unauthorized, std::move(key).error().detail);
  if (!equal(key->spki(), element)) return fail(Errc::malformed, "public key: not in the one form of its algorithm");
  return SubjectPublicKey{*std::move(key), bits};
}

ByteView public_key_bits(const crypto::PublicKey& key) {
  const auto read = [&]() -> Result<ByteView> {
    TRY(der::Reader reader, der::enter_only(key.spki(), der::Tag::sequence, "public key"));
    TRY_VOID(reader.element(der::Tag::sequence));
    return reader.bit_string();
  };
  const auto bits = read();
  SALLYPORT_CHECK(bits.has_value());
  return *bits;
}

}  // namespace sallyport::pki::detail
