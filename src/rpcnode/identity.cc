#include "rpcnode/identity.h"

#include <algorithm>
#include <utility>

#include "keystore/key_file.h"
#include "pki/verify.h"

namespace sallyport::rpcnode {
namespace {

constexpr std::size_t kMaxIdentityFile = 64U << 10U;
constexpr std::size_t kMaxIdentityCertificates = 16;

Result<std::vector<pki::Certificate>> read_certificates(const std::filesystem::path& file) {
  TRY(const Bytes pem, keystore::read_file(file, kMaxIdentityFile));
  auto certificates = pki::parse_certificates_pem(as_text(pem), kMaxIdentityCertificates);
  if (!certificates) return std::unexpected(std::move(certificates).error().at(file.native()));
  return *std::move(certificates);
}

// When the first certificate of the path ends.
UnixTime end_of(const pki::VerifiedChain& verified) {
  UnixTime out = verified.leaf().validity().not_after;
  for (const pki::Certificate& certificate : verified.path()) out = std::min(out, certificate.validity().not_after);
  return out;
}

}  // namespace

IdentitySettings identity_in(const std::filesystem::path& folder, DnsName zone) {
  std::error_code ignored;
  const bool is_person = std::filesystem::exists(folder / kPersonCertificateFile, ignored);
  return {.certificate_file = folder / (is_person ? kPersonCertificateFile : "device.pem"),
          .key_file = folder / (is_person ? kPersonKeyFile : "device.key"),
          .roots_file = folder / (is_person ? kPersonRootsFile : "device-roots.pem"),
          .zone = std::move(zone)};
}

Result<Identity> Identity::read(const IdentitySettings& settings) {
  Identity out;
  TRY(out.chain_, read_certificates(settings.certificate_file));
  TRY(out.roots_, read_certificates(settings.roots_file));
  TRY(auto key, keystore::read_private_key_file(settings.key_file));
  if (!(key.public_key() == out.chain_.front().public_key()))
    return failf(Errc::conflict, "{}: is not the key of {}", settings.key_file.native(),
                 settings.certificate_file.native());
  out.key_ = std::make_shared<crypto::PrivateKey>(std::move(key));
  out.zone_ = settings.zone;
  return out;
}

Identity Identity::without_key(sealed::NodeIdentity told) {
  Identity out;
  out.chain_ = std::move(told.chain);
  out.roots_ = std::move(told.roots);
  out.zone_ = std::move(told.zone);
  return out;
}

Result<sealed::JudgedCaller> Identity::name(const std::vector<Bytes>& chain, UnixTime now) const {
  TRY(const auto parsed, pki::parse_chain(chain));
  const auto time = pki::TimeRule::clock(now);
  if (const auto person = pki::verify_chain(parsed, roots_, pki::PersonPurpose{.zone = zone_}, time))
    return sealed::JudgedCaller{
        .principal = sealed::Principal("person:" + person->identity_as<pki::PersonIdentity>().login),
        .until = end_of(*person)};
  TRY(const auto device, pki::verify_chain(parsed, roots_, pki::OperationalDevicePurpose{.zone = zone_}, time));
  return sealed::JudgedCaller{.principal = sealed::Principal("device:" + device.identity_as<DeviceName>().get()),
                              .until = end_of(device)};
}

Result<sealed::JudgedCaller> Identity::judge(const std::vector<Bytes>& chain, ByteView message, ByteView signature,
                                             UnixTime now) const {
  if (chain.empty()) return fail(Errc::malformed, "caller: shows no certificate");
  TRY(const auto leaf, pki::parse_certificate(chain.front()));
  const crypto::PublicKey& key = leaf.public_key();
  TRY_VOID(key.verify(crypto::default_scheme(key.type()), message, signature));
  return name(chain, now);
}

crypto::TlsIdentity Identity::tls() const {
  SALLYPORT_CHECK(key_ != nullptr);
  crypto::TlsIdentity out{.chain = {}, .key = key_};
  for (const pki::Certificate& certificate : chain_) out.chain.push_back(to_bytes(certificate.der()));
  return out;
}

Result<Identity::AnyBundle> Identity::open_any_bundle(ByteView bytes, UnixTime now) const {
  TRY(auto opened, sealed::open_bundle(bytes, roots_, zone_, now));
  return AnyBundle{.bundle = std::move(opened.bundle), .device = opened.signer.identity_as<DeviceName>()};
}

Result<sealed::Bundle> Identity::open_bundle(ByteView bytes, const sealed::NodeName& node, const DeviceName& device,
                                             UnixTime now) const {
  TRY(auto opened, open_any_bundle(bytes, now));
  if (opened.device != device)
    return failf(Errc::unauthorized, "bundle: signed by device {}, want {}", opened.device.get(), device.get());
  TRY_VOID(sealed::check_bundle(opened.bundle, node, 0, now));
  return std::move(opened.bundle);
}

sealed::CertificateCredential Identity::credential(const sealed::Bundle& bundle) const {
  SALLYPORT_CHECK(key_ != nullptr);
  sealed::CertificateCredential out{.key = key_, .chain = {}, .bundle = bundle};
  for (const pki::Certificate& certificate : chain_) out.chain.push_back(to_bytes(certificate.der()));
  return out;
}

}  // namespace sallyport::rpcnode
