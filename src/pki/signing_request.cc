#include "pki/signing_request.h"

#include "codec/tlv.h"

namespace sallyport::pki {
namespace {

using codec::TlvReader;
using codec::TlvWriter;

constexpr std::size_t kMaxUrlsPerField = kMaxUrls;
constexpr std::size_t kMaxErrorText = 1'024;
constexpr std::size_t kMaxSpki = 2'048;

// The first field says which alternative the rest is.
constexpr std::uint16_t kTagType = 1;
enum class RequestType : std::uint8_t { issue = 1, crl = 2, object = 3, checkpoint = 4 };
enum class AnswerType : std::uint8_t {
  certificate = 1,
  crl = 2,
  object = 3,
  refusal = 4,
  checkpoint = 5,
  log_position = 6
};

enum IssueField : std::uint16_t {
  issue_ca = 2,
  issue_profile,
  common_name,
  organization,
  dns_name,
  public_key,
  not_before,
  not_after,
  serial,
  permitted_dns,
  ocsp_url,
  crl_url,
  ca_issuer_url,
  next_root_key
};
enum CrlField : std::uint16_t { crl_ca = 2, crl_number, this_update, next_update, delta_base, crl_entry };
enum ObjectField : std::uint16_t { object_kind = 2, payload };
enum CheckpointField : std::uint16_t { log_size = 2, log_root, log_continues, log_proof };
enum AnswerField : std::uint16_t { content = 2, error_code, error_text };

void write_texts(TlvWriter& writer, std::uint16_t tag, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) writer.text(tag, text);
}

Result<std::vector<std::string>> read_texts(TlvReader& reader, std::uint16_t tag, std::size_t limit) {
  std::vector<std::string> out;
  while (reader.next_is(tag)) {
    if (out.size() >= limit) return failf(Errc::malformed, "signing request: over {} of field {}", limit, tag);
    TRY(std::string text, reader.text(tag));
    out.push_back(std::move(text));
  }
  return out;
}

Result<std::string> read_ca_name(TlvReader& reader, std::uint16_t tag) {
  TRY(std::string name, reader.text(tag));
  if (name.size() > kMaxCaName) return failf(Errc::malformed, "signing request: CA name of {} characters", name.size());
  // One that a younger CA has replaced has its serial behind its name.
  const std::size_t at = name.find('@');
  TRY_VOID(ca_kind_of(std::string_view(name).substr(0, at)));
  if (at != std::string::npos) TRY_VOID(SerialNumber::parse_hex(std::string_view(name).substr(at + 1)));
  return name;
}

void write(TlvWriter& writer, const IssueCertificate& request) {
  const CertificateFields& fields = request.fields;
  writer.u8(kTagType, static_cast<std::uint8_t>(RequestType::issue))
      .text(issue_ca, request.ca)
      .u8(issue_profile, static_cast<std::uint8_t>(request.profile))
      .text(common_name, fields.common_name)
      .text(organization, fields.organization);
  write_texts(writer, dns_name, fields.dns_names);
  writer.bytes(public_key, fields.public_key.spki())
      .time(not_before, fields.validity.not_before)
      .time(not_after, fields.validity.not_after)
      .bytes(serial, fields.serial.content());
  write_texts(writer, permitted_dns, fields.permitted_dns);
  write_texts(writer, ocsp_url, fields.ocsp_urls);
  write_texts(writer, crl_url, fields.crl_urls);
  write_texts(writer, ca_issuer_url, fields.ca_issuer_urls);
  if (fields.next_root_key) writer.bytes(next_root_key, *fields.next_root_key);
}

Result<CertificateFields> read_fields(TlvReader& reader) {
  TRY(std::string name, reader.text(common_name));
  TRY(std::string organization_name, reader.text(organization));
  TRY(auto dns_names, read_texts(reader, dns_name, kMaxServerNames));
  TRY(const ByteView spki, reader.bytes(public_key));
  if (spki.size() > kMaxSpki) return failf(Errc::malformed, "signing request: public key of {} bytes", spki.size());
  TRY(crypto::PublicKey key, crypto::PublicKey::from_spki(spki));
  CertificateFields out{.common_name = std::move(name),
                        .organization = std::move(organization_name),
                        .dns_names = std::move(dns_names),
                        .public_key = std::move(key),
                        .validity = {},
                        .serial = {},
                        .permitted_dns = {},
                        .ocsp_urls = {},
                        .crl_urls = {},
                        .ca_issuer_urls = {},
                        .next_root_key = std::nullopt};
  TRY(out.validity.not_before, reader.time(not_before));
  TRY(out.validity.not_after, reader.time(not_after));
  TRY(const ByteView serial_content, reader.bytes(serial));
  TRY(out.serial, SerialNumber::from_content(serial_content));
  TRY(out.permitted_dns, read_texts(reader, permitted_dns, kMaxServerNames));
  TRY(out.ocsp_urls, read_texts(reader, ocsp_url, kMaxUrlsPerField));
  TRY(out.crl_urls, read_texts(reader, crl_url, kMaxUrlsPerField));
  TRY(out.ca_issuer_urls, read_texts(reader, ca_issuer_url, kMaxUrlsPerField));
  if (reader.next_is(next_root_key)) {
    TRY(out.next_root_key, reader.array<32>(next_root_key));
  }
  return out;
}

Result<SigningRequest> read_issue(TlvReader& reader) {
  TRY(std::string ca, read_ca_name(reader, issue_ca));
  TRY(const std::uint8_t number, reader.u8(issue_profile));
  TRY(const ProfileId id, parse_profile_id(number));
  TRY(CertificateFields fields, read_fields(reader));
  return SigningRequest(IssueCertificate{.ca = std::move(ca), .profile = id, .fields = std::move(fields)});
}

// Entry := serial length u8 | serial | revoked at u64 | reason u8
void write(TlvWriter& writer, const SignCrl& request) {
  const CrlFields& fields = request.fields;
  writer.u8(kTagType, static_cast<std::uint8_t>(RequestType::crl))
      .text(crl_ca, request.ca)
      .u64(crl_number, fields.number)
      .time(this_update, fields.this_update)
      .time(next_update, fields.next_update);
  if (fields.delta_base) writer.u64(delta_base, *fields.delta_base);
  for (const RevokedEntry& entry : fields.entries) {
    Writer one;
    one.bytes_u8(entry.serial.content());
    one.u64(static_cast<std::uint64_t>(entry.revoked_at.since_epoch())).u8(static_cast<std::uint8_t>(entry.reason));
    writer.bytes(crl_entry, one.view());
  }
}

Result<RevokedEntry> read_entry(ByteView bytes) {
  Reader reader(bytes);
  RevokedEntry out;
  TRY(const ByteView content_octets, reader.bytes_u8());
  TRY(out.serial, SerialNumber::from_content(content_octets));
  TRY(const std::uint64_t at, reader.u64());
  if (at > static_cast<std::uint64_t>(kNoExpiry.since_epoch()))
    return fail(Errc::malformed, "signing request: a time out of range");
  out.revoked_at = UnixTime(static_cast<std::int64_t>(at));
  TRY(const std::uint8_t reason, reader.u8());
  TRY(out.reason, parse_revocation_reason(reason));
  TRY_VOID(reader.finish("CRL entry"));
  return out;
}

Result<SigningRequest> read_crl(TlvReader& reader) {
  SignCrl out;
  TRY(out.ca, read_ca_name(reader, crl_ca));
  TRY(out.fields.number, reader.u64(crl_number));
  TRY(out.fields.this_update, reader.time(this_update));
  TRY(out.fields.next_update, reader.time(next_update));
  if (reader.next_is(delta_base)) {
    TRY(out.fields.delta_base, reader.u64(delta_base));
  }
  TRY(const auto entries, reader.repeated(crl_entry, kMaxCrlEntries));
  for (const ByteView one : entries) {
    TRY(const RevokedEntry entry, read_entry(one));
    out.fields.entries.push_back(entry);
  }
  return SigningRequest(std::move(out));
}

void write(TlvWriter& writer, const SignObject& request) {
  writer.u8(kTagType, static_cast<std::uint8_t>(RequestType::object))
      .u8(object_kind, static_cast<std::uint8_t>(request.kind))
      .bytes(payload, request.payload);
}

Result<SigningRequest> read_object(TlvReader& reader) {
  TRY(const std::uint8_t kind, reader.u8(object_kind));
  if (kind < static_cast<std::uint8_t>(ControlKind::grant) || kind > static_cast<std::uint8_t>(ControlKind::licence)) {
    return failf(Errc::malformed, "signing request: object kind {}", kind);
  }
  TRY(const ByteView bytes, reader.bytes(payload));
  return SigningRequest(SignObject{.kind = static_cast<ControlKind>(kind), .payload = to_bytes(bytes)});
}

void write(TlvWriter& writer, const SignCheckpoint& request) {
  writer.u8(kTagType, static_cast<std::uint8_t>(RequestType::checkpoint))
      .u64(log_size, request.size)
      .bytes(log_root, request.root)
      .u64(log_continues, request.continues);
  for (const auto& hash : request.proof) writer.bytes(log_proof, hash);
}

Result<SigningRequest> read_checkpoint(TlvReader& reader) {
  SignCheckpoint out;
  TRY(out.size, reader.u64(log_size));
  TRY(out.root, reader.array<32>(log_root));
  TRY(out.continues, reader.u64(log_continues));
  TRY(const auto hashes, reader.repeated(log_proof, kMaxLogProofHashes));
  for (const ByteView one : hashes) {
    Reader hash(one);
    TRY(out.proof.emplace_back(), hash.array<32>());
    TRY_VOID(hash.finish("hash of a log's proof"));
  }
  return SigningRequest(std::move(out));
}

Result<SigningRequest> read_request(TlvReader& reader, std::uint8_t type) {
  switch (static_cast<RequestType>(type)) {
    case RequestType::issue:
      return read_issue(reader);
    case RequestType::crl:
      return read_crl(reader);
    case RequestType::object:
      return read_object(reader);
    case RequestType::checkpoint:
      return read_checkpoint(reader);
  }
  return failf(Errc::malformed, "signing request: type {}, want 1 to 4", type);
}

Result<SigningAnswer> read_answer(TlvReader& reader, std::uint8_t type) {
  if (type == static_cast<std::uint8_t>(AnswerType::refusal)) {
    Error error;
    TRY(const std::uint8_t code, reader.u8(error_code));
    if (code > static_cast<std::uint8_t>(Errc::internal))
      return failf(Errc::malformed, "signing answer: error code {}", code);
    error.code = static_cast<Errc>(code);
    TRY(error.detail, reader.text(error_text));
    return SigningAnswer(std::move(error));
  }
  if (type == static_cast<std::uint8_t>(AnswerType::log_position)) {
    LogPosition position;
    TRY(position.size, reader.u64(content));
    return SigningAnswer(position);
  }
  TRY(const ByteView bytes, reader.bytes(content));
  switch (static_cast<AnswerType>(type)) {
    case AnswerType::certificate:
      return SigningAnswer(IssuedCertificate{to_bytes(bytes)});
    case AnswerType::crl:
      return SigningAnswer(SignedCrl{to_bytes(bytes)});
    case AnswerType::object:
      return SigningAnswer(SealedObject{to_bytes(bytes)});
    case AnswerType::checkpoint:
      return SigningAnswer(SignedCheckpoint{std::string(as_text(bytes))});
    case AnswerType::refusal:
    case AnswerType::log_position:
      break;
  }
  return failf(Errc::malformed, "signing answer: type {}, want 1 to 6", type);
}

// What went wrong, in the characters that a text field may have.
std::string field_text(std::string_view text) {
  std::string out(text.substr(0, kMaxErrorText));
  for (char& c : out) {
    if (c < 0x20 || c >= 0x7F) c = '?';
  }
  return out;
}

}  // namespace

