// Signed notes: a text with Ed25519 signatures below it (C2SP signed-note).
//
//   text, each line ended by a newline
//   (an empty line)
//   — <key name> base64(key id u32 ‖ signature)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/key.h"

namespace sallyport::tlog {

inline constexpr std::size_t kMaxNoteBytes = 64U << 10U;
inline constexpr std::size_t kMaxNoteSignatures = 32;
inline constexpr std::size_t kMaxKeyName = 255;

struct NoteSignature {
  std::string key_name;
  std::uint32_t key_id = 0;
  Bytes signature;
  friend bool operator==(const NoteSignature&, const NoteSignature&) = default;
};
struct Note {
  std::string text;  // with its last newline
  std::vector<NoteSignature> signatures;
  friend bool operator==(const Note&, const Note&) = default;
};

// Nothing is verified by parsing. Errc::malformed; limits above.
Result<Note> parse_note(std::string_view bytes);
// `note` must be one that parse_note would give.
std::string encode_note(const Note& note);

// Whether a key may be called so: not empty, at most kMaxKeyName bytes, no space of any kind, no control character, no
// plus.
bool is_key_name(std::string_view name);

// The name, key and id that a signature is looked for by. A cheap value.
class NoteKey {
 public:
  // Errc::malformed unless `key` is an Ed25519 key and `name` may be a key's.
  static Result<NoteKey> create(std::string name, crypto::PublicKey key);
  // Reads what to_text() writes.
  static Result<NoteKey> parse(std::string_view text);

  const std::string& name() const { return name_; }
  const crypto::PublicKey& key() const { return key_; }
  // SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key)[:4], big-endian.
  std::uint32_t id() const { return id_; }
  // "name+id in hex+base64(0x01 ‖ key)", as Go's sumdb/note writes verifier keys.
  std::string to_text() const;

 private:
  NoteKey(std::string name, crypto::PublicKey key, std::uint32_t id)
      : name_(std::move(name)), key_(std::move(key)), id_(id) {}
  std::string name_;
  crypto::PublicKey key_;
  std::uint32_t id_;
};

// Signs a text as the one key called `name`. Errc::malformed when the text cannot be a note's or `name` a key's name.
Result<Note> sign_note(std::string text, std::string_view name, crypto::SigningKey& key);
// Errc::unauthorized unless the note has a signature of `key`, and every one that it has of it holds. Signatures of
// other keys say nothing.
Result<void> verify_note(const Note& note, const NoteKey& key);

}  // namespace sallyport::tlog
