#include "root/detail/generations.h"

#include <algorithm>
#include <array>

#include "codec/text.h"
#include "keystore/file.h"

namespace sallyport::root::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFile = 1U << 20U;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

Result<pki::Certificate> read_certificate(const fs::path& path) {
  TRY(const auto pem, keystore::read_file(path, kMaxFile));
  auto certificates = pki::parse_certificates_pem(as_text(pem), 1);
  if (!certificates) return std::unexpected(std::move(certificates).error().at(path.string()));
  return certificates->front();
}

bool is_secret(const fs::path& path) {
  return path.extension() == ".key";
}

// Durable when it returns.
Result<void> write_copy(const fs::path& from, const fs::path& to) {
  if (is_secret(from)) {
    TRY(const auto bytes, keystore::read_secret_file(from, kMaxFile));
    return keystore::atomic_write_file(to, bytes.expose(), keystore::kSecretMode);
  }
  TRY(const auto bytes, keystore::read_file(from, kMaxFile));
  return keystore::atomic_write_file(to, bytes, keystore::kPublicMode);
}

Result<void> discard(const fs::path& path) {
  std::error_code failure;
  fs::remove_all(path, failure);
  if (failure) return failf(Errc::unavailable, "{}: {}", path.string(), failure.message());
  return {};
}

std::vector<const JournalEntry*> rollovers_of(const Journal& journal) {
  std::vector<const JournalEntry*> out;
  for (const auto& entry : journal.entries()) {
    if (entry.act == "rollover") out.push_back(&entry);
  }
  return out;
}

// root.* become root-<number>.*, unless they did so before.
Result<void> keep_older(const keystore::StateFolder& folder, std::size_t number) {
  for (const std::string_view extension : {".key", ".crl", ".pem"}) {
    const fs::path from = folder.file(fmt::format("root{}", extension));
    const fs::path to = folder.file(fmt::format("root-{}{}", number, extension));
    if (is_there(from) && !is_there(to)) TRY_VOID(write_copy(from, to));
  }
  return discard(folder.file("root.crl"));
}

}  // namespace

Result<void> settle_rollover(const keystore::StateFolder& folder, const Journal& journal) {
  const fs::path staging = folder.file(kStaging);
  if (!is_there(staging)) return {};
  const auto rollovers = rollovers_of(journal);
  // root.pem goes last: without it everything is in its place.
  const auto staged = read_certificate(staging / "root.pem");
  if (!staged && staged.error().code != Errc::not_found) return std::unexpected(staged.error());
  if (!staged || rollovers.empty()) return discard(staging);
  TRY(const auto recorded, rollovers.back()->field("sha256"));
  if (codec::encode_hex(staged->fingerprint()) != recorded) return discard(staging);
  const std::size_t number = rollovers.size() + 1;
  TRY_VOID(keep_older(folder, number - 1));
  const std::string link = fmt::format("root-link-{}.pem", number);
  const std::array<std::pair<std::string_view, std::string_view>, 5> moves = {{{"link.pem", link},
                                                                               {"next-root.key", "next-root.key"},
                                                                               {"next-root.pem", "next-root.pem"},
                                                                               {"root.key", "root.key"},
                                                                               {"root.pem", "root.pem"}}};
  for (const auto& [from, to] : moves) {
    if (!is_there(staging / from)) continue;
    TRY_VOID(write_copy(staging / from, folder.file(to)));
    TRY_VOID(discard(staging / from));
  }
  return discard(staging);
}

Result<std::vector<RootGeneration>> read_generations(const keystore::StateFolder& folder, const Journal& journal) {
  const auto rollovers = rollovers_of(journal);
  std::vector<RootGeneration> out;
  for (std::uint32_t number = 1; number <= rollovers.size() + 1; ++number) {
    const bool is_newest = number == rollovers.size() + 1;
    TRY(auto certificate,
        read_certificate(folder.file(is_newest ? std::string("root.pem") : fmt::format("root-{}.pem", number))));
    RootGeneration generation{.number = number, .certificate = std::move(certificate), .link = std::nullopt};
    if (number > 1) {
      TRY(generation.link, read_certificate(folder.file(fmt::format("root-link-{}.pem", number))));
      TRY(const auto recorded, rollovers[number - 2]->field("sha256"));
      if (codec::encode_hex(generation.certificate.fingerprint()) != recorded)
        return failf(Errc::conflict, "root {}: found another certificate than the journal names", number);
    }
    out.push_back(std::move(generation));
  }
  return out;
}

}  // namespace sallyport::root::detail
