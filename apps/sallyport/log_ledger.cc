#include "log_ledger.h"

#include "keystore/file.h"
#include "pki/ledger_examine.h"

namespace sallyport::cli {

Result<std::vector<Finding>> examine_ledger_file(const std::filesystem::path& file, const pki::Certificate& site_ca,
                                                 std::uint64_t after) {
  TRY(const auto bytes, keystore::read_file(file, pki::kMaxLedgerExportBytes));
  TRY(const auto found, pki::examine_ledger(bytes, site_ca, after));
  std::vector<Finding> out;
  for (const pki::LedgerFinding& each : found) {
    out.push_back({each.sequence == 0 ? std::nullopt : std::optional(each.sequence),
                   std::string(pki::to_string(each.fault)), each.detail});
  }
  return out;
}

}  // namespace sallyport::cli
