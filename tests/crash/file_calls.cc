#include "file_calls.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>

namespace sallyport::crash {
namespace {

constexpr std::size_t kMaxDescriptors = 4'096;

// What stands behind the functions below. Nothing in it may call one of them.
struct Watch {
  std::mutex mutex;
  std::atomic<bool> active = false;
  std::string prefix;  // of watched paths, with the slash
  std::map<std::string, std::uint64_t> files;
  std::uint64_t last_file = 0;
  std::vector<Operation> record;
  std::array<std::uint64_t, 3> calls{};
  std::optional<Fault> fault;
  bool struck = false;
  struct Open {
    std::uint64_t file = 0;  // 0: none of ours
    bool is_folder = false;
    bool is_recorded = false;  // faults strike at any of ours
    std::string name;
  };
  std::array<Open, kMaxDescriptors> open;
};

Watch& watch_state() {
  static auto* const state = new Watch;  // outlives every file
  return *state;
}

std::optional<std::string> watched_name(const Watch& watch, const char* path) {
  const std::string_view text(path);
  if (text.starts_with(watch.prefix)) return std::string(text.substr(watch.prefix.size()));
  if (text.size() + 1 == watch.prefix.size() && watch.prefix.starts_with(text)) return std::string();
  return std::nullopt;
}

bool is_kept_by_a_disk(std::string_view name) {
  return !name.ends_with("-shm") && !name.ends_with(".lock") && name != "lock";
}

// Whether the call is to fail now; counts it.
bool strikes(Watch& watch, Call call) {
  const std::uint64_t number = ++watch.calls[static_cast<std::size_t>(call)];
  if (!watch.fault || watch.fault->call != call || number < watch.fault->first) return false;
  if (watch.fault->once && watch.struck) return false;
  watch.struck = true;
  return true;
}

int fails(Watch& watch) {
  errno = watch.fault->error;
  return -1;
}

std::uint64_t file_of(Watch& watch, const std::string& name, bool& is_new) {
  const auto [found, inserted] = watch.files.try_emplace(name, watch.last_file + 1);
  if (inserted) ++watch.last_file;
  is_new = inserted;
  return found->second;
}

// Remembers what was opened. Called with the lock held.
void opened(Watch& watch, int descriptor, const std::string& name, bool truncated) {
  if (descriptor < 0 || static_cast<std::size_t>(descriptor) >= kMaxDescriptors) return;
  struct stat status{};
  if (::syscall(SYS_newfstatat, descriptor, "", &status, AT_EMPTY_PATH) != 0) return;
  Watch::Open& entry = watch.open[static_cast<std::size_t>(descriptor)];
  if (S_ISDIR(status.st_mode)) {
    entry = {.file = ~0ULL, .is_folder = true, .is_recorded = true, .name = name};
    return;
  }
  if (!S_ISREG(status.st_mode)) return;
  bool is_new = false;
  const std::uint64_t file = file_of(watch, name, is_new);
  entry = {.file = file, .is_folder = false, .is_recorded = is_kept_by_a_disk(name), .name = name};
  if (!entry.is_recorded) return;
  if (is_new) watch.record.push_back({.kind = Operation::Kind::create, .file = file, .name = name});
  if (truncated && !is_new) watch.record.push_back({.kind = Operation::Kind::truncate, .file = file});
}

int open_file(const char* path, int flags, mode_t mode) {
  Watch& watch = watch_state();
  if (!watch.active) return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode));
  const std::lock_guard lock(watch.mutex);
  const int descriptor = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode));
  if (const auto name = watched_name(watch, path)) opened(watch, descriptor, *name, (flags & O_TRUNC) != 0);
  return descriptor;
}

Watch::Open* find_open(Watch& watch, int descriptor) {
  if (descriptor < 0 || static_cast<std::size_t>(descriptor) >= kMaxDescriptors) return nullptr;
  Watch::Open& entry = watch.open[static_cast<std::size_t>(descriptor)];
  return entry.file == 0 ? nullptr : &entry;
}

