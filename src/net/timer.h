// Sleeping, and waking a task that waits for something other than a descriptor.
#pragma once

#include <memory>

#include "net/deadline.h"
#include "net/task.h"

namespace sallyport::net {

Task<void> sleep_for(milliseconds duration);
Task<void> sleep_until(Deadline deadline);

// A flag that tasks wait for. Not thread-safe; tasks that wait keep its state alive, so it may end while they do, which
// wakes them with Errc::unavailable.
class Event {
 public:
  explicit Event(Executor executor);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // Raises the flag and wakes all who wait.
  void set();
  void clear();
  bool is_set() const;
  // Returns at once when the flag is up. Errc::expired at the deadline.
  Task<Result<void>> wait(Deadline deadline);

 private:
  struct State;
  static Task<Result<void>> wait_on(std::shared_ptr<State> state, Deadline deadline);
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::net
