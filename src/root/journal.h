// The root's journal: one line per act, synced before the act has any effect outside. What was issued, what is revoked
// and which CRL numbers are used up is read from here alone.
//
//   journal := line*
//   line    := time SP act (SP key "=" value)* LF      time as 2026-01-02T03:04:05Z, act and key of a-z, 0-9 and '-'
//   value   := letters, digits and  . _ : / @ + -  as they are, every other octet as %XX (upper case)
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "keystore/append_file.h"

namespace sallyport::root {

inline constexpr std::size_t kMaxJournal = 64U << 20U;
inline constexpr std::size_t kMaxJournalLine = 4'096;
inline constexpr std::size_t kMaxJournalFields = 16;

struct JournalEntry {
  UnixTime time;
  std::string act;
  std::vector<std::pair<std::string, std::string>> fields;

  // Errc::malformed when the entry has no such field.
  Result<std::string> field(std::string_view key) const;
  friend bool operator==(const JournalEntry&, const JournalEntry&) = default;
};

std::string encode_journal_line(const JournalEntry& entry);

struct JournalText {
  std::vector<JournalEntry> entries;
  std::size_t sound_size = 0;  // of whole lines; what follows is a torn one, to be cut
};
// Errc::malformed names the line that breaks the grammar.
Result<JournalText> parse_journal(std::string_view text);

// Not thread-safe.
class Journal {
 public:
  // Opens or makes the file; cuts a torn last line.
  static Result<Journal> open(const std::filesystem::path& path);
  const std::vector<JournalEntry>& entries() const { return entries_; }
  // Returns when the entry is on disk.
  Result<void> append(JournalEntry entry);

 private:
  Journal(keystore::AppendFile file, std::vector<JournalEntry> entries)
      : file_(std::move(file)), entries_(std::move(entries)) {}
  keystore::AppendFile file_;
  std::vector<JournalEntry> entries_;
};

}  // namespace sallyport::root
