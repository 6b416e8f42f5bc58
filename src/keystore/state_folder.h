// A program's state folder: a version, and the proof that no other process uses it.
//
//   <folder>/version   "sallyport-state KIND VERSION\n"
//   <folder>/lock      flock()ed while a process has the folder open
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace sallyport::keystore {

// What a program expects of its folder.
struct StateFormat {
  std::string_view kind;      // "root", "authority", "agent": letters a-z and '-'
  std::uint32_t version = 1;  // the newest that this program knows
  std::uint32_t oldest = 1;   // the oldest that it can still use
  // The command that makes such a folder, for the error where there is none; empty: not told.
  std::string_view made_by;
};

// An open state folder. Holds the lock until it ends. Move-only.
class StateFolder {
 public:
  // Makes the folder (mode 0700, parents too) and its version file, and locks it. Errc::conflict when it holds a
  // version file or any other file already.
  static Result<StateFolder> create(const std::filesystem::path& folder, const StateFormat& format);
  // Locks an existing one. Errc::not_found without a version file; Errc::conflict for another kind, a newer version
  // ("found version 3, this program knows 1") or one older than format.oldest; Errc::unavailable, with its process id,
  // when another process has had it open for two seconds.
  static Result<StateFolder> open(const std::filesystem::path& folder, const StateFormat& format);
  // Whether open() could succeed, for a program that only reads there or works under another's lock: Errc::not_found
  // and Errc::conflict as there.
  static Result<void> check(const std::filesystem::path& folder, const StateFormat& format);
  static Result<StateFolder> open_or_create(const std::filesystem::path& folder, const StateFormat& format);

  StateFolder(StateFolder&& other) noexcept;
  StateFolder& operator=(StateFolder&& other) noexcept;
  ~StateFolder();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(std::string_view name) const { return path_ / name; }
  // As found, at most the program's own; lower after an upgrade of the program until set_version.
  std::uint32_t version() const { return version_; }
  // Records that a migration is complete.
  Result<void> set_version(const StateFormat& format);

 private:
  StateFolder(std::filesystem::path path, int lock, std::uint32_t version);

  std::filesystem::path path_;
  int lock_ = -1;
  std::uint32_t version_ = 0;
};

}  // namespace sallyport::keystore
