// Files that must be whole or absent. Errors name the file, what is wrong and what to do.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <span>

#include "base/bytes.h"
#include "base/secret.h"

namespace sallyport::keystore {

inline constexpr mode_t kSecretMode = 0600;
inline constexpr mode_t kPublicMode = 0644;
inline constexpr mode_t kPrivateFolderMode = 0700;
inline constexpr mode_t kPublicFolderMode = 0755;

// Reads a whole regular file of at most `max` bytes. Errc::not_found, Errc::overloaded when it is longer,
// Errc::unavailable.
Result<Bytes> read_file(const std::filesystem::path& path, std::size_t max);
// The same for secrets: refuses with Errc::unauthorized a file that group or others may access or that is not ours or
// root's.
Result<SecretBytes> read_secret_file(const std::filesystem::path& path, std::size_t max);

// Replaces or makes `path`: after any crash it holds the old content or the new one. Temporary file in the same folder,
// fsync, rename, fsync of the folder. Errc::overloaded when the disk is full, Errc::unavailable.
Result<void> atomic_write_file(const std::filesystem::path& path, ByteView bytes, mode_t mode);
// The same, but never replaces: Errc::conflict when `path` exists.
Result<void> create_file(const std::filesystem::path& path, ByteView bytes, mode_t mode);

// Makes the folder and the missing ones above it, each durable in the one above when it returns. One that is there
// stays as it is. Errc::unavailable.
Result<void> make_folders(const std::filesystem::path& folder, mode_t mode);

struct SymbolicLink {
  std::filesystem::path path;
  std::filesystem::path target;
};
// Makes symbolic links, all of one folder, each in the place of whatever file or link is there: after any crash each
// leads to its old target or its new one. They change one right after the other. Touches nothing when all lead there
// already.
Result<void> atomic_links(std::span<const SymbolicLink> links);

// Removes `paths`, all of one folder, in their order; those that are not there are no error. Durable when it returns:
// no power cut brings one back.
Result<void> remove_files(std::span<const std::filesystem::path> paths);
// Removes what a crash during one of the calls above left in `folder`, which may be a secret's beginning. For whoever
// alone writes there.
Result<void> remove_unfinished_files(const std::filesystem::path& folder);

}  // namespace sallyport::keystore
