// Signing a folder of requests at the root: what `sallyport root sign` does, and `sallyport init --root`.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "base/secret.h"
#include "root/root.h"

namespace sallyport::cli {

// Reads request.toml and every *.csr of the folder, in the order of their names. Errc::not_found when there is none.
Result<std::vector<root::ProposedCa>> read_proposals(const root::Root& root, const std::filesystem::path& in);

// Prints what would be signed, for the operator to compare.
void print_proposals(const root::Root& root, const std::vector<root::ProposedCa>& proposals);

// Writes what an installation needs of the root itself to `out`: root.pem; root.crl, with the CRL of every root; after
// a rollover root-links.pem and older-roots.pem, oldest first.
Result<void> write_root_files(const root::Root& root, const std::filesystem::path& out);

// Signs them all and writes `<ca-name>.pem` and the root's own files to `out`.
Result<void> sign_proposals(root::Root& root, const std::vector<root::ProposedCa>& proposals, ByteView passphrase,
                            const std::filesystem::path& out);

}  // namespace sallyport::cli
