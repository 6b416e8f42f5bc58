#include <algorithm>

#include "pki/detail/algorithm.h"
#include "pki/detail/extension_reader.h"
#include "pki/detail/ocsp_codec.h"
#include "pki/oids.h"

namespace sallyport::pki {
namespace {

namespace der = codec::der;
using der::Tag;

constexpr std::size_t kMaxCertificates = 2;
constexpr der::Tag kGood = der::context_primitive(0);
constexpr der::Tag kRevoked = der::context_constructed(1);
constexpr der::Tag kUnknown = der::context_primitive(2);

// RevokedInfo := { revocationTime GeneralizedTime, [0] EXPLICIT CRLReason }
Result<RevokedStatus> read_revoked(der::Reader reader) {
  RevokedStatus out;
  TRY(out.at, reader.generalized_time());
  TRY(const auto wrapper, reader.optional(der::context_constructed(0)));
  TRY_VOID(reader.finish("revoked status"));
  if (!wrapper) return out;
  TRY(const der::Reader value, der::enter_only(wrapper->content, Tag::enumerated, "revocation reason"));
  if (value.rest().size() != 1) return fail(Errc::malformed, "revocation reason out of range");
  TRY(out.reason, parse_revocation_reason(value.rest()[0]));
  return out;
}

Result<CertificateStatus> read_status(der::Reader& reader) {
  TRY(const der::Element status, reader.any());
  if (status.tag == kRevoked) {
    TRY(const RevokedStatus revoked, read_revoked(der::Reader(status.content)));
    return CertificateStatus(revoked);
  }
  if (!status.content.empty()) return fail(Errc::malformed, "status: content where none belongs");
  if (status.tag == kGood) return CertificateStatus(GoodStatus{});
  if (status.tag == kUnknown) return CertificateStatus(UnknownStatus{});
  return failf(Errc::malformed, "status: tag {:#04x}", static_cast<unsigned>(status.tag));
}

// CrlID := SEQUENCE { [0] EXPLICIT crlUrl, [1] EXPLICIT crlNum INTEGER, [2] EXPLICIT crlTime }      (RFC 6960 §4.4.2)
Result<std::optional<std::uint64_t>> read_crl_id(ByteView value) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "CRL reference"));
  TRY_VOID(reader.optional(der::context_constructed(0)));
  TRY(const auto number, reader.optional(der::context_constructed(1)));
  TRY_VOID(reader.optional(der::context_constructed(2)));
  TRY_VOID(reader.finish("CRL reference"));
  std::optional<std::uint64_t> out;
  if (!number) return out;
  der::Reader inner(number->content);
  TRY(out, inner.small_unsigned());
  TRY_VOID(inner.finish("CRL number"));
  return out;
}

// RootCrlNumbers := SEQUENCE SIZE (1..8) OF SEQUENCE { keyIdentifier OCTET STRING, cRLNumber INTEGER }
Result<std::vector<RootCrlNumber>> read_root_crl_numbers(ByteView value) {
  TRY(der::Reader list, der::enter_only(value, Tag::sequence, "root CRL numbers"));
  std::vector<RootCrlNumber> out;
  while (!list.at_end()) {
    if (out.size() >= kMaxRootCrlNumbers)
      return failf(Errc::malformed, "root CRL numbers: over {}", kMaxRootCrlNumbers);
    TRY(der::Reader one, list.sequence());
    TRY(const ByteView key_id, one.octet_string());
    RootCrlNumber entry{.key_id = to_bytes(key_id)};
    TRY(entry.number, one.small_unsigned());
    TRY_VOID(one.finish("root CRL number"));
    if (std::ranges::find(out, entry.key_id, &RootCrlNumber::key_id) != out.end())
      return fail(Errc::malformed, "root CRL numbers: a root twice");
    out.push_back(std::move(entry));
  }
  if (out.empty()) return fail(Errc::malformed, "root CRL numbers: none");
  return out;
}

