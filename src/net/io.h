// One event loop on one thread, and waiting on it for what happens on other threads.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "base/time.h"
#include "net/task.h"

namespace sallyport::net {

// The loop. All methods but post() and stop() belong to the thread that runs it.
class Io {
 public:
  Io();
  ~Io();
  Io(const Io&) = delete;
  Io& operator=(const Io&) = delete;

  // Runs until stop(), or until nothing is left to wait for.
  void run();
  // Runs what is ready and what becomes ready within `limit`; for tests.
  void run_for(milliseconds limit);
  // Makes run() possible again after stop() or an end for want of work.
  void restart();
  void stop();                            // thread-safe
  void post(std::function<void()> work);  // thread-safe
  // Calls `work` once when the process receives SIGTERM or SIGINT.
  void on_termination(std::function<void()> work);

  Executor executor();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Waits for an operation that calls back once, on any thread: `start` receives the callback. The coroutine goes on, on
// its own loop, with what the callback was given.
Task<Result<void>> await_callback(std::function<void(std::function<void(Result<void>)>)> start);

// Runs `work` on a thread of its own pool (argon2, file system, signatures) and resumes on the loop with its result;
// what it throws is Errc::internal.
Task<Result<void>> run_blocking(std::function<Result<void>()> work);

}  // namespace sallyport::net
