#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <set>

#include "crypto/hash.h"
#include "keystore/backup_file.h"
#include "keystore/detail/backup_format.h"
#include "keystore/detail/descriptor.h"
#include "keystore/file.h"

namespace sallyport::keystore {

namespace fs = std::filesystem;

struct BackupReader::State {
  fs::path path;
  Descriptor file;
  std::vector<BackupEntry> entries;
};

namespace {

std::unexpected<Error> damaged(const fs::path& path, std::string_view how) {
  return failf(Errc::malformed, "{}: found {}, want a whole backup: take another one", path.native(), how);
}

Result<void> read_at(const Descriptor& file, const fs::path& path, std::uint64_t offset, std::span<std::uint8_t> into) {
  while (!into.empty()) {
    const ssize_t count = ::pread(file.get(), into.data(), into.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(path, "cannot be read", errno);
    if (count == 0) return damaged(path, "its end too early");
    into = into.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

// Reads a file from its beginning, hashing what it reads.
class Scan {
 public:
  Scan(const Descriptor& file, const fs::path& path, std::uint64_t size) : file_(file), path_(path), size_(size) {}

  std::uint64_t offset() const { return offset_; }
  std::uint64_t left() const { return size_ - offset_; }
  Result<Bytes> take(std::size_t count, bool is_hashed = true) {
    if (left() < count) return damaged(path_, "its end too early");
    Bytes bytes(count);
    TRY_VOID(read_at(file_, path_, offset_, bytes));
    offset_ += count;
    if (is_hashed) hash_.update(bytes);
    return bytes;
  }
  Result<void> skip(std::uint64_t count) {
    while (count > 0) {
      TRY(const auto part, take(static_cast<std::size_t>(std::min<std::uint64_t>(count, kBackupBuffer))));
      count -= part.size();
    }
    return {};
  }
  void hash(ByteView bytes) { hash_.update(bytes); }
  crypto::Sha256Digest digest() && { return std::move(hash_).digest(); }

 private:
  const Descriptor& file_;
  const fs::path& path_;
  std::uint64_t size_;
  std::uint64_t offset_ = 0;
  crypto::Sha256 hash_;
};

Result<BackupEntry> scan_entry(Scan& scan, const fs::path& path) {
  TRY(auto head, scan.take(2));
  const std::size_t name = (std::size_t{head[0]} << 8U) | head[1];
  if (name > kMaxBackupName) return damaged(path, "a name that is too long");
  TRY(const auto rest, scan.take(name + sizeof(std::uint16_t) + sizeof(std::uint64_t)));
  head.insert(head.end(), rest.begin(), rest.end());
  TRY(auto entry, parse_backup_entry(head));
  entry.offset = scan.offset();
  if (entry.size > scan.left()) return damaged(path, "its end too early");
  TRY_VOID(scan.skip(entry.size));
  return entry;
}

Result<std::vector<BackupEntry>> scan_file(const Descriptor& file, const fs::path& path, std::uint64_t size) {
  Scan scan(file, path, size);
  TRY(const auto magic, scan.take(std::min<std::uint64_t>(size, kBackupMagic.size())));
  if (as_text(magic) != kBackupMagic) return damaged(path, "another format than 'sallyport/backup/v1'");
  std::vector<BackupEntry> entries;
  std::set<std::string> names;
  for (;;) {
    // The mark of the end is no part of what is hashed, that of an entry is.
    TRY(const auto mark, scan.take(1, false));
    if (mark[0] == kEndMark) break;
    if (mark[0] != kEntryMark) return damaged(path, "something between its files");
    scan.hash(mark);
    TRY(auto entry, scan_entry(scan, path));
    if (entries.size() == kMaxBackupEntries || !names.insert(entry.name).second)
      return damaged(path, "a file twice, or too many");
    entries.push_back(std::move(entry));
  }
  TRY(const auto checksum, scan.take(sizeof(crypto::Sha256Digest), false));
  if (scan.left() != 0) return damaged(path, "something after its end");
  const auto digest = std::move(scan).digest();
  if (!std::ranges::equal(checksum, digest)) return damaged(path, "another content than its checksum is of");
  return entries;
}

}  // namespace

BackupReader::BackupReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
BackupReader::BackupReader(BackupReader&&) noexcept = default;
BackupReader::~BackupReader() = default;

Result<BackupReader> BackupReader::open(const fs::path& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  state->file = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!state->file.is_open()) return system_error(path, "cannot be opened", errno);
  struct stat status{};
  if (::fstat(state->file.get(), &status) != 0) return system_error(path, "cannot be examined", errno);
  if (!S_ISREG(status.st_mode)) return failf(Errc::malformed, "{}: is not a regular file", path.native());
  TRY(state->entries, scan_file(state->file, path, static_cast<std::uint64_t>(status.st_size)));
  return BackupReader(std::move(state));
}

const std::vector<BackupEntry>& BackupReader::entries() const {
  return state_->entries;
}

const BackupEntry* BackupReader::find(std::string_view name) const {
  const auto found = std::ranges::find(state_->entries, name, &BackupEntry::name);
  return found == state_->entries.end() ? nullptr : &*found;
}

Result<Bytes> BackupReader::read(const BackupEntry& entry, std::size_t max) const {
  if (entry.size > max) {
    return failf(Errc::overloaded, "{}: {} has {} bytes, want at most {}", state_->path.native(), entry.name,
                 entry.size, max);
  }
  Bytes content(static_cast<std::size_t>(entry.size));
  TRY_VOID(read_at(state_->file, state_->path, entry.offset, content));
  return content;
}

Result<void> BackupReader::extract(const BackupEntry& entry, const fs::path& path) const {
  const Descriptor out(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, entry.mode));
  if (!out.is_open()) return system_error(path, "cannot be made", errno);
  if (::fchmod(out.get(), entry.mode) != 0) return system_error(path, "cannot get its permissions", errno);
  Bytes buffer(kBackupBuffer);
  for (std::uint64_t done = 0; done < entry.size;) {
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(entry.size - done, buffer.size()));
    TRY_VOID(read_at(state_->file, state_->path, entry.offset + done, part));
    done += part.size();
    for (ByteView rest = part; !rest.empty();) {
      const ssize_t count = ::write(out.get(), rest.data(), rest.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return system_error(path, "cannot be written", errno);
      rest = rest.subspan(static_cast<std::size_t>(count));
    }
  }
  wipe(buffer);
  if (::fsync(out.get()) != 0) return system_error(path, "cannot be made durable", errno);
  return {};
}

}  // namespace sallyport::keystore
