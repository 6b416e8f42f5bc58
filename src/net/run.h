// Running coroutines to their end, side by side, and what a program sets up around its loop.
#pragma once

#include <optional>
#include <utility>

#include "net/io.h"

namespace sallyport::net {

// Runs both at once and returns when both have ended; an exception in the second is logged and counts as its end, one
// in the first goes on when the second has ended.
Task<void> join(Task<void> first, Task<void> second);

// Lets everything else that is ready run first.
Task<void> yield();

// Runs the loop until `task` has ended or stop() is called: for command lines and tests. Other tasks stay where they
// are.
void run(Io& io, Task<void> task);

template <class T>
Task<void> store_result(Task<T> task, std::optional<T>& into) {
  into.emplace(co_await std::move(task));
}

// Returns what the task returned; absent when it ended by an exception or the loop was stopped first.
template <class T>
std::optional<T> run(Io& io, Task<T> task) {
  std::optional<T> result;
  run(io, store_result(std::move(task), result));
  return result;
}

// A peer that closes must not end the process: programs call this first thing in main, since TLS writes go through
// write(2), which has no MSG_NOSIGNAL.
void ignore_sigpipe();

}  // namespace sallyport::net
