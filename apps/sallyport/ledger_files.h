// Exports of ledgers as files.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sallyport::cli {

inline constexpr std::size_t kMaxLedgerFiles = 10'000;

// `text` names files with commas between them, a folder (its *.ledger, in order of their first entries), or "-" for
// standard input. Errc::not_found, Errc::malformed, Errc::overloaded over kMaxLedgerFiles.
Result<std::vector<std::filesystem::path>> list_ledger_files(std::string_view text);
// At most pki::kMaxLedgerExportBytes.
Result<Bytes> read_ledger_file(const std::filesystem::path& path);

}  // namespace sallyport::cli
