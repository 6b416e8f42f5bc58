#include "keystore/owned_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <string>
#include <utility>

namespace sallyport::keystore {
namespace {

constexpr int kFollow = 0;

// A descriptor that only names a file: what is looked at is what is given.
class NamedFile {
 public:
  NamedFile(int folder, const char* name, int follow = O_NOFOLLOW)
      : descriptor_(::openat(folder, name, O_PATH | O_CLOEXEC | follow)) {}
  NamedFile(NamedFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ~NamedFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  NamedFile& operator=(NamedFile&&) = delete;
  bool is_open() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }
  bool look(struct stat& into) const { return ::fstat(descriptor_, &into) == 0; }
  // Where a symbolic link leads; empty if this is none.
  std::string target() const {
    std::string out(PATH_MAX, '\0');
    const ssize_t size = ::readlinkat(descriptor_, "", out.data(), out.size());
    out.resize(size > 0 && static_cast<std::size_t>(size) < out.size() ? static_cast<std::size_t>(size) : 0);
    return out;
  }
  bool give(uid_t owner) const { return ::fchownat(descriptor_, "", owner, owner, AT_EMPTY_PATH) == 0; }

 private:
  int descriptor_;
};

bool is_root_alone(const struct stat& folder) {
  return folder.st_uid == 0 && (folder.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

// Behind a link of root's, what it names; that is no other link.
NamedFile open_folder(const std::filesystem::path& path) {
  const auto whole = path.has_filename() ? path : path.parent_path();
  const auto above = whole.has_parent_path() ? whole.parent_path() : std::filesystem::path(".");
  const NamedFile parent(AT_FDCWD, above.c_str(), kFollow);
  NamedFile named(parent.get(), whole.filename().c_str());
  struct stat parent_is{};
  struct stat link_is{};
  if (!named.is_open() || !parent.look(parent_is) || !named.look(link_is)) return named;
  if (!S_ISLNK(link_is.st_mode) || link_is.st_uid != 0 || !is_root_alone(parent_is)) return named;
  return {parent.get(), named.target().c_str()};
}

bool is_ours_to_give(const struct stat& file) {
  return S_ISDIR(file.st_mode) || (S_ISREG(file.st_mode) && file.st_nlink == 1);
}

}  // namespace

Result<std::size_t> give_folder(const std::filesystem::path& folder, uid_t owner) {
  const auto refused = [](const std::filesystem::path& what) {
    return failf(Errc::unauthorized, "{}: cannot be given away", what.string());
  };
  const NamedFile whole = open_folder(folder);
  struct stat found{};
  if (!whole.is_open() || !whole.look(found) || !S_ISDIR(found.st_mode))
    return failf(Errc::not_found, "{}: is no folder", folder.string());
  std::size_t left = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const NamedFile file(whole.get(), entry.path().filename().c_str());
    if (!file.is_open()) continue;  // gone meanwhile
    if (!file.look(found)) return refused(entry.path());
    if (found.st_uid == owner && found.st_gid == owner) continue;
    if (!is_ours_to_give(found)) {
      ++left;
    } else if (!file.give(owner)) {
      return refused(entry.path());
    }
  }
  if (error || !whole.give(owner)) return refused(folder);
  return left;
}

}  // namespace sallyport::keystore
