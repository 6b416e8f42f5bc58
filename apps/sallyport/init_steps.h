// The steps of `sallyport init`. Each may be repeated after a crash at any point: what is there already is checked, not
// made again.
#pragma once

#include <optional>
#include <string>

#include "base/secret.h"
#include "command.h"
#include "installation_folder.h"
#include "offline_authority.h"
#include "root/request.h"
#include "settings.h"

namespace sallyport::cli {

// Writes sallyport.toml, or checks that the one there is of the same installation (Errc::conflict).
Result<void> settle_settings(const InstallationPaths& paths, const Settings& settings);

// Makes machine secret, CA keys and control keys, and the requests to the root.
Result<void> settle_keys(const InstallationPaths& paths, const Settings& settings, Random& random);

// Returns the key in `path`, made when there is none.
Result<crypto::PrivateKey> settle_key(const keystore::MachineSecret& secret, const std::filesystem::path& path,
                                      crypto::KeyType type = crypto::KeyType::p256);
// What the root is asked for: request.toml, and one request.
std::string encode_request_facts(const Settings& settings);
Result<void> write_ca_request(const std::filesystem::path& path, crypto::PrivateKey& key, const std::string& ca);

// Whether from-root/ holds everything that the root was asked for.
bool has_root_answer(const InstallationPaths& paths);

// Checks what came from the root (signature, profile, key, namespace, CRL) and installs it in trust/.
// Errc::unauthorized for anything that is not for these keys and this zone, or not of the root that is installed
// already.
Result<void> install_root_answer(const InstallationPaths& paths, const Settings& settings, const Clock& clock);

// Records names, CA certificates and root CRL in the database.
Result<void> settle_records(const InstallationPaths& paths, const Settings& settings, const Clock& clock);

// Checks that `certificate` is what was asked of the root for the CA `name`: signature, profile, key, namespace.
Result<void> check_ca(const pki::Certificate& certificate, const std::string& name, const pki::Certificate& root,
                      const crypto::PublicKey& key, const root::RequestFacts& facts);

// Has a certificate issued by the present control-ca for each control key that has none of it.
Result<void> settle_control_certificates(const InstallationPaths& paths, OfflineAuthority& authority);

// Writes the self-signed twins of server-ca and web-ca that foreign trust stores need, unless they are
// those CAs' already.
Result<void> settle_twins(const InstallationPaths& paths, const Clock& clock, Random& random);

// Adds the first owner unless there is a user already. Returns whether it did.
Result<bool> settle_first_owner(OfflineAuthority& authority, const std::string& login, ByteView password,
                                Random& random);

}  // namespace sallyport::cli
