#include "pki/detail/ocsp_codec.h"

namespace sallyport::pki {
namespace {

namespace der = codec::der;
using der::Tag;

template <class Digest>
Bytes bytes_of(const Digest& digest) {
  return {digest.begin(), digest.end()};
}

// Request := SEQUENCE { reqCert CertID, [0] singleRequestExtensions }
Result<CertId> read_question(der::Reader& list) {
  TRY(der::Reader request, list.sequence());
  TRY(CertId id, detail::read_cert_id(request));
  TRY(const auto extensions, request.optional(der::context_constructed(0)));
  TRY_VOID(request.finish("single request"));
  if (extensions) {
    TRY(const der::Reader reader, der::enter_only(extensions->content, Tag::sequence, "single request extensions"));
    TRY_VOID(detail::read_nonce(reader));
  }
  return id;
}

// TBSRequest := SEQUENCE { [0] version, [1] requestorName, requestList, [2] requestExtensions }      (RFC 6960 §4.1.1)
Result<OcspRequest> read_tbs(der::Reader tbs) {
  TRY(const auto version, tbs.optional(der::context_constructed(0)));
  if (version) return fail(Errc::malformed, "a version that is written out, want 1 as the default");
  TRY_VOID(tbs.optional(der::context_constructed(1)));
  TRY(der::Reader list, tbs.sequence());
  TRY(const auto extensions, tbs.optional(der::context_constructed(2)));
  TRY_VOID(tbs.finish("request"));
  OcspRequest out;
  while (!list.at_end()) {
    if (out.ids.size() >= kMaxCertIds) return failf(Errc::malformed, "over {} certificates", kMaxCertIds);
    TRY(CertId id, read_question(list));
    out.ids.push_back(std::move(id));
  }
  if (out.ids.empty()) return fail(Errc::malformed, "no certificate");
  if (extensions) {
    TRY(const der::Reader reader, der::enter_only(extensions->content, Tag::sequence, "request extensions"));
    TRY(out.nonce, detail::read_nonce(reader));
  }
  return out;
}

Result<OcspRequest> read_request(ByteView bytes) {
  if (bytes.size() > kMaxOcspRequestBytes) {
    return failf(Errc::malformed, "{} bytes, want at most {}", bytes.size(), kMaxOcspRequestBytes);
  }
  TRY(der::Reader reader, der::enter_only(bytes, Tag::sequence, "outer sequence"));
  TRY(const der::Reader tbs, reader.sequence());
  TRY_VOID(reader.optional(der::context_constructed(0)));
  TRY_VOID(reader.finish("outer sequence"));
  return read_tbs(tbs);
}

}  // namespace

CertId make_cert_id(CertIdHash hash, const Certificate& issuer, const SerialNumber& serial) {
  const ByteView name = issuer.subject().der();
  const ByteView key = issuer.public_key_bits();
  const bool old = hash == CertIdHash::sha1;
  return {.hash = hash,
          .issuer_name_hash = old ? bytes_of(crypto::sha1(name)) : bytes_of(crypto::sha256(name)),
          .issuer_key_hash = old ? bytes_of(crypto::sha1(key)) : bytes_of(crypto::sha256(key)),
          .serial = serial};
}

Result<OcspRequest> parse_ocsp_request(ByteView bytes) {
  auto out = read_request(bytes);
  if (!out) return std::unexpected(std::move(out).error().at("OCSP request"));
  return out;
}

Bytes encode_ocsp_request(const OcspRequest& request) {
  SALLYPORT_CHECK(!request.ids.empty() && request.ids.size() <= kMaxCertIds);
  Bytes list;
  for (const CertId& id : request.ids) append(list, der::encode(Tag::sequence, detail::encode_cert_id(id)));
  Bytes extensions;
  if (request.nonce) extensions = der::encode(der::context_constructed(2), detail::encode_nonce(*request.nonce));
  const Bytes tbs = der::encode_sequence({der::encode(Tag::sequence, list), extensions});
  return der::encode(Tag::sequence, tbs);
}

}  // namespace sallyport::pki
