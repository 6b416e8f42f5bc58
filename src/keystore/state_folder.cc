#include "keystore/state_folder.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <charconv>
#include <cstdlib>
#include <thread>
#include <utility>

#include "base/time.h"
#include "keystore/detail/descriptor.h"
#include "keystore/file.h"

namespace sallyport::keystore {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kVersionFile = "version";
constexpr std::string_view kLockFile = "lock";
constexpr std::string_view kMagic = "sallyport-state";
constexpr std::size_t kMaxVersionFile = 128;
// A command that reads has the folder open for a moment; it must not keep the program itself from starting.
constexpr milliseconds kLockStep{10};
constexpr int kLockTries = 200;

std::string version_line(const StateFormat& format) {
  return fmt::format("{} {} {}\n", kMagic, format.kind, format.version);
}

// Who holds the lock, for the error; the holder writes its process id into the file.
std::string holder(int lock) {
  char text[16] = {};
  const ssize_t count = ::pread(lock, text, sizeof text - 1, 0);
  return count > 0 ? fmt::format("process {}", std::atoll(text)) : "another process";
}

// Whether the lock was had in time; errno says why not.
bool lock_patiently(int lock) {
  for (int tries = 0; ::flock(lock, LOCK_EX | LOCK_NB) != 0; ++tries) {
    if (errno != EWOULDBLOCK || tries == kLockTries) return false;
    std::this_thread::sleep_for(kLockStep);
  }
  return true;
}

Result<Descriptor> take_lock(const fs::path& folder) {
  const fs::path path = folder / kLockFile;
  Descriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kSecretMode));
  if (!lock.is_open()) return system_error(path, "cannot be opened", errno);
  if (!lock_patiently(lock.get())) {
    if (errno != EWOULDBLOCK) return system_error(path, "cannot be locked", errno);
    return failf(Errc::unavailable, "{}: {} uses this state folder; stop it first", folder.native(),
                 holder(lock.get()));
  }
  const std::string process = fmt::format("{}\n", ::getpid());
  const bool told = ::ftruncate(lock.get(), 0) == 0 && ::pwrite(lock.get(), process.data(), process.size(), 0) > 0;
  if (!told) return system_error(path, "cannot be written", errno);
  return lock;
}

// version := "sallyport-state" SP kind SP number LF
Result<std::uint32_t> read_version(const fs::path& folder, const StateFormat& format) {
  const fs::path path = folder / kVersionFile;
  TRY(auto bytes, read_file(path, kMaxVersionFile));
  const std::string_view text = as_text(bytes);
  const std::size_t first = text.find(' ');
  const std::size_t second = text.find(' ', first == std::string_view::npos ? first : first + 1);
  const bool framed = second != std::string_view::npos && text.substr(0, first) == kMagic && text.back() == '\n';
  std::uint32_t version = 0;
  const std::string_view number = framed ? text.substr(second + 1, text.size() - second - 2) : "";
  const auto [end, fault] = std::from_chars(number.data(), number.data() + number.size(), version);
  if (fault != std::errc() || end != number.data() + number.size() || version == 0)
    return failf(Errc::malformed, "{}: is not a version file of sallyport", path.native());
  const std::string_view kind = text.substr(first + 1, second - first - 1);
  if (kind != format.kind) {
    return failf(Errc::conflict, "{}: holds the state of another role, want that of '{}'", folder.native(),
                 format.kind);
  }
  if (version > format.version) {
    return failf(Errc::conflict, "{}: found version {}, this program knows {}; use the newer program", folder.native(),
                 version, format.version);
  }
  if (version < format.oldest) {
    return failf(Errc::conflict,
                 "{}: found version {}, want {} or newer; this program cannot use it, begin a new folder",
                 folder.native(), version, format.oldest);
  }
  return version;
}

bool holds_anything(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    // A version file that was never completed is what a crash in create() leaves.
    const std::string name = entry.path().filename().native();
    if (name != kLockFile && !name.starts_with(".version.")) return true;
  }
  return false;
}

}  // namespace

StateFolder::StateFolder(fs::path path, int lock, std::uint32_t version)
    : path_(std::move(path)), lock_(lock), version_(version) {}

StateFolder::StateFolder(StateFolder&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)), version_(other.version_) {}

StateFolder& StateFolder::operator=(StateFolder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  std::swap(version_, other.version_);
  return *this;
}

StateFolder::~StateFolder() {
  if (lock_ >= 0) ::close(lock_);
}

Result<StateFolder> StateFolder::create(const fs::path& folder, const StateFormat& format) {
  TRY_VOID(make_folders(folder, kPrivateFolderMode));
  TRY(auto lock, take_lock(folder));
  if (holds_anything(folder))
    return failf(Errc::conflict, "{}: is not empty; name a new folder, or open this one", folder.native());
  TRY_VOID(create_file(folder / kVersionFile, as_bytes(version_line(format)), kPublicMode));
  return StateFolder(folder, lock.release(), format.version);
}

Result<void> StateFolder::check(const fs::path& folder, const StateFormat& format) {
  std::error_code error;
  const bool exists = fs::exists(folder / kVersionFile, error);
  if (error) return system_error(folder, "cannot be opened", error.value());
  if (!exists) {
    return failf(Errc::not_found, "{}: holds no state of '{}'; check the path, or {}", folder.native(), format.kind,
                 format.made_by.empty() ? "initialise it first" : fmt::format("make one: {}", format.made_by));
  }
  TRY_VOID(read_version(folder, format));
  return {};
}

Result<StateFolder> StateFolder::open(const fs::path& folder, const StateFormat& format) {
  TRY_VOID(check(folder, format));
  TRY(auto lock, take_lock(folder));
  // Read again under the lock: another process may have upgraded it before it let go.
  TRY(auto version, read_version(folder, format));
  return StateFolder(folder, lock.release(), version);
}

Result<StateFolder> StateFolder::open_or_create(const fs::path& folder, const StateFormat& format) {
  auto existing = open(folder, format);
  if (existing || existing.error().code != Errc::not_found) return existing;
  return create(folder, format);
}

Result<void> StateFolder::set_version(const StateFormat& format) {
  TRY_VOID(atomic_write_file(path_ / kVersionFile, as_bytes(version_line(format)), kPublicMode));
  version_ = format.version;
  return {};
}

}  // namespace sallyport::keystore
