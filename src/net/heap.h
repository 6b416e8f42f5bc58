// What a process that runs for years holds of memory.
#pragma once

#include "base/time.h"
#include "net/task.h"

namespace sallyport::net {

inline constexpr milliseconds kHeapInterval{60'000};

// Gives the pages of what was freed back to the system every `interval`, as long as its loop, or until its task group
// is stopped. By itself glibc gives back no more than the end of the heap (malloc_trim(3)), so that a device would keep
// what its busiest minute took; jemalloc, in the server, looks only while something is allocated, so that a role that
// does nothing would keep what its start took: it gives back at the second look what nobody used since the first, and
// what the loop's thread has freed and kept for itself. Takes well below a millisecond for a few megabytes.
Task<void> keep_heap_small(milliseconds interval = kHeapInterval);

}  // namespace sallyport::net
