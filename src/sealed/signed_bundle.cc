#include "sealed/signed_bundle.h"

#include <string_view>

#include "sealed/messages.h"

namespace sallyport::sealed {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kBundleMark = "sallyport/rpc-bundle/v1\0"sv;

Bytes signing_input(ByteView payload) {
  return Writer().text(kBundleMark).bytes(payload).take();
}

}  // namespace

Result<Bytes> sign_bundle(const Bundle& bundle, crypto::SigningKey& key, std::span<const pki::Certificate> chain) {
  const Bytes payload = encode_bundle(bundle);
  TRY(const Bytes signature, key.sign(signing_input(payload)));
  Bytes joined;
  for (const pki::Certificate& certificate : chain) append(joined, certificate.der());
  if (joined.size() + payload.size() + signature.size() > kMaxSignedBundle - 8)
    return failf(Errc::overloaded, "bundle: chain of {} bytes, want fewer", joined.size());
  return Writer().bytes_u16(joined).bytes_u8(signature).bytes(payload).take();
}

Result<OpenedBundle> open_bundle(ByteView bytes, std::span<const pki::Certificate> anchors, const DnsName& zone,
                                 UnixTime now) {
  if (bytes.size() > kMaxSignedBundle)
    return failf(Errc::malformed, "bundle: {} bytes, want at most {}", bytes.size(), kMaxSignedBundle);
  Reader reader(bytes);
  TRY(const ByteView joined, reader.bytes_u16());
  TRY(const ByteView signature, reader.bytes_u8());
  const ByteView payload = reader.rest();
  TRY(const auto der, split_chain(joined));
  TRY(const auto chain, pki::parse_chain(der));
  TRY(auto signer,
      pki::verify_chain(chain, anchors, pki::OperationalDevicePurpose{.zone = zone}, pki::TimeRule::clock(now)));
  const crypto::PublicKey& key = signer.leaf().public_key();
  TRY_VOID(key.verify(crypto::default_scheme(key.type()), signing_input(payload), signature));
  TRY(auto bundle, parse_bundle(payload));
  return OpenedBundle{.bundle = std::move(bundle), .signer = std::move(signer)};
}

}  // namespace sallyport::sealed