Bytes encode_root_crl_numbers(const std::vector<RootCrlNumber>& numbers) {
  Bytes list;
  for (const RootCrlNumber& each : numbers) {
    append(list,
           der::encode_sequence({der::encode_octet_string(each.key_id), der::encode_small_unsigned(each.number)}));
  }
  return detail::encode_extension(oid::ocsp_root_crl_numbers, false, der::encode(Tag::sequence, list));
}

Result<void> read_single_extensions(der::Reader reader, SingleResponse& out) {
  for (std::size_t count = 0; !reader.at_end(); ++count) {
    if (count >= kMaxExtensions) return failf(Errc::malformed, "extensions: over {}", kMaxExtensions);
    TRY(const detail::RawExtension extension, detail::read_extension(reader));
    if (extension.oid == oid::ocsp_crl) {
      if (out.crl_number) return fail(Errc::malformed, "CRL reference: twice");
      TRY(out.crl_number, read_crl_id(extension.value));
    } else if (extension.oid == oid::ocsp_root_crl_numbers) {
      if (!out.root_crl_numbers.empty()) return fail(Errc::malformed, "root CRL numbers: twice");
      TRY(out.root_crl_numbers, read_root_crl_numbers(extension.value));
    } else if (extension.critical) {
      return failf(Errc::malformed, "unknown critical extension {}", extension.oid.dotted());
    }
  }
  return {};
}

Result<SingleResponse> read_single_response(der::Reader& list) {
  TRY(der::Reader reader, list.sequence());
  SingleResponse out;
  TRY(out.id, detail::read_cert_id(reader));
  TRY(out.status, read_status(reader));
  TRY(out.this_update, reader.generalized_time());
  TRY(const auto next, reader.optional(der::context_constructed(0)));
  TRY(const auto extensions, reader.optional(der::context_constructed(1)));
  TRY_VOID(reader.finish("single response"));
  if (next) {
    der::Reader time(next->content);
    TRY(out.next_update, time.generalized_time());
    TRY_VOID(time.finish("nextUpdate"));
    if (*out.next_update < out.this_update) return fail(Errc::malformed, "nextUpdate before thisUpdate");
  }
  if (extensions) {
    TRY(const der::Reader inner, der::enter_only(extensions->content, Tag::sequence, "single extensions"));
    TRY_VOID(read_single_extensions(inner, out));
  }
  return out;
}

// ResponderID := CHOICE { [1] EXPLICIT byName Name, [2] EXPLICIT byKey OCTET STRING }
Result<void> read_responder(der::Reader& tbs, OcspResponse& out) {
  TRY(const der::Element responder, tbs.any());
  der::Reader inner(responder.content);
  if (responder.tag == der::context_constructed(1)) {
    TRY(const DistinguishedName name, DistinguishedName::parse(responder.content));
    out.responder_name = to_bytes(name.der());
    return {};
  }
  if (responder.tag != der::context_constructed(2)) return fail(Errc::malformed, "responder: neither name nor key");
  TRY(const ByteView hash, inner.octet_string());
  TRY_VOID(inner.finish("responder"));
  if (hash.size() != crypto::Sha1Digest().size())
    return failf(Errc::malformed, "responder: key hash of {} octets", hash.size());
  out.responder_key_hash = to_bytes(hash);
  return {};
}

// ResponseData := SEQUENCE { [0] version, responderID, producedAt, responses, [1] responseExtensions }      (§4.2.1)
Result<void> read_tbs(ByteView content, OcspResponse& out) {
  der::Reader tbs(content);
  if (tbs.peek() == der::context_constructed(0))
    return fail(Errc::malformed, "a version that is written out, want 1 as the default");
  TRY_VOID(read_responder(tbs, out));
  TRY(out.answer.produced_at, tbs.generalized_time());
  TRY(der::Reader list, tbs.sequence());
  TRY(const auto extensions, tbs.optional(der::context_constructed(1)));
  TRY_VOID(tbs.finish("response data"));
  while (!list.at_end()) {
    if (out.answer.responses.size() >= kMaxCertIds) return failf(Errc::malformed, "over {} answers", kMaxCertIds);
    TRY(SingleResponse single, read_single_response(list));
    out.answer.responses.push_back(std::move(single));
  }
  if (out.answer.responses.empty()) return fail(Errc::malformed, "no answer");
  if (!extensions) return {};
  TRY(const der::Reader inner, der::enter_only(extensions->content, Tag::sequence, "response extensions"));
  TRY(out.answer.nonce, detail::read_nonce(inner));
  return {};
}

