// Parses a journal; every entry, written and read again, is the same.
#include <cstdint>

#include "root/journal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const auto journal = root::parse_journal(as_text({data, size}));
  if (!journal) return 0;
  for (const auto& entry : journal->entries) {
    const std::string line = root::encode_journal_line(entry);
    if (line.size() > root::kMaxJournalLine) continue;
    const auto again = root::parse_journal(line);
    SALLYPORT_CHECK(again && again->entries.size() == 1 && again->entries.front() == entry);
  }
  return 0;
}
