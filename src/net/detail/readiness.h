// Waiting until a descriptor can be read or written.
#pragma once

#include <memory>
#include <string>

#include "net/deadline.h"
#include "net/descriptor.h"
#include "net/detail/poller.h"
#include "net/detail/shut_window.h"
#include "net/task.h"

namespace sallyport::net {

// After so many operations that did not have to wait, others get their turn.
inline constexpr unsigned kTurnLength = 64;

// Owns a descriptor that coroutines wait for. A wait survives the end of this object.
class Readiness {
 public:
  Readiness(Executor executor, Descriptor descriptor);
  ~Readiness();

  // Errc::expired at the deadline, Errc::unavailable when close() or release() came first. It may return without cause.
  Task<Result<void>> wait(Direction direction, Deadline deadline);
  // To read what the loop was not told of yet.
  Task<Result<void>> wait_for_news(Deadline deadline);
  // As of PolledDescriptor.
  void set_blocking(Direction direction);
  bool is_blocking(Direction direction) const { return is_open() && polled_->is_blocking(direction); }
  // Told of every operation that succeeded without waiting; true when it is time to yield().
  bool turn_is_over();
  int get() const { return polled_ ? polled_->get() : -1; }
  bool is_open() const { return polled_ && polled_->is_open(); }
  // As PolledDescriptor::has_hung_up(); true once it is closed.
  bool has_hung_up() const { return !is_open() || polled_->has_hung_up(); }
  void close() { polled_.reset(); }
  Descriptor release();
  // The same in its loop's set, for who goes on with it there; null where this is closed.
  std::unique_ptr<PolledDescriptor> take_polled();
  const Executor& executor() const { return executor_; }

 private:
  using Watch = void (PolledDescriptor::*)(Watcher&, Direction);
  Task<Result<void>> wait_once(Direction direction, Deadline deadline, Watch watch);
  Task<Result<void>> wait_to_write(Deadline deadline);

  Executor executor_;
  std::unique_ptr<PolledDescriptor> polled_;
  ShutWindow window_;
  unsigned turn_ = 0;
};

// Whether errno says that it cannot be done without waiting.
bool would_block(int cause);
// Has the kernel reset the connection when the socket is closed (SO_LINGER of 0 s).
void reset_at_close(int socket);
// "where: what errno says", in the category that fits.
std::unexpected<Error> system_error(std::string_view where, int cause);

}  // namespace sallyport::net
