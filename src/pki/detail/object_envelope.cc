#include "pki/detail/object_envelope.h"

#include "codec/tlv.h"

namespace sallyport::pki::detail {
namespace {

constexpr std::uint16_t kTagCertificate = 1;
constexpr std::uint16_t kTagPayload = 2;
constexpr std::uint16_t kTagSignature = 3;
constexpr std::size_t kMaxSignature = 1'024;

}  // namespace

Result<Envelope> read_envelope(ByteView sealed, const EnvelopeLimits& limits) {
  if (sealed.size() > limits.bytes)
    return failf(Errc::malformed, "{}: {} bytes, want at most {}", limits.where, sealed.size(), limits.bytes);
  codec::TlvReader reader(sealed, limits.where);
  Envelope out;
  TRY(const auto certificates, reader.repeated(kTagCertificate, limits.certificates));
  for (const ByteView certificate : certificates) out.certificates.push_back(to_bytes(certificate));
  TRY(out.payload, reader.bytes(kTagPayload));
  TRY(out.signature, reader.bytes(kTagSignature));
  if (out.signature.size() > kMaxSignature) return failf(Errc::malformed, "{}: signature too long", limits.where);
  TRY_VOID(reader.finish());
  return out;
}

Bytes write_envelope(std::span<const Certificate> chain, ByteView payload, ByteView signature) {
  codec::TlvWriter writer;
  for (const Certificate& certificate : chain) writer.bytes(kTagCertificate, certificate.der());
  writer.bytes(kTagPayload, payload).bytes(kTagSignature, signature);
  return std::move(writer).take();
}

}  // namespace sallyport::pki::detail