// BasicOCSPResponse := SEQUENCE { tbsResponseData, signatureAlgorithm, signature, [0] EXPLICIT certs }
Result<void> read_basic(ByteView bytes, OcspResponse& out) {
  TRY(der::Reader reader, der::enter_only(bytes, Tag::sequence, "basic response"));
  TRY(const detail::SignedParts parts, detail::read_signed_parts(reader));
  TRY(const auto wrapper, reader.optional(der::context_constructed(0)));
  TRY_VOID(reader.finish("basic response"));
  out.tbs = to_bytes(parts.tbs.whole);
  out.scheme = parts.scheme;
  out.signature = to_bytes(parts.signature);
  TRY_VOID(read_tbs(parts.tbs.content, out));
  if (!wrapper) return {};
  TRY(der::Reader certificates, der::enter_only(wrapper->content, Tag::sequence, "certificates"));
  while (!certificates.at_end()) {
    if (out.certificates.size() >= kMaxCertificates)
      return failf(Errc::malformed, "over {} certificates", kMaxCertificates);
    TRY(const der::Element element, certificates.element(Tag::sequence));
    TRY(Certificate certificate, parse_certificate(element.whole));
    out.certificates.push_back(std::move(certificate));
  }
  return {};
}

Result<OcspResponseStatus> read_response_status(der::Reader& reader) {
  TRY(const der::Element element, reader.element(Tag::enumerated));
  constexpr std::uint8_t kUnused = 4;  // RFC 6960 §4.2.1: "(4) is not used"
  const bool known = element.content.size() == 1 && element.content[0] <= 6 && element.content[0] != kUnused;
  if (!known) return fail(Errc::malformed, "response status out of range");
  return static_cast<OcspResponseStatus>(element.content[0]);
}

Result<OcspResponse> read_response(ByteView bytes) {
  if (bytes.size() > kMaxOcspResponseBytes) {
    return failf(Errc::malformed, "{} bytes, want at most {}", bytes.size(), kMaxOcspResponseBytes);
  }
  TRY(der::Reader reader, der::enter_only(bytes, Tag::sequence, "outer sequence"));
  OcspResponse out;
  TRY(out.status, read_response_status(reader));
  TRY(const auto body, reader.optional(der::context_constructed(0)));
  TRY_VOID(reader.finish("outer sequence"));
  if ((out.status == OcspResponseStatus::successful) != body.has_value()) {
    return fail(Errc::malformed, "a body where none belongs, or none where one does");
  }
  if (!body) return out;
  TRY(der::Reader response, der::enter_only(body->content, Tag::sequence, "response bytes"));
  TRY(const Oid type, response.oid());
  if (type != oid::ocsp_basic) return failf(Errc::malformed, "response type {}, want basic", type.dotted());
  TRY(const ByteView basic, response.octet_string());
  TRY_VOID(response.finish("response bytes"));
  TRY_VOID(read_basic(basic, out));
  return out;
}

Bytes encode_status(const CertificateStatus& status) {
  if (std::holds_alternative<GoodStatus>(status)) return der::encode(kGood, {});
  if (std::holds_alternative<UnknownStatus>(status)) return der::encode(kUnknown, {});
  const RevokedStatus& revoked = std::get<RevokedStatus>(status);
  Bytes reason;
  if (revoked.reason != RevocationReason::unspecified) {
    const std::array<std::uint8_t, 1> value = {static_cast<std::uint8_t>(revoked.reason)};
    reason = der::encode(der::context_constructed(0), der::encode(Tag::enumerated, value));
  }
  return der::encode(kRevoked, der::concat({der::encode_generalized_time(revoked.at), reason}));
}

