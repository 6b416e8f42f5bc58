#include "tlog/note.h"

#include <algorithm>
#include <array>

#include "codec/json.h"
#include "codec/text.h"
#include "crypto/hash.h"

namespace sallyport::tlog {
namespace {

constexpr std::string_view kSignatureMark = "\xE2\x80\x94 ";  // U+2014 and a space
constexpr std::uint8_t kEd25519 = 0x01;
constexpr std::size_t kKeyIdSize = 4;
constexpr std::size_t kKeySize = 32;
// What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410 §4).
constexpr std::array<std::uint8_t, 12> kSpkiPrefix = {0x30, 0x2A, 0x30, 0x05, 0x06, 0x03,
                                                      0x2B, 0x65, 0x70, 0x03, 0x21, 0x00};
// White space above ASCII (Unicode property White_Space), in UTF-8.
constexpr std::array<std::string_view, 19> kSpaces = {
    "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82", "\xE2\x80\x83",
    "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A",
    "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};

std::unexpected<Error> malformed(std::string_view what) {
  return failf(Errc::malformed, "note: {}", what);
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 && c != '\n';
}

bool is_text(std::string_view text) {
  return !text.empty() && text.ends_with('\n') && codec::is_utf8(text) && !std::ranges::any_of(text, is_control);
}

Result<Bytes> raw_key(const crypto::PublicKey& key) {
  const ByteView spki = key.spki();
  if (key.type() != crypto::KeyType::ed25519 || spki.size() != kSpkiPrefix.size() + kKeySize) {
    return malformed("found a key of another type, want Ed25519");
  }
  return to_bytes(spki.subspan(kSpkiPrefix.size()));
}

std::uint32_t key_id(std::string_view name, ByteView raw) {
  Writer writer;
  writer.text(name).u8('\n').u8(kEd25519).bytes(raw);
  const auto digest = crypto::sha256(writer.view());
  return Reader(digest).u32().value_or(0);
}

Result<NoteSignature> parse_signature_line(std::string_view line) {
  if (!line.starts_with(kSignatureMark)) return malformed("a line below the text is no signature");
  line.remove_prefix(kSignatureMark.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || !is_key_name(line.substr(0, space))) {
    return malformed("a signature without a key name");
  }
  TRY(const Bytes bytes, codec::decode_base64(line.substr(space + 1)));
  if (bytes.size() <= kKeyIdSize) return malformed("a signature too short for its key id");
  Reader reader(bytes);
  NoteSignature out;
  out.key_name = line.substr(0, space);
  TRY(out.key_id, reader.u32());
  out.signature = to_bytes(reader.rest());
  return out;
}

}  // namespace

bool is_key_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxKeyName || !codec::is_utf8(name)) return false;
  const bool plain =
      std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == '+' || c == 0x7F; });
  return plain && std::ranges::none_of(kSpaces, [&](std::string_view space) { return name.contains(space); });
}

Result<Note> parse_note(std::string_view bytes) {
  if (bytes.size() > kMaxNoteBytes) return malformed("too long");
  if (!is_text(bytes)) return malformed("not UTF-8, a control character, or no newline at its end");
  const std::size_t blank = bytes.rfind("\n\n");
  if (blank == std::string_view::npos) return malformed("no empty line before the signatures");
  Note out;
  out.text = bytes.substr(0, blank + 1);
  std::string_view rest = bytes.substr(blank + 2);
  while (!rest.empty()) {
    if (out.signatures.size() == kMaxNoteSignatures) return malformed("too many signatures");
    const std::size_t end = rest.find('\n');
    TRY(auto signature, parse_signature_line(rest.substr(0, end)));
    out.signatures.push_back(std::move(signature));
    rest.remove_prefix(end + 1);
  }
  if (out.signatures.empty()) return malformed("no signature");
  return out;
}

std::string encode_note(const Note& note) {
  std::string out = note.text + "\n";
  for (const NoteSignature& signature : note.signatures) {
    Writer writer;
    writer.u32(signature.key_id).bytes(signature.signature);
    out += fmt::format("{}{} {}\n", kSignatureMark, signature.key_name, codec::encode_base64(writer.view()));
  }
  return out;
}

Result<NoteKey> NoteKey::create(std::string name, crypto::PublicKey key) {
  if (!is_key_name(name)) return malformed("found a name that no key may have");
  TRY(const Bytes raw, raw_key(key));
  const std::uint32_t id = key_id(name, raw);
  return NoteKey(std::move(name), std::move(key), id);
}

Result<NoteKey> NoteKey::parse(std::string_view text) {
  const std::size_t first = text.find('+');
  const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) return malformed("key: want name+id+key");
  TRY(const Bytes bytes, codec::decode_base64(text.substr(second + 1)));
  if (bytes.size() != 1 + kKeySize || bytes.front() != kEd25519) return malformed("key: want an Ed25519 key");
  Bytes spki(kSpkiPrefix.begin(), kSpkiPrefix.end());
  append(spki, ByteView(bytes).subspan(1));
  TRY(auto key, crypto::PublicKey::from_spki(spki));
  TRY(auto out, create(std::string(text.substr(0, first)), std::move(key)));
  if (out.to_text() != text) return malformed("key: the id is not the key's");
  return out;
}

std::string NoteKey::to_text() const {
  Bytes typed = {kEd25519};
  append(typed, key_.spki().subspan(kSpkiPrefix.size()));
  return fmt::format("{}+{:08x}+{}", name_, id_, codec::encode_base64(typed));
}

Result<Note> sign_note(std::string text, std::string_view name, crypto::SigningKey& key) {
  if (!is_text(text) || text.size() > kMaxNoteBytes / 2) return malformed("found a text that cannot be signed as one");
  TRY(const auto as, NoteKey::create(std::string(name), key.public_key()));
  TRY(Bytes signature, key.sign(as_bytes(text)));
  Note out;
  out.text = std::move(text);
  out.signatures.push_back({as.name(), as.id(), std::move(signature)});
  return out;
}

Result<void> verify_note(const Note& note, const NoteKey& key) {
  bool is_signed = false;
  for (const NoteSignature& signature : note.signatures) {
    if (signature.key_name != key.name() || signature.key_id != key.id()) continue;
    if (!key.key().verify(crypto::SignatureScheme::ed25519, as_bytes(note.text), signature.signature)) {
      return failf(Errc::unauthorized, "note: the signature of {} does not hold", key.name());
    }
    is_signed = true;
  }
  if (!is_signed) return failf(Errc::unauthorized, "note: found no signature of {}", key.name());
  return {};
}

}  // namespace sallyport::tlog
