#include "pki/detail/ocsp_codec.h"

#include "pki/detail/extension_reader.h"
#include "pki/oids.h"

namespace sallyport::pki::detail {
namespace {

namespace der = codec::der;
using der::Tag;

}  // namespace

// CertID := SEQUENCE { hashAlgorithm, issuerNameHash OCTET STRING, issuerKeyHash OCTET STRING, serialNumber INTEGER }
Result<CertId> read_cert_id(der::Reader& reader) {
  TRY(der::Reader id, reader.sequence());
  TRY(der::Reader algorithm, id.sequence());
  TRY(const Oid hash, algorithm.oid());
  TRY_VOID(algorithm.optional(Tag::null));
  TRY_VOID(algorithm.finish("hash algorithm"));
  CertId out;
  if (hash == oid::sha1) {
    out.hash = CertIdHash::sha1;
  } else if (hash == oid::sha256) {
    out.hash = CertIdHash::sha256;
  } else {
    return failf(Errc::malformed, "certificate id: hash {}, want SHA-1 or SHA-256", hash.dotted());
  }
  const std::size_t size = out.hash == CertIdHash::sha1 ? crypto::Sha1Digest().size() : crypto::Sha256Digest().size();
  TRY(const ByteView name_hash, id.octet_string());
  TRY(const ByteView key_hash, id.octet_string());
  if (name_hash.size() != size || key_hash.size() != size) {
    return failf(Errc::malformed, "certificate id: hashes of {} and {} octets, want {}", name_hash.size(),
                 key_hash.size(), size);
  }
  out.issuer_name_hash = to_bytes(name_hash);
  out.issuer_key_hash = to_bytes(key_hash);
  TRY(const ByteView serial, id.integer());
  TRY(out.serial, SerialNumber::from_content(serial));
  TRY_VOID(id.finish("certificate id"));
  return out;
}

Bytes encode_cert_id(const CertId& id) {
  const Oid& hash = id.hash == CertIdHash::sha1 ? oid::sha1 : oid::sha256;
  return der::encode_sequence(
      {der::encode_sequence({der::encode_oid(hash), der::encode_null()}), der::encode_octet_string(id.issuer_name_hash),
       der::encode_octet_string(id.issuer_key_hash), der::encode(Tag::integer, id.serial.content())});
}

Result<std::optional<Bytes>> read_nonce(der::Reader extensions) {
  std::optional<Bytes> out;
  for (std::size_t count = 0; !extensions.at_end(); ++count) {
    if (count >= kMaxExtensions) return failf(Errc::malformed, "extensions: over {}", kMaxExtensions);
    TRY(const RawExtension extension, read_extension(extensions));
    if (extension.oid == oid::ocsp_nonce) {
      if (out) return fail(Errc::malformed, "nonce: twice");
      der::Reader value(extension.value);
      TRY(const ByteView nonce, value.octet_string());
      TRY_VOID(value.finish("nonce"));
      if (nonce.empty() || nonce.size() > kMaxNonce)
        return failf(Errc::malformed, "nonce: {} octets, want 1 to {}", nonce.size(), kMaxNonce);
      out = to_bytes(nonce);
    } else if (extension.critical) {
      return failf(Errc::malformed, "unknown critical extension {}", extension.oid.dotted());
    }
  }
  return out;
}

Bytes encode_nonce(ByteView nonce) {
  return der::encode(Tag::sequence, encode_extension(oid::ocsp_nonce, false, der::encode_octet_string(nonce)));
}

}  // namespace sallyport::pki::detail
