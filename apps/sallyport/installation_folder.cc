#include "installation_folder.h"

#include "folders.h"
#include "records/installation_values.h"

namespace sallyport::cli {

std::vector<std::string> online_cas() {
  std::vector<std::string> names;
  for (const auto& ca : records::online_ca_names()) names.push_back(ca.get());
  return names;
}

Result<std::vector<pki::Certificate>> read_installed_roots(const InstallationPaths& paths) {
  TRY(auto newest, read_certificate(paths.root_certificate()));
  TRY(auto out, read_certificates(paths.older_roots()));
  out.insert(out.begin(), std::move(newest));
  return out;
}

Result<signer::Signer> load_signer(const InstallationPaths& paths, const Clock& clock) {
  TRY(const auto secret, keystore::MachineSecret::open(paths.secret()));
  TRY(auto keys, signer::load_keys(paths.key_folders(), secret, online_cas()));
  return signer::Signer::create(std::move(keys), clock);
}

}  // namespace sallyport::cli
