#include "pki/signed_object.h"

#include "codec/tlv.h"
#include "pki/detail/object_envelope.h"

namespace sallyport::pki {
namespace {

constexpr detail::EnvelopeLimits kObjectLimits{
    .where = "signed object", .bytes = kMaxObjectBytes, .certificates = kMaxObjectCertificates};

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
  return detail::write_envelope(chain, payload, signature);
}

Verdict<OpenedObject> open_object(ControlKind kind, ByteView sealed, std::span<const Certificate> anchors,
                                  const TimeRule& time, const RootCrls& root_crls) {
  auto envelope = detail::read_envelope(sealed, kObjectLimits);
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
