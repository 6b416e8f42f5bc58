#include "ledger_files.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "keystore/file.h"
#include "pki/ledger.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view kStandardInput = "-";

Result<Bytes> read_standard_input() {
  Bytes out;
  std::array<std::uint8_t, 65'536> chunk{};
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failf(Errc::unavailable, "standard input: {}", std::strerror(errno));
    if (got == 0) return out;
    append(out, ByteView(chunk).first(static_cast<std::size_t>(got)));
    if (out.size() > pki::kMaxLedgerExportBytes) {
      return failf(Errc::overloaded, "standard input: want at most {} bytes", pki::kMaxLedgerExportBytes);
    }
  }
}

Result<std::vector<std::filesystem::path>> list_folder(const std::filesystem::path& folder) {
  std::vector<std::pair<std::uint64_t, std::filesystem::path>> found;
  std::error_code failure;
  for (std::filesystem::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) {
    if (at->path().extension() != ".ledger") continue;
    if (found.size() >= kMaxLedgerFiles)
      return failf(Errc::overloaded, "{}: found more than {} exports", folder.string(), kMaxLedgerFiles);
    TRY(const auto bytes, read_ledger_file(at->path()));
    auto ledger = pki::parse_ledger_export(bytes);
    if (!ledger) return std::unexpected(std::move(ledger).error().at(at->path().string()));
    found.emplace_back(ledger->entries.front().sequence, at->path());
  }
  if (failure) return failf(Errc::unavailable, "{}: {}", folder.string(), failure.message());
  if (found.empty()) return failf(Errc::not_found, "{}: found no *.ledger", folder.string());
  std::ranges::sort(found);
  std::vector<std::filesystem::path> out;
  for (auto& [sequence, path] : found) out.push_back(std::move(path));
  return out;
}

}  // namespace

Result<std::vector<std::filesystem::path>> list_ledger_files(std::string_view text) {
  std::error_code failure;
  if (text != kStandardInput && std::filesystem::is_directory(text, failure)) return list_folder(text);
  std::vector<std::filesystem::path> out;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    if (one.empty()) return fail(Errc::malformed, "--ledger: found an empty file name between commas");
    out.emplace_back(one);
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    if (out.size() > kMaxLedgerFiles)
      return failf(Errc::overloaded, "--ledger: want at most {} files", kMaxLedgerFiles);
  }
  return out;
}

Result<Bytes> read_ledger_file(const std::filesystem::path& path) {
  if (path == kStandardInput) return read_standard_input();
  return keystore::read_file(path, pki::kMaxLedgerExportBytes);
}

}  // namespace sallyport::cli
