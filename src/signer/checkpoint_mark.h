// The last checkpoint that the signer signed, remembered where a restored database does not reach.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>

#include "base/bytes.h"

namespace sallyport::signer {

struct LogMark {
  std::uint64_t size = 0;  // 0: none yet
  std::array<std::uint8_t, 32> root{};
  friend bool operator==(const LogMark&, const LogMark&) = default;
};

class CheckpointMark {
 public:
  virtual ~CheckpointMark() = default;
  virtual LogMark last() const = 0;
  // Durable when it returns. Errc::unavailable: then nothing may be signed.
  virtual Result<void> raise(const LogMark& mark) = 0;
};

// In memory, for what does not outlive its process.
class MemoryMark final : public CheckpointMark {
 public:
  LogMark last() const override { return mark_; }
  Result<void> raise(const LogMark& mark) override {
    mark_ = mark;
    return {};
  }

 private:
  LogMark mark_;
};

// In a file of two slots that are written in turn, so that a crash in the middle of one leaves the other. Opened before
// the signer is confined; only written to after. Move-only.
//
// The file begins with the slot of generation 0; generation n is slot n mod 2.
//
//   slot := "SPlogmk1" | generation u64 | size u64 | root[32] | SHA-256 of all that, first 8 bytes      (64 bytes)
class CheckpointFile final : public CheckpointMark {
 public:
  // Makes the file when there is none. Errc::malformed when it holds no whole slot; Errc::unavailable.
  static Result<CheckpointFile> open(const std::filesystem::path& path);
  CheckpointFile(CheckpointFile&& other) noexcept;
  CheckpointFile& operator=(CheckpointFile&&) = delete;
  ~CheckpointFile() override;

  LogMark last() const override { return mark_; }
  Result<void> raise(const LogMark& mark) override;

 private:
  CheckpointFile(std::filesystem::path path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  Result<void> load();

  std::filesystem::path path_;
  int descriptor_;
  std::uint64_t generation_ = 0;
  LogMark mark_;
};

}  // namespace sallyport::signer