ssize_t write_file(int descriptor, const void* data, std::size_t size, off_t offset) {
  Watch& watch = watch_state();
  if (!watch.active) return ::syscall(SYS_pwrite64, descriptor, data, size, offset);
  const std::lock_guard lock(watch.mutex);
  const Watch::Open* entry = find_open(watch, descriptor);
  if (entry != nullptr && strikes(watch, Call::write)) return fails(watch);
  const auto written = ::syscall(SYS_pwrite64, descriptor, data, size, offset);
  if (written > 0 && entry != nullptr && entry->is_recorded) {
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    watch.record.push_back({.kind = Operation::Kind::write,
                            .file = entry->file,
                            .offset = static_cast<std::uint64_t>(offset),
                            .data = Bytes(bytes, bytes + written)});
  }
  return written;
}

ssize_t append_file(int descriptor, const void* data, std::size_t size) {
  Watch& watch = watch_state();
  if (!watch.active) return ::syscall(SYS_write, descriptor, data, size);
  {
    const std::lock_guard lock(watch.mutex);
    if (find_open(watch, descriptor) == nullptr) return ::syscall(SYS_write, descriptor, data, size);
  }
  const auto offset = ::syscall(SYS_lseek, descriptor, 0, SEEK_CUR);
  const ssize_t written = write_file(descriptor, data, size, offset);
  if (written > 0) ::syscall(SYS_lseek, descriptor, offset + written, SEEK_SET);
  return written;
}

// A disk that is full still lets files be cut.
bool may_strike_cut(const Watch& watch, int descriptor, off_t size) {
  if (!watch.fault || watch.fault->error != ENOSPC) return true;
  struct stat status{};
  return ::syscall(SYS_newfstatat, descriptor, "", &status, AT_EMPTY_PATH) == 0 && size > status.st_size;
}

int truncate_file(int descriptor, off_t size) {
  Watch& watch = watch_state();
  if (!watch.active) return static_cast<int>(::syscall(SYS_ftruncate, descriptor, size));
  const std::lock_guard lock(watch.mutex);
  const Watch::Open* entry = find_open(watch, descriptor);
  const bool may_strike = entry != nullptr && may_strike_cut(watch, descriptor, size);
  if (may_strike && strikes(watch, Call::write)) return fails(watch);
  const int done = static_cast<int>(::syscall(SYS_ftruncate, descriptor, size));
  if (done == 0 && entry != nullptr && entry->is_recorded) {
    watch.record.push_back(
        {.kind = Operation::Kind::truncate, .file = entry->file, .offset = static_cast<std::uint64_t>(size)});
  }
  return done;
}

// The model decides what is durable, so the real disk is not asked.
int sync_file(int descriptor, long number) {
  Watch& watch = watch_state();
  if (!watch.active) return static_cast<int>(::syscall(number, descriptor));
  const std::lock_guard lock(watch.mutex);
  const Watch::Open* entry = find_open(watch, descriptor);
  if (entry == nullptr) return static_cast<int>(::syscall(number, descriptor));
  if (strikes(watch, Call::sync)) {
    if (entry->is_recorded && !entry->is_folder) {
      watch.record.push_back({.kind = Operation::Kind::failed_sync, .file = entry->file});
    }
    return fails(watch);
  }
  if (!entry->is_recorded) return 0;
  if (entry->is_folder) {
    watch.record.push_back({.kind = Operation::Kind::sync_folder, .name = entry->name});
  } else {
    watch.record.push_back({.kind = Operation::Kind::sync, .file = entry->file});
  }
  return 0;
}

template <class Real>
ssize_t read_file(int descriptor, const Real& real) {
  Watch& watch = watch_state();
  if (watch.active) {
    const std::lock_guard lock(watch.mutex);
    if (find_open(watch, descriptor) != nullptr && strikes(watch, Call::read)) return fails(watch);
  }
  return real();
}

int close_file(int descriptor) {
  Watch& watch = watch_state();
  if (watch.active) {
    const std::lock_guard lock(watch.mutex);
    if (Watch::Open* entry = find_open(watch, descriptor)) *entry = {};
  }
  return static_cast<int>(::syscall(SYS_close, descriptor));
}

