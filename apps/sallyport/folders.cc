#include "folders.h"

#include <algorithm>
#include <array>
#include <vector>

#include "codec/pem.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "keystore/file.h"

namespace sallyport::cli {
namespace {

constexpr std::size_t kMaxCrlFile = 1U << 20U;

template <class T>
Result<T> at_file(const std::filesystem::path& path, Result<T> result) {
  if (!result) return std::unexpected(std::move(result).error().at(path.string()));
  return result;
}

Result<pki::Certificate> parse_one(std::string_view pem) {
  TRY(const auto certificates, pki::parse_certificates_pem(pem, 1));
  return certificates.front();
}

Result<pki::Crl> parse_crl_pem(std::string_view pem) {
  TRY(const auto der, codec::parse_single_pem(pem, "X509 CRL"));
  return pki::parse_crl(der);
}

Result<pki::CertificateRequest> parse_request(ByteView bytes) {
  if (!as_text(bytes).starts_with("-----")) return pki::parse_csr(bytes);
  TRY(const auto der, codec::parse_single_pem(as_text(bytes), "CERTIFICATE REQUEST"));
  return pki::parse_csr(der);
}

}  // namespace

Result<void> make_folder(const std::filesystem::path& folder) {
  return keystore::make_folders(folder, keystore::kPublicFolderMode);
}

Result<void> write_certificate(const std::filesystem::path& path, const pki::Certificate& certificate) {
  const std::array one{certificate};
  return keystore::atomic_write_file(path, as_bytes(pki::encode_certificates_pem(one)), keystore::kPublicMode);
}

Result<pki::Certificate> read_certificate(const std::filesystem::path& path) {
  TRY(const auto pem, keystore::read_file(path, kMaxSmallFile));
  return at_file(path, parse_one(as_text(pem)));
}

Result<pki::Crl> read_crl(const std::filesystem::path& path) {
  TRY(const auto pem, keystore::read_file(path, kMaxCrlFile));
  return at_file(path, parse_crl_pem(as_text(pem)));
}

Result<std::vector<pki::Crl>> read_crls(const std::filesystem::path& path) {
  TRY(const auto pem, keystore::read_file(path, kMaxCrlFile));
  TRY(const auto blocks, at_file(path, codec::parse_pem(as_text(pem))));
  std::vector<pki::Crl> out;
  for (const codec::PemBlock& block : blocks) {
    if (block.label != "X509 CRL") return failf(Errc::malformed, "{}: found something else than CRLs", path.string());
    TRY(auto crl, at_file(path, pki::parse_crl(block.content)));
    out.push_back(std::move(crl));
  }
  if (out.empty()) return failf(Errc::malformed, "{}: found no CRL", path.string());
  return out;
}

std::string encode_crls_pem(std::span<const pki::Crl> crls) {
  std::string out;
  for (const pki::Crl& crl : crls) out += codec::encode_pem("X509 CRL", crl.der());
  return out;
}

Result<std::vector<pki::Certificate>> read_certificates(const std::filesystem::path& path) {
  const auto pem = keystore::read_file(path, kMaxSmallFile);
  if (!pem && pem.error().code == Errc::not_found) return std::vector<pki::Certificate>{};
  if (!pem) return std::unexpected(pem.error());
  return at_file(path, pki::parse_certificates_pem(as_text(*pem)));
}

Result<void> discard(const std::filesystem::path& path) {
  std::error_code failure;
  std::filesystem::remove_all(path, failure);
  if (failure) return failf(Errc::unavailable, "{}: {}", path.string(), failure.message());
  return {};
}

Result<void> write_certificates(const std::filesystem::path& path, std::span<const pki::Certificate> certificates) {
  return keystore::atomic_write_file(path, as_bytes(pki::encode_certificates_pem(certificates)), keystore::kPublicMode);
}

Result<pki::CertificateRequest> read_request(const std::filesystem::path& path) {
  TRY(const auto bytes, keystore::read_file(path, pki::kMaxCsrBytes * 2));
  return at_file(path, parse_request(bytes));
}

Result<void> print_request_keys(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failure)) {
    if (entry.path().extension() == ".csr") files.push_back(entry.path());
  }
  if (failure) return failf(Errc::unavailable, "{}: {}", folder.string(), failure.message());
  std::ranges::sort(files);
  for (const auto& file : files) {
    TRY(const auto request, read_request(file));
    fmt::print("  {:<20} {}\n", file.stem().string(),
               codec::encode_fingerprint(crypto::sha256(request.public_key.spki())));
  }
  return {};
}

Try<keystore::StateFolder> open_state(const std::filesystem::path& path, const keystore::StateFormat& format) {
  return in_state(keystore::StateFolder::open(path, format));
}

Outcome check_state(const std::filesystem::path& path, const keystore::StateFormat& format) {
  return in_state(keystore::StateFolder::check(path, format));
}

Try<keystore::StateFolder> open_or_create_state(const std::filesystem::path& path,
                                                const keystore::StateFormat& format) {
  return in_state(keystore::StateFolder::open_or_create(path, format));
}

}  // namespace sallyport::cli
