#include <algorithm>

#include "keystore/backup_file.h"
#include "keystore/file.h"

namespace sallyport::keystore {
namespace {

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == '@';
}

bool is_part(std::string_view part) {
  return !part.empty() && part.front() != '.' && std::ranges::all_of(part, is_name_character);
}

bool is_name(std::string_view name) {
  if (name.size() > kMaxBackupName) return false;
  const auto slash = name.find('/');
  if (slash == std::string_view::npos) return is_part(name);
  return is_part(name.substr(0, slash)) && is_part(name.substr(slash + 1));
}

}  // namespace

Result<BackupEntry> parse_backup_entry(ByteView head) {
  Reader reader(head);
  TRY(const auto name, reader.bytes_u16());
  TRY(const auto mode, reader.u16());
  TRY(const auto size, reader.u64());
  TRY_VOID(reader.finish("backup entry"));
  if (!is_name(as_text(name))) return fail(Errc::malformed, "backup entry: found a name that is no file of a state");
  if (mode != kSecretMode && mode != kPublicMode)
    return failf(Errc::malformed, "backup entry {}: found mode {:o}, want 600 or 644", as_text(name), mode);
  return BackupEntry{.name = std::string(as_text(name)), .mode = mode, .size = size, .offset = 0};
}

Bytes encode_backup_entry(const BackupEntry& entry) {
  Writer writer;
  writer.u16(static_cast<std::uint16_t>(entry.name.size())).bytes(as_bytes(entry.name));
  writer.u16(static_cast<std::uint16_t>(entry.mode)).u64(entry.size);
  return to_bytes(writer.view());
}

}  // namespace sallyport::keystore