int rename_file(const char* from, const char* to) {
  Watch& watch = watch_state();
  const std::lock_guard lock(watch.mutex);
  const int done = static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
  if (!watch.active || done != 0) return done;
  const auto old_name = watched_name(watch, from);
  const auto new_name = watched_name(watch, to);
  if (old_name && new_name) {
    auto node = watch.files.extract(*old_name);
    watch.files.erase(*new_name);
    if (!node.empty()) {
      node.key() = *new_name;
      watch.files.insert(std::move(node));
    }
    watch.record.push_back({.kind = Operation::Kind::rename, .name = *old_name, .to = *new_name});
  }
  return done;
}

int link_file(const char* from, const char* to) {
  Watch& watch = watch_state();
  const std::lock_guard lock(watch.mutex);
  const int done = static_cast<int>(::syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
  if (!watch.active || done != 0) return done;
  const auto old_name = watched_name(watch, from);
  const auto new_name = watched_name(watch, to);
  if (old_name && new_name) {
    const std::uint64_t file = watch.files[*old_name];
    watch.files[*new_name] = file;
    watch.record.push_back({.kind = Operation::Kind::create, .file = file, .name = *new_name});
  }
  return done;
}

int unlink_file(const char* path) {
  Watch& watch = watch_state();
  const std::lock_guard lock(watch.mutex);
  const int done = static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, 0));
  if (!watch.active || done != 0) return done;
  if (const auto name = watched_name(watch, path)) {
    watch.files.erase(*name);
    if (is_kept_by_a_disk(*name)) watch.record.push_back({.kind = Operation::Kind::unlink, .name = *name});
  }
  return done;
}

int make_temporary(char* pattern, int flags) {
  using Function = int (*)(char*, int);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "mkostemp"));
  Watch& watch = watch_state();
  const std::lock_guard lock(watch.mutex);
  const int descriptor = real(pattern, flags);
  if (watch.active && descriptor >= 0) {
    if (const auto name = watched_name(watch, pattern)) opened(watch, descriptor, *name, false);
  }
  return descriptor;
}

}  // namespace

FileCalls& FileCalls::get() {
  static FileCalls calls;
  return calls;
}

void FileCalls::watch(const std::filesystem::path& folder) {
  const Image durable = read_image(folder);
  Watch& watch = watch_state();
  const std::lock_guard lock(watch.mutex);
  watch.prefix = folder.native() + "/";
  watch.files = number_files(durable);
  watch.last_file = watch.files.size();
  watch.record.clear();
  watch.calls = {};
  watch.fault.reset();
  watch.struck = false;
  watch.active = true;
}

std::vector<Operation> FileCalls::stop() {
  Watch& watch = watch_state();
  const std::lock_guard lock(watch.mutex);
  watch.active = false;
  watch.fault.reset();
  for (Watch::Open& entry : watch.open) entry = {};
  return std::exchange(watch.record, {});
}

std::size_t FileCalls::position() const {
  Watch& watch = watch_state();
  const std::lock_guard lock(watch.mutex);
  return watch.record.size();
}

void FileCalls::order(Fault fault) {
  Watch& watch = watch_state();
  const std::lock_guard lock(watch.mutex);
  watch.fault = fault;
  watch.calls = {};
  watch.struck = false;
}

bool FileCalls::has_struck() const {
  Watch& watch = watch_state();
  const std::lock_guard lock(watch.mutex);
  return watch.struck;
}

void FileCalls::heal() {
  Watch& watch = watch_state();
  const std::lock_guard lock(watch.mutex);
  watch.fault.reset();
}

std::uint64_t FileCalls::count(Call call) const {
  Watch& watch = watch_state();
  const std::lock_guard lock(watch.mutex);
  return watch.calls[static_cast<std::size_t>(call)];
}

