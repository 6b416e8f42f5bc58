// One file that holds the files of an installation: a backup. It is read whole and its checksum compared before
// anything of it is believed; it is not encrypted, so what is secret in it must be under a secret that is elsewhere.
//
//   file  := "sallyport/backup/v1" 0x00, entry*, end
//   entry := 0x01, name length u16, name, mode u16, size u64, content
//   end   := 0x00, SHA-256 of everything before it but the 0x00 (32 bytes)
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sallyport::keystore {

inline constexpr std::size_t kMaxBackupName = 128;
inline constexpr std::size_t kMaxBackupEntries = 1'024;

struct BackupEntry {
  std::string name;  // a relative path: "signer/online-ca.key"
  mode_t mode = 0;   // 0600 or 0644
  std::uint64_t size = 0;
  std::uint64_t offset = 0;  // of the content, within the file

  friend bool operator==(const BackupEntry&, const BackupEntry&) = default;
};

// The head of an entry, from after its 0x01 up to its content, and nothing else. Names are one or two parts of a-z,
// 0-9,
// '.', '-' and '_', none beginning with a dot. Errc::malformed. The offset is left 0.
Result<BackupEntry> parse_backup_entry(ByteView head);
Bytes encode_backup_entry(const BackupEntry& entry);

// Writes a new backup under a temporary name, readable by this user alone. Move-only; what is not finished is removed.
class BackupWriter {
 public:
  // Errc::conflict when `path` exists.
  static Result<BackupWriter> create(const std::filesystem::path& path);
  BackupWriter(BackupWriter&&) noexcept;
  ~BackupWriter();

  Result<void> add(std::string name, mode_t mode, ByteView content);
  // The content of a regular file, as it is now. Errc::unavailable when it changes meanwhile.
  Result<void> add_file(std::string name, mode_t mode, const std::filesystem::path& source);
  // Durable, under its own name, when it returns.
  Result<void> finish();

 private:
  struct State;
  explicit BackupWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// A backup whose checksum was right when it was opened.
class BackupReader {
 public:
  // Reads the whole file. Errc::not_found, Errc::malformed: no backup, of a later format, damaged or cut off.
  static Result<BackupReader> open(const std::filesystem::path& path);
  BackupReader(BackupReader&&) noexcept;
  ~BackupReader();

  const std::vector<BackupEntry>& entries() const;
  const BackupEntry* find(std::string_view name) const;
  // Errc::overloaded when the content is longer than `max`.
  Result<Bytes> read(const BackupEntry& entry, std::size_t max) const;
  // Writes the content to the new file `path`, durably, with the entry's mode.
  Result<void> extract(const BackupEntry& entry, const std::filesystem::path& path) const;

 private:
  struct State;
  explicit BackupReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::keystore
