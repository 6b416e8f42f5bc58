// Checkpoints: the signed head of a log (C2SP tlog-checkpoint).
//
//   <origin>
//   <size in decimal>
//   <base64(root)>
//   [extension lines]
#pragma once

#include "tlog/merkle.h"
#include "tlog/note.h"

namespace sallyport::tlog {

inline constexpr std::size_t kMaxExtensionLines = 16;

struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  Hash root{};
  std::vector<std::string> extensions;
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

// The text of the note. `origin` and extensions must not be empty or have a newline.
std::string encode_checkpoint(const Checkpoint& checkpoint);
// Errc::malformed.
Result<Checkpoint> parse_checkpoint(std::string_view text);

// Returns the whole note, signed as the key named like the origin.
Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, crypto::SigningKey& key);
// Verifies before it parses. Errc::unauthorized also for another origin than the key's name, Errc::malformed.
Result<Checkpoint> open_checkpoint(std::string_view note, const NoteKey& key);

// The origin of the log of the installation with that zone: "<zone>/log".
std::string origin_of(std::string_view zone);

}  // namespace sallyport::tlog
