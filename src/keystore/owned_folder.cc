#include "keystore/owned_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::keystore {
namespace {

// A descriptor that only names a file: what is looked at is what is given.
class NamedFile {
 public:
  NamedFile(int folder, const char* name) : descriptor_(::openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC)) {}
  ~NamedFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  NamedFile(const NamedFile&) = delete;
  NamedFile& operator=(const NamedFile&) = delete;
  bool is_open() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }
  bool look(struct stat& into) const { return ::fstat(descriptor_, &into) == 0; }
  bool give(uid_t owner) const { return ::fchownat(descriptor_, "", owner, owner, AT_EMPTY_PATH) == 0; }

 private:
  int descriptor_;
};

bool is_ours_to_give(const struct stat& file) {
  return S_ISDIR(file.st_mode) || (S_ISREG(file.st_mode) && file.st_nlink == 1);
}

}  // namespace

Result<std::size_t> give_folder(const std::filesystem::path& folder, uid_t owner) {
  const auto refused = [](const std::filesystem::path& what) {
    return failf(Errc::unauthorized, "{}: cannot be given away", what.string());
  };
  const NamedFile whole(AT_FDCWD, folder.c_str());
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
