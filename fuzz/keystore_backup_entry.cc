// The head of a file in a backup: what is accepted names a file below a state folder, and is written back the same.
#include <algorithm>

#include "keystore/backup_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const ByteView head(data, size);
  const auto entry = keystore::parse_backup_entry(head);
  if (!entry) return 0;
  SALLYPORT_CHECK(std::ranges::equal(keystore::encode_backup_entry(*entry), head));
  SALLYPORT_CHECK(!entry->name.empty() && entry->name.front() != '/' && entry->name.find("..") != 0);
  SALLYPORT_CHECK(entry->name.find("/.") == std::string::npos);
  SALLYPORT_CHECK(std::ranges::count(entry->name, '/') <= 1);
  return 0;
}
