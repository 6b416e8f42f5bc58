#include "net/heap.h"

#include <malloc.h>

#include "net/timer.h"

namespace sallyport::net {

Task<void> keep_heap_small(milliseconds interval) {
  while (true) {
    co_await sleep_for(interval);
    ::malloc_trim(0);
  }
}

}  // namespace sallyport::net
