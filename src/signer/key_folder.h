// The signer's keys on disk.
//
//   signer/<ca-name>.key            CA keys, encrypted under the machine secret
//   signer/control-<kind>.key .pem  control keys, with the certificate in use; that of checkpoints is Ed25519
//   signer/checkpoint-mark          checkpoint_mark.h
//   trust/<ca-name>.pem             CA certificates
//   trust/root-links.pem            the links from root to root, oldest first, once there are any
//   signer/<ca-name>@<serial>.key trust/<ca-name>@<serial>.pem   of a CA that a younger one has replaced
#pragma once

#include <array>
#include <filesystem>
#include <span>

#include "keystore/machine_secret.h"
#include "signer/signer.h"

namespace sallyport::signer {

struct KeyFolders {
  std::filesystem::path keys;   // <state>/signer
  std::filesystem::path trust;  // <state>/trust
};

// The control kinds that an installation has keys for.
inline constexpr std::array kControlKinds{pki::ControlKind::grant, pki::ControlKind::snapshot, pki::ControlKind::permit,
                                          pki::ControlKind::checkpoint};

// The type that an installation makes the key of that kind with.
crypto::KeyType control_key_type(pki::ControlKind kind);

// Reads every CA of `ca_names`, those they have replaced, and every control key. A control certificate may be missing,
// a CA may not. Errors name the file.
Result<Keys> load_keys(const KeyFolders& folders, const keystore::MachineSecret& secret,
                       std::span<const std::string> ca_names);

// <keys>/control-<kind>.key or .pem
std::filesystem::path control_file(const KeyFolders& folders, pki::ControlKind kind, std::string_view extension);

}  // namespace sallyport::signer
