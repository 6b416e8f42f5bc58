#include "pki/signed_object.h"

#include "codec/tlv.h"

namespace sallyport::pki {
namespace {

constexpr std::uint16_t kTagCertificate = 1;
constexpr std::uint16_t kTagPayload = 2;
constexpr std::uint16_t kTagSignature = 3;
constexpr std::size_t kMaxSignature = 1'024;

struct Envelope {
  std::vector<Bytes> certificates;
  ByteView payload;  // borrows
  ByteView signature;
};

Result<Envelope> read_envelope(ByteView sealed) {
  if (sealed.size() > kMaxObjectBytes) {
    return failf(Errc::malformed, "signed object: {} bytes, want at most {}", sealed.size(), kMaxObjectBytes);
  }
  codec::TlvReader reader(sealed, "signed object");
  Envelope out;
  TRY(const auto certificates, reader.repeated(kTagCertificate, kMaxObjectCertificates));
  for (const ByteView certificate : certificates) out.certificates.push_back(to_bytes(certificate));
  TRY(out.payload, reader.bytes(kTagPayload));
  TRY(out.signature, reader.bytes(kTagSignature));
  if (out.signature.size() > kMaxSignature) return fail(Errc::malformed, "signed object: signature too long");
  TRY_VOID(reader.finish());
  return out;
}

}  // namespace

Result<Bytes> seal_object(ControlKind kind, ByteView payload, crypto::SigningKey& key,
                          std::span<const Certificate> chain) {
  if (payload.size() > kMaxObjectPayload) {
    return failf(Errc::overloaded, "signed object: {} bytes, want at most {}", payload.size(), kMaxObjectPayload);
  }
  if (chain.empty() || chain.size() > kMaxObjectCertificates) {
    return failf(Errc::malformed, "signed object: {} certificates, want 1 to {}", chain.size(), kMaxObjectCertificates);
  }
  const Certificate& signer = chain.front();
  if (!(signer.public_key() == key.public_key()))
    return fail(Errc::conflict, "signed object: the key is not the signer's");
  if (!signer.extensions().has_extended_key_usage(oid_of(use_of(kind)))) {
    return failf(Errc::unauthorized, "signed object: the signer's certificate is not for kind {}", to_string(kind));
  }
  TRY(const Bytes signature, key.sign(codec::signing_input(to_string(kind), payload)));
  codec::TlvWriter writer;
  for (const Certificate& certificate : chain) writer.bytes(kTagCertificate, certificate.der());
  writer.bytes(kTagPayload, payload).bytes(kTagSignature, signature);
  return std::move(writer).take();
}

Verdict<OpenedObject> open_object(ControlKind kind, ByteView sealed, std::span<const Certificate> anchors,
                                  const TimeRule& time, const RootCrls& root_crls) {
  auto envelope = read_envelope(sealed);
  if (!envelope) return refuse(Reason::malformed, std::move(envelope).error().detail);
  auto chain = parse_chain(envelope->certificates);
  if (!chain) return std::unexpected(std::move(chain).error());
  auto verified = verify_chain(*chain, anchors, ControlPurpose{kind}, time, root_crls);
  if (!verified) return std::unexpected(std::move(verified).error());
  const Certificate& signer = verified->leaf();
  const crypto::SignatureScheme scheme = signature_scheme_of(signer.public_key());
  if (!signer.public_key().verify(scheme, codec::signing_input(to_string(kind), envelope->payload),
                                  envelope->signature)) {
    return refuse(Reason::bad_signature, "signed object: signature is not its signer's");
  }
  return OpenedObject(kind, to_bytes(envelope->payload), *std::move(verified));
}

}  // namespace sallyport::pki
