#include "installation_folder.h"

#include "records/installation_values.h"

namespace sallyport::cli {

std::vector<std::string> online_cas() {
  std::vector<std::string> names;
  for (const auto& ca : records::online_ca_names()) names.push_back(ca.get());
  return names;
}

Result<signer::Signer> load_signer(const InstallationPaths& paths, const Clock& clock) {
  TRY(const auto secret, keystore::MachineSecret::open(paths.secret()));
  TRY(auto keys, signer::load_keys(paths.key_folders(), secret, online_cas()));
  return signer::Signer::create(std::move(keys), clock);
}

}  // namespace sallyport::cli
