#include "store/page_memory.h"

#include <sqlite3.h>

#include "store/detail/schema.h"

namespace sallyport::store {

Result<void> take_pages_at_once() {
  // sqlite3.h, SQLITE_CONFIG_PAGECACHE: no memory of ours, and so many bytes, because the number is negative, at the
  // first page of each connection, or as many as its cache may hold.
  constexpr int kBytesInKib = -static_cast<int>(kWriterCacheKib);
  if (sqlite3_config(SQLITE_CONFIG_PAGECACHE, nullptr, 0, kBytesInKib) == SQLITE_OK) return {};
  return fail(Errc::internal, "page memory: a database was opened before");
}

}  // namespace sallyport::store