Image read_image(const std::filesystem::path& folder) {
  Image out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().native().substr(folder.native().size() + 1);
    if (!entry.is_regular_file() || !is_kept_by_a_disk(name)) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    out[name] = Bytes(std::istreambuf_iterator<char>(in), {});
  }
  return out;
}

void write_image(const std::filesystem::path& folder, const Image& image) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_directory()) ::syscall(SYS_unlinkat, AT_FDCWD, entry.path().c_str(), 0);
  }
  for (const auto& [name, content] : image) {
    const auto path = folder / name;
    if (name.find('/') != std::string::npos) std::filesystem::create_directories(path.parent_path());
    const auto descriptor =
        ::syscall(SYS_openat, AT_FDCWD, path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    std::size_t done = 0;
    while (descriptor >= 0 && done < content.size()) {
      const auto written = ::syscall(SYS_write, descriptor, content.data() + done, content.size() - done);
      if (written <= 0) break;
      done += static_cast<std::size_t>(written);
    }
    if (descriptor < 0 || done < content.size()) abort_with(__FILE__, __LINE__, "an image could not be written");
    ::syscall(SYS_close, descriptor);
  }
}

Scratch::Scratch() {
  const bool in_memory = ::access("/dev/shm", W_OK | X_OK) == 0;
  std::string pattern = (in_memory ? std::string("/dev/shm") : std::filesystem::temp_directory_path().string()) +
                        "/sallyport-crash-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) abort_with(__FILE__, __LINE__, "no folder could be made");
  path_ = pattern;
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace sallyport::crash

// In place of the C library's: whoever in this process calls one of these, libsqlite3 included, comes here.
namespace crash = sallyport::crash;
extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = static_cast<mode_t>(va_arg(rest, unsigned));
  va_end(rest);
  return crash::open_file(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = static_cast<mode_t>(va_arg(rest, unsigned));
  va_end(rest);
  return crash::open_file(path, flags, mode);
}
int mkostemp(char* pattern, int flags) {
  return crash::make_temporary(pattern, flags);
}
int mkostemp64(char* pattern, int flags) {
  return crash::make_temporary(pattern, flags);
}
ssize_t write(int descriptor, const void* data, size_t size) {
  return crash::append_file(descriptor, data, size);
}
ssize_t pwrite(int descriptor, const void* data, size_t size, off_t offset) {
  return crash::write_file(descriptor, data, size, offset);
}
ssize_t pwrite64(int descriptor, const void* data, size_t size, off64_t offset) {
  return crash::write_file(descriptor, data, size, offset);
}
ssize_t read(int descriptor, void* data, size_t size) {
  return crash::read_file(descriptor, [&] { return ::syscall(SYS_read, descriptor, data, size); });
}
ssize_t pread(int descriptor, void* data, size_t size, off_t offset) {
  return crash::read_file(descriptor, [&] { return ::syscall(SYS_pread64, descriptor, data, size, offset); });
}
ssize_t pread64(int descriptor, void* data, size_t size, off64_t offset) {
  return crash::read_file(descriptor, [&] { return ::syscall(SYS_pread64, descriptor, data, size, offset); });
}
int ftruncate(int descriptor, off_t size) noexcept {
  return crash::truncate_file(descriptor, size);
}
int ftruncate64(int descriptor, off64_t size) noexcept {
  return crash::truncate_file(descriptor, size);
}
int fsync(int descriptor) {
  return crash::sync_file(descriptor, SYS_fsync);
}
int fdatasync(int descriptor) {
  return crash::sync_file(descriptor, SYS_fdatasync);
}
int close(int descriptor) {
  return crash::close_file(descriptor);
}
int rename(const char* from, const char* to) noexcept {
  return crash::rename_file(from, to);
}
int link(const char* from, const char* to) noexcept {
  return crash::link_file(from, to);
}
int unlink(const char* path) noexcept {
  return crash::unlink_file(path);
}
int remove(const char* path) noexcept {
  if (crash::unlink_file(path) == 0) return 0;
  if (errno != EISDIR && errno != EPERM) return -1;
  return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
}

}  // extern "C"
