#include "root/journal.h"

#include <algorithm>

#include "codec/text.h"

namespace sallyport::root {
namespace {

constexpr std::size_t kTimeLength = 20;

bool is_word(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

bool stands_for_itself(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("._:/@+-").contains(c);
}

std::string encode_value(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (stands_for_itself(c)) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Result<std::string> decode_value(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (stands_for_itself(text.front())) {
      out.push_back(text.front());
      text.remove_prefix(1);
      continue;
    }
    if (text.front() != '%' || text.size() < 3) return fail(Errc::malformed, "found a character that must be escaped");
    TRY(const auto octet, codec::decode_hex(text.substr(1, 2)));
    out.push_back(static_cast<char>(octet.front()));
    text.remove_prefix(3);
  }
  return out;
}

Result<JournalEntry> parse_line(std::string_view line) {
  if (line.size() > kMaxJournalLine)
    return failf(Errc::malformed, "found {} characters, want at most {}", line.size(), kMaxJournalLine);
  JournalEntry entry;
  TRY(entry.time, parse_iso8601(line.substr(0, kTimeLength)));
  line.remove_prefix(kTimeLength);
  bool first = true;
  while (!line.empty()) {
    if (line.front() != ' ') return fail(Errc::malformed, "found no space between fields");
    line.remove_prefix(1);
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(word.size());
    if (first) {
      if (!is_word(word)) return fail(Errc::malformed, "found no act");
      entry.act = word;
      first = false;
      continue;
    }
    const auto equals = word.find('=');
    if (equals == std::string_view::npos || !is_word(word.substr(0, equals)) ||
        entry.fields.size() == kMaxJournalFields) {
      return fail(Errc::malformed, "found something that is no key=value");
    }
    TRY(auto value, decode_value(word.substr(equals + 1)));
    entry.fields.emplace_back(word.substr(0, equals), std::move(value));
  }
  if (first) return fail(Errc::malformed, "found no act");
  return entry;
}

}  // namespace

Result<std::string> JournalEntry::field(std::string_view key) const {
  const auto found = std::ranges::find(fields, key, &std::pair<std::string, std::string>::first);
  if (found == fields.end())
    return failf(Errc::malformed, "journal: act '{}' of {}: found no '{}'", act, to_iso8601(time), key);
  return found->second;
}

std::string encode_journal_line(const JournalEntry& entry) {
  SALLYPORT_CHECK(is_word(entry.act) && entry.fields.size() <= kMaxJournalFields);
  std::string line = to_iso8601(entry.time) + " " + entry.act;
  for (const auto& [key, value] : entry.fields) {
    SALLYPORT_CHECK(is_word(key));
    line += " " + key + "=" + encode_value(value);
  }
  return line + "\n";
}

Result<JournalText> parse_journal(std::string_view text) {
  JournalText journal;
  std::size_t number = 1;
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', journal.sound_size), ++number) {
    auto entry = parse_line(text.substr(journal.sound_size, end - journal.sound_size));
    if (!entry) return std::unexpected(std::move(entry).error().at(fmt::format("journal: line {}", number)));
    journal.entries.push_back(*std::move(entry));
    journal.sound_size = end + 1;
  }
  return journal;
}

Result<Journal> Journal::open(const std::filesystem::path& path) {
  TRY(auto file, keystore::AppendFile::open(path, 0600));
  TRY(const auto bytes, file.read_all(kMaxJournal));
  TRY(auto parsed, parse_journal(as_text(bytes)));
  if (parsed.sound_size < bytes.size()) TRY_VOID(file.cut(parsed.sound_size));
  return Journal(std::move(file), std::move(parsed.entries));
}

Result<void> Journal::append(JournalEntry entry) {
  const std::string line = encode_journal_line(entry);
  if (line.size() > kMaxJournalLine)
    return failf(Errc::overloaded, "journal: found a line of {} characters, want at most {}", line.size(),
                 kMaxJournalLine);
  TRY_VOID(file_.append(as_bytes(line)));
  entries_.push_back(std::move(entry));
  return {};
}

}  // namespace sallyport::root
