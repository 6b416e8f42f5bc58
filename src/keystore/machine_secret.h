// The secret that binds online keys to one machine: 32 random bytes in a file of mode 0600 outside the state folder, so
// that a backup of the state alone opens nothing.
#pragma once

#include <filesystem>

#include "base/random.h"
#include "base/secret.h"
#include "crypto/key.h"
#include "keystore/key_file.h"

namespace sallyport::keystore {

class MachineSecret {
 public:
  // Opens the secret; a file of another length is Errc::malformed, permissions too open are Errc::unauthorized.
  static Result<MachineSecret> open(const std::filesystem::path& path);
  // Makes it. Errc::conflict when there is one: replacing it would make every key under it unreadable.
  static Result<MachineSecret> create(const std::filesystem::path& path, Random& random);
  static Result<MachineSecret> open_or_create(const std::filesystem::path& path, Random& random);

  // Key files encrypted under this secret (scrypt over its hexadecimal form). A file from another machine is
  // Errc::unauthorized and says so.
  Result<crypto::PrivateKey> read_key(const std::filesystem::path& path) const;
  Result<void> write_key(const std::filesystem::path& path, const crypto::PrivateKey& key,
                         Replace replace = Replace::never) const;
  // The passphrase itself.
  SecretBytes passphrase() const;

 private:
  explicit MachineSecret(Secret<32> secret) : secret_(std::move(secret)) {}
  Secret<32> secret_;
};

}  // namespace sallyport::keystore
