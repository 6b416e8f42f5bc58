// The exported ledger of a site, judged entry by entry.
#pragma once

#include "log_check.h"

namespace sallyport::cli {

// Reads an exported ledger and names every entry that is missing, altered, moved or too much; `index` of a finding is
// the entry's sequence number. Fails when the file cannot be read or is no ledger at all.
Result<std::vector<Finding>> examine_ledger_file(const std::filesystem::path& file, const pki::Certificate& site_ca,
                                                 std::uint64_t after);

}  // namespace sallyport::cli
