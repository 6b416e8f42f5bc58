#include "signer/key_folder.h"

#include "keystore/file.h"

namespace sallyport::signer {
namespace {

constexpr std::size_t kMaxCertificateFile = 64U << 10U;

Result<pki::Certificate> read_certificate(const std::filesystem::path& path) {
  TRY(const auto pem, keystore::read_file(path, kMaxCertificateFile));
  auto certificates = pki::parse_certificates_pem(as_text(pem), 1);
  if (!certificates) return std::unexpected(std::move(certificates).error().at(path.string()));
  return certificates->front();
}

Result<CaKey> load_ca(const KeyFolders& folders, const keystore::MachineSecret& secret, const std::string& name) {
  TRY(auto key, secret.read_key(folders.keys / (name + ".key")));
  TRY(auto certificate, read_certificate(folders.trust / (name + ".pem")));
  return CaKey{
      .name = name, .certificate = std::move(certificate), .key = std::make_unique<crypto::PrivateKey>(std::move(key))};
}

Result<ControlKey> load_control(const KeyFolders& folders, const keystore::MachineSecret& secret,
                                pki::ControlKind kind) {
  TRY(auto key, secret.read_key(control_file(folders, kind, ".key")));
  ControlKey control{.kind = kind, .key = std::make_unique<crypto::PrivateKey>(std::move(key))};
  auto certificate = read_certificate(control_file(folders, kind, ".pem"));
  if (certificate) {
    control.certificate = *std::move(certificate);
  } else if (certificate.error().code != Errc::not_found) {
    return std::unexpected(std::move(certificate).error());
  }
  return control;
}

}  // namespace

crypto::KeyType control_key_type(pki::ControlKind kind) {
  return kind == pki::ControlKind::checkpoint ? crypto::KeyType::ed25519 : crypto::KeyType::p256;
}

std::filesystem::path control_file(const KeyFolders& folders, pki::ControlKind kind, std::string_view extension) {
  return folders.keys / fmt::format("control-{}{}", pki::to_string(kind), extension);
}

Result<Keys> load_keys(const KeyFolders& folders, const keystore::MachineSecret& secret,
                       std::span<const std::string> ca_names) {
  Keys keys;
  for (const auto& name : ca_names) {
    TRY(auto ca, load_ca(folders, secret, name));
    keys.cas.push_back(std::move(ca));
  }
  for (const auto kind : kControlKinds) {
    TRY(auto control, load_control(folders, secret, kind));
    keys.control.push_back(std::move(control));
  }
  TRY(auto mark, CheckpointFile::open(folders.keys / "checkpoint-mark"));
  keys.checkpoint_mark = std::make_unique<CheckpointFile>(std::move(mark));
  return keys;
}

}  // namespace sallyport::signer
