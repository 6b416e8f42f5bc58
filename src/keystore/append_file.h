// A file that only grows, for journals and ledgers: what append() has accepted survives a crash.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>

#include "base/bytes.h"

namespace sallyport::keystore {

// An open append-only file. The caller sees to it that no other process has it open. Move-only, not thread-safe.
class AppendFile {
 public:
  // Opens `path`, making it (durably) with `mode` when it does not exist. Errc::unavailable.
  static Result<AppendFile> open(const std::filesystem::path& path, mode_t mode);
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&& other) noexcept;
  ~AppendFile();

  std::uint64_t size() const { return size_; }
  // Reads the whole file. Errc::overloaded when it is longer than `max`.
  Result<Bytes> read_all(std::size_t max) const;
  // Appends all of `bytes` and returns when they are on disk. On failure (Errc::overloaded: disk full;
  // Errc::unavailable) the file is cut back to what it was; when even that fails, or a sync did, which is never tried
  // again, every later append fails too.
  Result<void> append(ByteView bytes);
  // Cuts the file to `size`, which must not be above size(), durably.
  Result<void> cut(std::uint64_t size);

 private:
  AppendFile(std::filesystem::path path, int descriptor, std::uint64_t size);

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  bool broken_ = false;
};

}  // namespace sallyport::keystore
