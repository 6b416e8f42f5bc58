// Tasks that end together: what an object needs that works in several tasks and may end while its loop goes on.
#pragma once

#include <memory>
#include <string_view>

#include "net/task.h"

namespace sallyport::net {

// Not thread-safe. A group ends after stop() has returned, or after the last turn of its loop.
class TaskGroup {
 public:
  explicit TaskGroup(Executor executor);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // As net::spawn. After end() nothing is started any more.
  void spawn(Task<void> task, std::string_view name);
  // Wakes every task; each is unwound where it waits, as by an exception. A task inside await_callback or run_blocking
  // first gets what it waits for, and is unwound at its next wait.
  void end();
  // end(), and returns when the last task is gone, with everything that it held. Not for tasks of the group itself.
  Task<void> stop();

  // Returns when none is left, ended or by itself.
  Task<void> until_empty();

  std::size_t size() const;
  const Executor& executor() const;

 private:
  struct State;
  static Task<void> wait_until_empty(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::net
