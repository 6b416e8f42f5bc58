#include <sys/stat.h>

#include <array>
#include <cstdio>

#include "crypto/hash.h"
#include "keystore/backup_file.h"
#include "keystore/detail/backup_format.h"
#include "keystore/detail/descriptor.h"
#include "keystore/file.h"

namespace sallyport::keystore {

namespace fs = std::filesystem;

struct BackupWriter::State {
  fs::path path;
  fs::path unfinished;
  Descriptor file;
  crypto::Sha256 hash;
  std::size_t entries = 0;

  ~State() {
    if (file.is_open()) ::unlink(unfinished.c_str());
  }

  Result<void> put(ByteView bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::write(file.get(), bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return system_error(path, "cannot be written", errno);
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return {};
  }
  Result<void> put_hashed(ByteView bytes) {
    hash.update(bytes);
    return put(bytes);
  }
  Result<void> begin_entry(std::string name, mode_t mode, std::uint64_t size) {
    const Bytes head = encode_backup_entry({.name = std::move(name), .mode = mode, .size = size, .offset = 0});
    TRY_VOID(parse_backup_entry(head));
    if (++entries > kMaxBackupEntries) return failf(Errc::overloaded, "{}: too many files", path.native());
    TRY_VOID(put_hashed(std::array{kEntryMark}));
    return put_hashed(head);
  }
};

BackupWriter::BackupWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
BackupWriter::BackupWriter(BackupWriter&&) noexcept = default;
BackupWriter::~BackupWriter() = default;

Result<BackupWriter> BackupWriter::create(const fs::path& path) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(path, ignored)))
    return failf(Errc::conflict, "{}: exists, want a new file", path.native());
  auto state = std::make_unique<State>();
  state->path = path;
  std::string name = path.native() + ".XXXXXX";
  state->file = Descriptor(::mkostemp(name.data(), O_CLOEXEC));
  state->unfinished = name;
  if (!state->file.is_open()) return system_error(path, "cannot be written", errno);
  TRY_VOID(state->put_hashed(as_bytes(kBackupMagic)));
  return BackupWriter(std::move(state));
}

Result<void> BackupWriter::add(std::string name, mode_t mode, ByteView content) {
  TRY_VOID(state_->begin_entry(std::move(name), mode, content.size()));
  return state_->put_hashed(content);
}

Result<void> BackupWriter::add_file(std::string name, mode_t mode, const fs::path& source) {
  const Descriptor file(::open(source.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file.is_open()) return system_error(source, "cannot be opened", errno);
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return system_error(source, "cannot be examined", errno);
  if (!S_ISREG(status.st_mode)) return failf(Errc::malformed, "{}: is not a regular file", source.native());
  auto left = static_cast<std::uint64_t>(status.st_size);
  TRY_VOID(state_->begin_entry(std::move(name), mode, left));
  Bytes buffer(kBackupBuffer);
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(source, "cannot be read", errno);
    if (static_cast<std::uint64_t>(count) > left || (count == 0 && left > 0))
      return failf(Errc::unavailable, "{}: changed while it was read", source.native());
    if (count == 0) break;
    left -= static_cast<std::uint64_t>(count);
    TRY_VOID(state_->put_hashed(ByteView(buffer).first(static_cast<std::size_t>(count))));
  }
  wipe(buffer);
  return {};
}

Result<void> BackupWriter::finish() {
  TRY_VOID(state_->put(std::array{kEndMark}));
  TRY_VOID(state_->put(std::move(state_->hash).digest()));
  if (::fsync(state_->file.get()) != 0) return system_error(state_->path, "cannot be made durable", errno);
  // What somebody put there meanwhile is not replaced.
  if (::renameat2(AT_FDCWD, state_->unfinished.c_str(), AT_FDCWD, state_->path.c_str(), RENAME_NOREPLACE) != 0)
    return system_error(state_->path, "cannot be made", errno);
  const fs::path folder = state_->path.has_parent_path() ? state_->path.parent_path() : fs::path(".");
  state_->file = Descriptor();
  return sync_folder(folder);
}

}  // namespace sallyport::keystore
