#include "net/heap.h"

#include <malloc.h>

#include <cstddef>

#include "net/timer.h"

extern "C" {
// Of jemalloc(3), in a program that is linked with it.
[[gnu::weak]] int mallctl(const char* name, void* old, std::size_t* old_size, void* set, std::size_t set_size) noexcept;
}

namespace sallyport::net {

namespace {

// MALLCTL_ARENAS_ALL: what no arena has used for its decay time.
constexpr const char* kDecayAll = "arena.4096.decay";
// What the calling thread has freed and keeps for itself: each such piece holds the page that it lies in.
constexpr const char* kFlushThread = "thread.tcache.flush";

void give_back() {
  if (::mallctl == nullptr) {
    ::malloc_trim(0);
  } else {
    ::mallctl(kFlushThread, nullptr, nullptr, nullptr, 0);
    ::mallctl(kDecayAll, nullptr, nullptr, nullptr, 0);
  }
}

}  // namespace

Task<void> keep_heap_small(milliseconds interval) {
  while (true) {
    co_await sleep_for(interval);
    give_back();
  }
}

}  // namespace sallyport::net
