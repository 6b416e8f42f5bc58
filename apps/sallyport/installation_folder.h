// Where everything of an installation lies below its state folder.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "command.h"
#include "keystore/machine_secret.h"
#include "keystore/state_folder.h"
#include "signer/key_folder.h"
#include "signer/signer.h"

namespace sallyport::cli {

inline constexpr keystore::StateFormat kInstallationFormat{
    .kind = "installation", .version = 3, .oldest = 3, .made_by = "sallyport init"};

struct InstallationPaths {
  std::filesystem::path state;

  std::filesystem::path settings() const { return state / "sallyport.toml"; }
  std::filesystem::path secret() const { return state / "secret"; }
  std::filesystem::path trust() const { return state / "trust"; }
  std::filesystem::path root_certificate() const { return trust() / "root.pem"; }
  // Roots that the present one has replaced and that are still trusted, newest first; and every link, oldest first.
  std::filesystem::path older_roots() const { return trust() / "older-roots.pem"; }
  std::filesystem::path root_links() const { return trust() / "root-links.pem"; }
  // Of `sallyport ca rollover`, from its first step to its last.
  std::filesystem::path rollover() const { return state / "rollover"; }
  // The self-signed twin of a CA, for foreign trust stores.
  std::filesystem::path twin(std::string_view ca) const { return trust() / (std::string(ca) + ".twin.pem"); }
  std::filesystem::path root_crl() const { return trust() / "root.crl"; }
  std::filesystem::path signer_keys() const { return state / "signer"; }
  std::filesystem::path database() const { return state / "authority" / "authority.db"; }
  std::filesystem::path telemetry() const { return state / "gateway" / "telemetry.db"; }
  // Keys and files of the role that calls nodes.
  std::filesystem::path caller() const { return state / "caller"; }
  // What the root has ordered and the status host has taken.
  std::filesystem::path orders() const { return state / "orders"; }
  std::filesystem::path to_root() const { return state / "to-root"; }
  std::filesystem::path from_root() const { return state / "from-root"; }
  std::filesystem::path run() const { return state / "run"; }
  std::filesystem::path supervisor_pid() const { return run() / "up.pid"; }
  std::filesystem::path socket(std::string_view name) const { return run() / (std::string(name) + ".sock"); }
  signer::KeyFolders key_folders() const { return {.keys = signer_keys(), .trust = trust()}; }
};

// The CAs whose keys the signer holds, as file names.
std::vector<std::string> online_cas();

// The roots that are trusted, newest first.
Result<std::vector<pki::Certificate>> read_installed_roots(const InstallationPaths& paths);

// Whether `init` came to its end: without it there is nothing that a role could start from. Errc::not_yet.
Result<void> check_init_is_complete(const InstallationPaths& paths);
// Whether there is an installation, complete and of a version that this program knows. Takes no lock.
Outcome check_installation(const InstallationPaths& paths);

// Reads all keys and makes the signer. `clock` must outlive it.
Result<signer::Signer> load_signer(const InstallationPaths& paths, const Clock& clock);

}  // namespace sallyport::cli
