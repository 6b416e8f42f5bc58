// Private keys in PEM files of mode 0600.
#pragma once

#include <filesystem>

#include "base/secret.h"
#include "crypto/key.h"
#include "keystore/file.h"

namespace sallyport::keystore {

inline constexpr std::size_t kMaxKeyFile = 16U << 10U;

enum class Replace : std::uint8_t { never, always };

// Reads a key, decrypting with `passphrase` where it is encrypted. Errc::not_found without a file; Errc::unauthorized
// on permissions too open, a missing or a wrong passphrase; Errc::malformed on anything but one private key.
Result<crypto::PrivateKey> read_private_key_file(const std::filesystem::path& path, ByteView passphrase = {});
// Writes a key, encrypted unless `passphrase` is empty, durable when it returns. Errc::conflict when the file exists
// and `replace` is never.
Result<void> write_private_key_file(const std::filesystem::path& path, const crypto::PrivateKey& key,
                                    ByteView passphrase, Replace replace = Replace::never,
                                    crypto::PassphraseOrigin origin = crypto::PassphraseOrigin::person);

}  // namespace sallyport::keystore
