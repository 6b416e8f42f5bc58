#include "keystore/file.h"

#include <sys/stat.h>

#include <algorithm>
#include <system_error>
#include <vector>

#include "keystore/detail/descriptor.h"

namespace sallyport::keystore {
namespace {

namespace fs = std::filesystem;

// Of a temporary file's name: a dot and six characters of mkostemp().
constexpr std::size_t kTemporarySuffix = 7;

Result<Descriptor> open_regular(const fs::path& path, struct stat& status) {
  // O_NONBLOCK: opening a pipe that lies in the way must not wait for its writer.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file.is_open()) return system_error(path, "cannot be opened", errno);
  if (::fstat(file.get(), &status) != 0) return system_error(path, "cannot be examined", errno);
  if (!S_ISREG(status.st_mode)) return failf(Errc::malformed, "{}: is not a regular file", path.native());
  return file;
}

Result<Bytes> read_whole(const Descriptor& file, const fs::path& path, const struct stat& status, std::size_t max) {
  if (static_cast<std::uint64_t>(status.st_size) > max)
    return failf(Errc::overloaded, "{}: {} bytes, want at most {}", path.native(), status.st_size, max);
  // One byte more than expected, so that a file that grew is noticed.
  Bytes bytes(static_cast<std::size_t>(status.st_size) + 1);
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t count = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(path, "cannot be read", errno);
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
  }
  if (filled == bytes.size()) {
    wipe(bytes);
    return failf(Errc::unavailable, "{}: changed while it was read", path.native());
  }
  bytes.resize(filled);
  return bytes;
}

Result<void> write_whole(const Descriptor& file, const fs::path& path, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(path, "cannot be written", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  // fsync is not repeated after an error: the kernel may have dropped the pages that it reports.
  if (::fsync(file.get()) != 0) return system_error(path, "cannot be made durable", errno);
  return {};
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// A file in the folder of `path` that no other call uses, removed when this ends unless it was renamed.
struct TemporaryFile {
  fs::path name;
  Descriptor file;

  ~TemporaryFile() {
    if (file.is_open()) ::unlink(name.c_str());
  }
};

Result<void> write_temporary(TemporaryFile& temporary, const fs::path& path, ByteView bytes, mode_t mode) {
  std::string name = (folder_of(path) / ("." + path.filename().native() + ".XXXXXX")).native();
  temporary.file = Descriptor(::mkostemp(name.data(), O_CLOEXEC));
  temporary.name = name;
  if (!temporary.file.is_open()) return system_error(path, "cannot be written", errno);
  if (::fchmod(temporary.file.get(), mode) != 0) return system_error(path, "cannot get its permissions", errno);
  return write_whole(temporary.file, path, bytes);
}

// A name of the form that remove_unfinished_files() knows.
fs::path temporary_link(const fs::path& path) {
  return folder_of(path) / ("." + path.filename().native() + ".linked");
}

}  // namespace

std::unexpected<Error> system_error(const fs::path& path, std::string_view act, int number) {
  const auto text = [&](std::string_view advice) {
    return fmt::format("{}: {}: {}{}{}", path.native(), act, std::strerror(number), advice.empty() ? "" : "; ", advice);
  };
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return fail(Errc::not_found, text("check the path, or make it first"));
    case EACCES:
    case EPERM:
    case EROFS:
      return fail(Errc::unauthorized, text("run as the user that owns it, or change its permissions"));
    case EEXIST:
      return fail(Errc::conflict, text("move it away first if it is no longer wanted"));
    case ELOOP:
      return fail(Errc::malformed, text("symbolic links lead in a circle"));
    case ENOSPC:
    case EDQUOT:
      return fail(Errc::overloaded, text("make room on that disk"));
    case EMFILE:
    case ENFILE:
      return fail(Errc::overloaded, text("raise the limit of open files"));
    default:
      return fail(Errc::unavailable, text(""));
  }
}

Result<void> sync_folder(const fs::path& folder) {
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor.is_open()) return system_error(folder, "cannot be opened", errno);
  if (::fsync(descriptor.get()) != 0) return system_error(folder, "cannot be made durable", errno);
  return {};
}

