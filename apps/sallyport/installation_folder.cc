#include "installation_folder.h"

#include <algorithm>

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

Result<void> check_init_is_complete(const InstallationPaths& paths) {
  std::error_code ignored;
  if (!std::filesystem::exists(paths.root_certificate(), ignored)) {
    return failf(Errc::not_yet, "{}: waits for the root's answer; bring it as {} and run sallyport init again",
                 paths.state.string(), paths.from_root().string());
  }
  const auto is_there = [&](pki::ControlKind kind) {
    return std::filesystem::exists(signer::control_file(paths.key_folders(), kind, ".pem"), ignored);
  };
  if (std::ranges::all_of(signer::kControlKinds, is_there)) return {};
  return failf(Errc::not_yet, "{}: waits for the end of sallyport init; run it again", paths.state.string());
}

Outcome check_installation(const InstallationPaths& paths) {
  CLI_TRY_VOID(check_state(paths.state, kInstallationFormat));
  return in_state(check_init_is_complete(paths));
}

Result<signer::Signer> load_signer(const InstallationPaths& paths, const Clock& clock) {
  TRY(const auto secret, keystore::MachineSecret::open(paths.secret()));
  TRY(auto keys, signer::load_keys(paths.key_folders(), secret, online_cas()));
  return signer::Signer::create(std::move(keys), clock);
}

}  // namespace sallyport::cli
