// How this process takes the memory of databases' pages.
#pragma once

#include "base/result.h"

namespace sallyport::store {

// From now on every connection takes the memory of its cache (kWriterCacheKib, kReaderCacheKib) at once instead of page
// by page. For a process that runs long and whose readers come and go: pages taken one by one lie between those of
// others, and what one gives back the next does not fill. A megabyte for a writer and a quarter for a reader, from the
// first page on. For the whole process, once, before it opens any database: Errc::internal after that.
Result<void> take_pages_at_once();

}  // namespace sallyport::store
