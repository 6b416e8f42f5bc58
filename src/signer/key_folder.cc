#include "signer/key_folder.h"

#include <algorithm>

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

Result<std::vector<pki::Certificate>> load_links(const KeyFolders& folders) {
  const auto path = folders.trust / "root-links.pem";
  const auto pem = keystore::read_file(path, kMaxCertificateFile);
  if (!pem && pem.error().code == Errc::not_found) return std::vector<pki::Certificate>{};
  if (!pem) return std::unexpected(pem.error());
  auto links = pki::parse_certificates_pem(as_text(*pem));
  if (!links) return std::unexpected(std::move(links).error().at(path.string()));
  return links;
}

// The replaced CAs of that name whose keys are here: "online-ca@<serial>".
Result<std::vector<std::string>> list_older(const KeyFolders& folders, const std::string& name) {
  std::vector<std::string> out;
  std::error_code failure;
  for (std::filesystem::directory_iterator at(folders.keys, failure), end; !failure && at != end;
       at.increment(failure)) {
    const auto& file = at->path();
    if (file.extension() == ".key" && file.stem().string().starts_with(name + "@")) out.push_back(file.stem().string());
  }
  if (failure) return failf(Errc::unavailable, "{}: {}", folders.keys.string(), failure.message());
  std::ranges::sort(out);
  return out;
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
    TRY(const auto older, list_older(folders, name));
    for (const auto& each : older) {
      TRY(auto replaced, load_ca(folders, secret, each));
      keys.cas.push_back(std::move(replaced));
    }
  }
  TRY(keys.links, load_links(folders));
  for (const auto kind : kControlKinds) {
    TRY(auto control, load_control(folders, secret, kind));
    keys.control.push_back(std::move(control));
  }
  TRY(auto mark, CheckpointFile::open(folders.keys / "checkpoint-mark"));
  keys.checkpoint_mark = std::make_unique<CheckpointFile>(std::move(mark));
  return keys;
}

}  // namespace sallyport::signer