Result<Bytes> read_file(const fs::path& path, std::size_t max) {
  struct stat status{};
  TRY(auto file, open_regular(path, status));
  return read_whole(file, path, status, max);
}

Result<SecretBytes> read_secret_file(const fs::path& path, std::size_t max) {
  struct stat status{};
  TRY(auto file, open_regular(path, status));
  if ((status.st_mode & 077U) != 0) {
    return failf(Errc::unauthorized, "{}: mode {:04o} lets others at a secret, want 0600; run: chmod 600 {}",
                 path.native(), status.st_mode & 07777U, path.native());
  }
  if (status.st_uid != ::geteuid() && status.st_uid != 0)
    return failf(Errc::unauthorized, "{}: belongs to uid {}, want {} or 0", path.native(), status.st_uid, ::geteuid());
  TRY(auto bytes, read_whole(file, path, status, max));
  return SecretBytes(std::move(bytes));
}

Result<void> atomic_write_file(const fs::path& path, ByteView bytes, mode_t mode) {
  TemporaryFile temporary;
  TRY_VOID(write_temporary(temporary, path, bytes, mode));
  if (::rename(temporary.name.c_str(), path.c_str()) != 0) return system_error(path, "cannot be replaced", errno);
  temporary.file = Descriptor();
  return sync_folder(folder_of(path));
}

Result<void> create_file(const fs::path& path, ByteView bytes, mode_t mode) {
  TemporaryFile temporary;
  TRY_VOID(write_temporary(temporary, path, bytes, mode));
  // link() refuses an existing name, which rename() does not.
  if (::link(temporary.name.c_str(), path.c_str()) != 0) return system_error(path, "cannot be created", errno);
  return sync_folder(folder_of(path));
}

Result<void> make_folders(const fs::path& folder, mode_t mode) {
  std::error_code error;
  if (fs::is_directory(folder, error)) return {};
  const fs::path parent = folder_of(folder);
  if (parent != folder) TRY_VOID(make_folders(parent, mode));
  if (::mkdir(folder.c_str(), mode) != 0) {
    const int cause = errno;
    if (cause != EEXIST || !fs::is_directory(folder, error)) return system_error(folder, "cannot be made", cause);
  }
  return sync_folder(parent);
}

Result<void> atomic_links(std::span<const SymbolicLink> links) {
  const auto leads_there = [](const SymbolicLink& link) {
    std::error_code no_link;
    return fs::read_symlink(link.path, no_link) == link.target;
  };
  if (std::ranges::all_of(links, leads_there)) return {};
  for (const SymbolicLink& link : links) {
    const fs::path temporary = temporary_link(link.path);
    if (::unlink(temporary.c_str()) != 0 && errno != ENOENT) return system_error(link.path, "cannot be made", errno);
    if (::symlink(link.target.c_str(), temporary.c_str()) != 0) return system_error(link.path, "cannot be made", errno);
  }
  for (const SymbolicLink& link : links) {
    if (::rename(temporary_link(link.path).c_str(), link.path.c_str()) == 0) continue;
    const int number = errno;
    for (const SymbolicLink& each : links) ::unlink(temporary_link(each.path).c_str());
    return system_error(link.path, "cannot be replaced", number);
  }
  return sync_folder(folder_of(links.front().path));
}

Result<void> remove_files(std::span<const fs::path> paths) {
  for (const fs::path& path : paths) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_error(path, "cannot be removed", errno);
  }
  return paths.empty() ? Result<void>{} : sync_folder(folder_of(paths.front()));
}

Result<void> remove_unfinished_files(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().native();
    if (name.size() > kTemporarySuffix && name.front() == '.' && name[name.size() - kTemporarySuffix] == '.')
      found.push_back(entry.path());
  }
  if (error) return system_error(folder, "cannot be listed", error.value());
  return remove_files(found);
}

}  // namespace sallyport::keystore
