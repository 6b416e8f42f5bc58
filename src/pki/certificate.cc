#include "pki/certificate.h"

#include "codec/pem.h"
#include "pki/detail/algorithm.h"
#include "pki/detail/certificate_state.h"
#include "pki/detail/extension_reader.h"

namespace sallyport::pki {
namespace {

namespace der = codec::der;
using der::Tag;

constexpr std::uint64_t kVersion3 = 2;
constexpr std::string_view kPemLabel = "CERTIFICATE";

Result<Validity> read_validity(der::Reader& reader) {
  TRY(der::Reader times, reader.sequence());
  Validity out;
  TRY(out.not_before, times.time());
  TRY(out.not_after, times.time());
  TRY_VOID(times.finish("validity"));
  if (out.not_after < out.not_before) return fail(Errc::malformed, "validity: ends before it begins");
  return out;
}

Result<void> read_version(der::Reader& tbs) {
  TRY(const auto version, tbs.optional(der::context_constructed(0)));
  if (!version) return fail(Errc::malformed, "version 1, want 3");
  der::Reader reader(version->content);
  TRY(const std::uint64_t number, reader.small_unsigned());
  TRY_VOID(reader.finish("version"));
  if (number != kVersion3) return failf(Errc::malformed, "version {}, want 3", number == 0 ? 1 : number + 1);
  return {};
}

Result<DistinguishedName> read_name(der::Reader& tbs) {
  TRY(const der::Element name, tbs.element(Tag::sequence));
  return DistinguishedName::parse(name.whole);
}

Result<void> read_extensions(der::Reader& tbs, Certificate::State& out) {
  TRY(const auto wrapper, tbs.optional(der::context_constructed(3)));
  if (!wrapper) return {};
  TRY(const der::Reader list, der::enter_only(wrapper->content, Tag::sequence, "extensions"));
  TRY(out.extensions, detail::parse_extensions(list, out.subject.empty()));
  return {};
}

// TBSCertificate := [0] version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo, [3]
// extensions (RFC 5280 §4.1). The unique identifiers [1] and [2] are refused by what follows them: §4.1.2.8 says not to
// use them.
Result<void> read_tbs(ByteView content, ByteView outer_algorithm, const crypto::PublicKey* known,
                      Certificate::State& out) {
  der::Reader tbs(content);
  TRY_VOID(read_version(tbs));
  TRY(const ByteView serial, tbs.integer());
  TRY(out.serial, SerialNumber::from_content(serial));
  TRY(const der::Element algorithm, tbs.element(Tag::sequence));
  if (!equal(algorithm.whole, outer_algorithm))
    return fail(Errc::malformed, "inner and outer signature algorithm differ");
  TRY(out.issuer, read_name(tbs));
  if (out.issuer.empty()) return fail(Errc::malformed, "issuer: empty name");
  TRY(out.validity, read_validity(tbs));
  TRY(out.subject, read_name(tbs));
  TRY(const der::Element spki, tbs.element(Tag::sequence));
  TRY(auto key, detail::parse_subject_public_key(spki.whole, known));
  out.spki_sha256 = crypto::sha256(spki.whole);
  out.public_key_bits = key.bits;
  out.public_key = std::move(key.key);
  TRY_VOID(read_extensions(tbs, out));
  return tbs.finish("to-be-signed part");
}

Result<Certificate> parse(ByteView bytes, const crypto::PublicKey* known) {
  if (bytes.size() > kMaxCertificateBytes) {
    return failf(Errc::malformed, "{} bytes, want at most {}", bytes.size(), kMaxCertificateBytes);
  }
  auto state = std::make_shared<Certificate::State>();
  state->der = to_bytes(bytes);
  TRY(der::Reader reader, der::enter_only(state->der, Tag::sequence, "outer sequence"));
  TRY(const detail::SignedParts parts, detail::read_signed_parts(reader));
  TRY_VOID(reader.finish("outer sequence"));
  state->tbs = parts.tbs.whole;
  state->signature = parts.signature;
  state->scheme = parts.scheme;
  TRY_VOID(read_tbs(parts.tbs.content, parts.algorithm, known, *state));
  state->fingerprint = crypto::sha256(state->der);
  return Certificate(std::shared_ptr<const Certificate::State>(std::move(state)));
}

}  // namespace

ByteView Certificate::der() const {
  return state_->der;
}
ByteView Certificate::tbs() const {
  return state_->tbs;
}
const SerialNumber& Certificate::serial() const {
  return state_->serial;
}
const DistinguishedName& Certificate::issuer() const {
  return state_->issuer;
}
const DistinguishedName& Certificate::subject() const {
  return state_->subject;
}
const Validity& Certificate::validity() const {
  return state_->validity;
}
const crypto::PublicKey& Certificate::public_key() const {
  return *state_->public_key;
}
const Extensions& Certificate::extensions() const {
  return state_->extensions;
}
crypto::SignatureScheme Certificate::signature_scheme() const {
  return state_->scheme;
}
ByteView Certificate::signature() const {
  return state_->signature;
}
const crypto::Sha256Digest& Certificate::fingerprint() const {
  return state_->fingerprint;
}
const crypto::Sha256Digest& Certificate::spki_sha256() const {
  return state_->spki_sha256;
}
ByteView Certificate::public_key_bits() const {
  return state_->public_key_bits;
}

namespace detail {

Result<Certificate> parse_certificate_with_key(ByteView bytes, const crypto::PublicKey* known) {
  auto out = parse(bytes, known);
  if (!out) return std::unexpected(std::move(out).error().at("certificate"));
  return out;
}

}  // namespace detail

Result<Certificate> parse_certificate(ByteView bytes) {
  return detail::parse_certificate_with_key(bytes, nullptr);
}

Result<Certificate> parse_certificate_of(const crypto::PublicKey& key, ByteView bytes) {
  return detail::parse_certificate_with_key(bytes, &key);
}

Result<std::vector<Certificate>> parse_certificates_pem(std::string_view pem, std::size_t limit) {
  TRY(const auto blocks, codec::parse_pem(pem));
  std::vector<Certificate> out;
  for (const codec::PemBlock& block : blocks) {
    if (block.label != kPemLabel) continue;
    if (out.size() >= limit) return failf(Errc::overloaded, "certificates: over {} in one file", limit);
    TRY(Certificate certificate, parse_certificate(block.content));
    out.push_back(std::move(certificate));
  }
  if (out.empty()) return fail(Errc::malformed, "certificates: found no CERTIFICATE block, want at least one");
  return out;
}

std::string encode_certificates_pem(std::span<const Certificate> certificates) {
  std::string out;
  for (const Certificate& certificate : certificates) out += codec::encode_pem(kPemLabel, certificate.der());
  return out;
}

Bytes key_identifier(const crypto::PublicKey& key) {
  constexpr std::size_t kOctets = 20;
  const crypto::Sha256Digest digest = crypto::sha256(detail::public_key_bits(key));
  return to_bytes(ByteView(digest).first(kOctets));
}

crypto::SignatureScheme signature_scheme_of(const crypto::PublicKey& key) {
  switch (key.type()) {
    case crypto::KeyType::p256:
      return crypto::SignatureScheme::ecdsa_p256_sha256;
    case crypto::KeyType::p384:
      return crypto::SignatureScheme::ecdsa_p384_sha384;
    case crypto::KeyType::ed25519:
      return crypto::SignatureScheme::ed25519;
    case crypto::KeyType::rsa:
      return crypto::SignatureScheme::rsa_pkcs1_sha256;
  }
  abort_with(__FILE__, __LINE__, "a key type without a scheme");
}

}  // namespace sallyport::pki
