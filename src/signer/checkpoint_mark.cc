#include "signer/checkpoint_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "crypto/hash.h"
#include "keystore/file.h"

namespace sallyport::signer {
namespace {

constexpr std::string_view kMagic = "SPlogmk1";
constexpr std::size_t kSlotSize = 64;
constexpr std::size_t kChecked = 56;
constexpr std::size_t kSumSize = kSlotSize - kChecked;

Bytes sum_of(ByteView checked) {
  const auto digest = crypto::sha256(checked);
  return to_bytes(ByteView(digest).first(kSumSize));
}

Bytes encode_slot(std::uint64_t generation, const LogMark& mark) {
  Writer writer;
  writer.text(kMagic).u64(generation).u64(mark.size).bytes(mark.root);
  const Bytes sum = sum_of(writer.view());
  writer.bytes(sum);
  return std::move(writer).take();
}

struct Slot {
  std::uint64_t generation = 0;
  LogMark mark;
};

std::optional<Slot> read_slot(ByteView bytes) {
  if (bytes.size() != kSlotSize || as_text(bytes.first(kMagic.size())) != kMagic) return std::nullopt;
  if (!equal(sum_of(bytes.first(kChecked)), bytes.subspan(kChecked))) return std::nullopt;
  Reader reader(bytes.subspan(kMagic.size()));
  const auto generation = reader.u64();
  const auto size = reader.u64();
  const auto root = reader.array<32>();
  if (!generation || !size || !root) return std::nullopt;
  return Slot{*generation, {*size, *root}};
}

}  // namespace

Result<CheckpointFile> CheckpointFile::open(const std::filesystem::path& path) {
  if (auto made = keystore::create_file(path, encode_slot(0, {}), keystore::kSecretMode);
      !made && made.error().code != Errc::conflict)
    return std::unexpected(std::move(made).error());
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return failf(Errc::unavailable, "{}: cannot be opened: {}", path.native(), std::strerror(errno));
  CheckpointFile out(path, descriptor);
  TRY_VOID(out.load());
  return out;
}

CheckpointFile::CheckpointFile(CheckpointFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      generation_(other.generation_),
      mark_(other.mark_) {}

CheckpointFile::~CheckpointFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<void> CheckpointFile::load() {
  TRY(const Bytes bytes, keystore::read_file(path_, 2 * kSlotSize));
  std::optional<Slot> newest;
  for (std::size_t at = 0; at + kSlotSize <= bytes.size(); at += kSlotSize) {
    const auto slot = read_slot(ByteView(bytes).subspan(at, kSlotSize));
    if (slot && (!newest || slot->generation > newest->generation)) newest = slot;
  }
  if (!newest) {
    return failf(Errc::malformed, "{}: found no whole mark of the log, want the file as the signer wrote it",
                 path_.native());
  }
  generation_ = newest->generation;
  mark_ = newest->mark;
  return {};
}

Result<void> CheckpointFile::raise(const LogMark& mark) {
  const std::uint64_t generation = generation_ + 1;
  const Bytes slot = encode_slot(generation, mark);
  const auto at = static_cast<off_t>(generation % 2 * kSlotSize);
  const ssize_t written = ::pwrite(descriptor_, slot.data(), slot.size(), at);
  if (written != static_cast<ssize_t>(slot.size()) || ::fdatasync(descriptor_) != 0) {
    return failf(Errc::unavailable, "{}: the mark of the log cannot be written: {}", path_.native(),
                 std::strerror(errno));
  }
  generation_ = generation;
  mark_ = mark;
  return {};
}

}  // namespace sallyport::signer
