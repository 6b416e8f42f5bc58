#include "store/copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "store/detail/sqlite.h"

namespace sallyport::store {

namespace fs = std::filesystem;

Result<void> copy_database(const fs::path& path, const fs::path& copy) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return failf(Errc::not_found, "{}: there is none", path.native());
  // SQLite copies into an empty file too, which has our mode.
  const int descriptor = ::open(copy.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) {
    return failf(errno == EEXIST ? Errc::conflict : Errc::unavailable, "{}: cannot be made: {}", copy.native(),
                 std::strerror(errno));
  }
  ::close(descriptor);
  TRY(auto database, Database::open(path, Database::Open::existing));
  database.leave_as_it_is();
  TRY_VOID(database.run("VACUUM INTO ?1", copy.native()));
  return {};
}

}  // namespace sallyport::store