Bytes encode_signing_request(const SigningRequest& request) {
  TlvWriter writer;
  std::visit([&](const auto& one) { write(writer, one); }, request);
  return std::move(writer).take();
}

Result<SigningRequest> parse_signing_request(ByteView bytes) {
  if (bytes.size() > kMaxSigningRequestBytes) {
    return failf(Errc::malformed, "signing request: {} bytes, want at most {}", bytes.size(), kMaxSigningRequestBytes);
  }
  TlvReader reader(bytes, "signing request");
  TRY(const std::uint8_t type, reader.u8(kTagType));
  auto out = read_request(reader, type);
  if (out) TRY_VOID(reader.finish());
  return out;
}

Bytes encode_signing_answer(const SigningAnswer& answer) {
  TlvWriter writer;
  const auto type = [&](AnswerType value) -> TlvWriter& {
    return writer.u8(kTagType, static_cast<std::uint8_t>(value));
  };
  if (const auto* issued = std::get_if<IssuedCertificate>(&answer)) {
    type(AnswerType::certificate).bytes(content, issued->der);
  } else if (const auto* crl = std::get_if<SignedCrl>(&answer)) {
    type(AnswerType::crl).bytes(content, crl->der);
  } else if (const auto* object = std::get_if<SealedObject>(&answer)) {
    type(AnswerType::object).bytes(content, object->bytes);
  } else if (const auto* checkpoint = std::get_if<SignedCheckpoint>(&answer)) {
    type(AnswerType::checkpoint).bytes(content, as_bytes(checkpoint->note));
  } else if (const auto* position = std::get_if<LogPosition>(&answer)) {
    type(AnswerType::log_position).u64(content, position->size);
  } else {
    const Error& error = std::get<Error>(answer);
    type(AnswerType::refusal)
        .u8(error_code, static_cast<std::uint8_t>(error.code))
        .text(error_text, field_text(error.detail));
  }
  return std::move(writer).take();
}

Result<SigningAnswer> parse_signing_answer(ByteView bytes) {
  if (bytes.size() > kMaxSigningRequestBytes) {
    return failf(Errc::malformed, "signing answer: {} bytes, want at most {}", bytes.size(), kMaxSigningRequestBytes);
  }
  TlvReader reader(bytes, "signing answer");
  TRY(const std::uint8_t type, reader.u8(kTagType));
  Result<SigningAnswer> out = read_answer(reader, type);
  if (out) TRY_VOID(reader.finish());
  return out;
}

}  // namespace sallyport::pki
