#include "keystore/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace sallyport::keystore {
namespace {

std::unexpected<Error> failed(const std::filesystem::path& path, std::string_view act, int cause) {
  const bool full = cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
  return failf(full ? Errc::overloaded : Errc::unavailable, "{}: {}: {}{}", path.string(), act, ::strerror(cause),
               full ? "; make room on that disk" : "");
}

Result<void> sync_parent(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const int folder = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return failed(parent, "cannot open", errno);
  const int synced = ::fsync(folder);
  const int cause = errno;
  ::close(folder);
  if (synced != 0) return failed(parent, "cannot sync", cause);
  return {};
}

// Writes all of `bytes`; returns 0 or the errno of the write that failed.
int write_all(int descriptor, ByteView bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return 0;
}

}  // namespace

AppendFile::AppendFile(std::filesystem::path path, int descriptor, std::uint64_t size)
    : path_(std::move(path)), descriptor_(descriptor), size_(size) {}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      broken_(other.broken_) {}

AppendFile& AppendFile::operator=(AppendFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  std::swap(broken_, other.broken_);
  return *this;
}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<AppendFile> AppendFile::open(const std::filesystem::path& path, mode_t mode) {
  int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
  if (descriptor < 0) return failed(path, "cannot open", errno);
  AppendFile file(path, descriptor, 0);
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return failed(path, "cannot examine", errno);
  if (!S_ISREG(status.st_mode)) return failf(Errc::unavailable, "{}: found no regular file", path.string());
  file.size_ = static_cast<std::uint64_t>(status.st_size);
  if (file.size_ == 0) TRY_VOID(sync_parent(path));
  return file;
}

Result<Bytes> AppendFile::read_all(std::size_t max) const {
  if (size_ > max) return failf(Errc::overloaded, "{}: found {} bytes, want at most {}", path_.string(), size_, max);
  Bytes bytes(static_cast<std::size_t>(size_));
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::pread(descriptor_, bytes.data() + have, bytes.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(path_, "cannot read", errno);
    if (got == 0) return failf(Errc::unavailable, "{}: shrank while it was read", path_.string());
    have += static_cast<std::size_t>(got);
  }
  return bytes;
}

Result<void> AppendFile::append(ByteView bytes) {
  if (broken_) return failf(Errc::unavailable, "{}: an earlier write or sync failed; start again", path_.string());
  if (const int cause = write_all(descriptor_, bytes, size_); cause != 0) {
    broken_ = ::ftruncate(descriptor_, static_cast<off_t>(size_)) != 0 || ::fdatasync(descriptor_) != 0;
    return failed(path_, "cannot append", cause);
  }
  if (::fdatasync(descriptor_) != 0) {
    const int cause = errno;
    // The kernel may have dropped the pages and call the next sync a success: what is on disk is unknown.
    broken_ = true;
    static_cast<void>(::ftruncate(descriptor_, static_cast<off_t>(size_)));
    return failed(path_, "cannot sync", cause);
  }
  size_ += bytes.size();
  return {};
}

Result<void> AppendFile::cut(std::uint64_t size) {
  SALLYPORT_CHECK(size <= size_);
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) return failed(path_, "cannot cut", errno);
  if (::fdatasync(descriptor_) != 0) return failed(path_, "cannot sync", errno);
  size_ = size;
  return {};
}

}  // namespace sallyport::keystore