Bytes encode_single(const SingleResponse& single) {
  Bytes next;
  if (single.next_update)
    next = der::encode(der::context_constructed(0), der::encode_generalized_time(*single.next_update));
  Bytes extensions;
  if (single.crl_number) {
    const Bytes number = der::encode(der::context_constructed(1), der::encode_small_unsigned(*single.crl_number));
    append(extensions, detail::encode_extension(oid::ocsp_crl, false, der::encode(Tag::sequence, number)));
  }
  if (!single.root_crl_numbers.empty()) append(extensions, encode_root_crl_numbers(single.root_crl_numbers));
  if (!extensions.empty())
    extensions = der::encode(der::context_constructed(1), der::encode(Tag::sequence, extensions));
  return der::encode_sequence({detail::encode_cert_id(single.id), encode_status(single.status),
                               der::encode_generalized_time(single.this_update), next, extensions});
}

}  // namespace

Bytes encode_ocsp_answer(const OcspAnswer& answer, const crypto::PublicKey& delegate_key) {
  SALLYPORT_CHECK(!answer.responses.empty() && answer.responses.size() <= kMaxCertIds);
  const auto key_hash = crypto::sha1(detail::public_key_bits(delegate_key));
  Bytes list;
  for (const SingleResponse& single : answer.responses) append(list, encode_single(single));
  Bytes extensions;
  if (answer.nonce) extensions = der::encode(der::context_constructed(1), detail::encode_nonce(*answer.nonce));
  return der::encode_sequence({der::encode(der::context_constructed(2), der::encode_octet_string(key_hash)),
                               der::encode_generalized_time(answer.produced_at), der::encode(Tag::sequence, list),
                               extensions});
}

Bytes encode_ocsp_response(ByteView answer, crypto::SignatureScheme scheme, ByteView signature,
                           const Certificate* delegate) {
  Bytes certificates;
  if (delegate != nullptr) {
    certificates = der::encode(der::context_constructed(0), der::encode(Tag::sequence, delegate->der()));
  }
  const Bytes basic = der::encode_sequence(
      {answer, detail::encode_signature_algorithm(scheme), der::encode_bit_string(signature), certificates});
  const Bytes body = der::encode_sequence({der::encode_oid(oid::ocsp_basic), der::encode_octet_string(basic)});
  constexpr std::array<std::uint8_t, 1> kSuccessful = {0};
  return der::encode_sequence(
      {der::encode(Tag::enumerated, kSuccessful), der::encode(der::context_constructed(0), body)});
}

Result<Bytes> build_ocsp_response(const OcspAnswer& answer, crypto::SigningKey& key, const Certificate* delegate) {
  if (delegate != nullptr && !(delegate->public_key() == key.public_key())) {
    return fail(Errc::conflict, "OCSP response: the key is not the delegate's");
  }
  const Bytes tbs = encode_ocsp_answer(answer, key.public_key());
  TRY(const Bytes signature, key.sign(tbs));
  return encode_ocsp_response(tbs, key.scheme(), signature, delegate);
}

Bytes encode_ocsp_error(OcspResponseStatus status) {
  SALLYPORT_CHECK(status != OcspResponseStatus::successful);
  const std::array<std::uint8_t, 1> value = {static_cast<std::uint8_t>(status)};
  return der::encode(Tag::sequence, der::encode(Tag::enumerated, value));
}

Result<OcspResponse> parse_ocsp_response(ByteView bytes) {
  auto out = read_response(bytes);
  if (!out) return std::unexpected(std::move(out).error().at("OCSP response"));
  return out;
}

}  // namespace sallyport::pki
