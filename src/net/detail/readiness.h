// Waiting until a descriptor can be read or written.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>
#include <string>

#include "net/deadline.h"
#include "net/descriptor.h"
#include "net/detail/alarms.h"
#include "net/detail/shut_window.h"
#include "net/task.h"

namespace sallyport::net {

enum class Direction : std::uint8_t { read, write };

// After so many operations that did not have to wait, others get their turn.
inline constexpr unsigned kTurnLength = 64;

// Owns a descriptor and its registration with the loop. One waiter per direction. A wait survives the end of this
// object.
class Readiness {
 public:
  Readiness(Executor executor, Descriptor descriptor);
  ~Readiness();

  // Errc::expired at the deadline, Errc::unavailable when close() or release() came first.
  Task<Result<void>> wait(Direction direction, Deadline deadline);
  // Told of every operation that succeeded without waiting; true when it is time to yield().
  bool turn_is_over();
  int get() const {
    return closed_ ? -1 : const_cast<boost::asio::posix::stream_descriptor&>(descriptor_).native_handle();
  }
  bool is_open() const { return !closed_; }
  void close();
  Descriptor release();
  // The same with its registration in the loop, which need not be made anew; closed where this is closed.
  boost::asio::posix::stream_descriptor release_registered();
  const Executor& executor() const { return executor_; }

 private:
  struct Listed : Link {};
  struct Wait;
  void forget_waits();
  Task<Result<void>> wait_once(Direction direction, Deadline deadline);
  Task<Result<void>> wait_to_write(Deadline deadline);

  Executor executor_;
  boost::asio::posix::stream_descriptor descriptor_;
  Alarms* alarms_;
  Link waits_;
  ShutWindow window_;
  bool closed_ = false;
  unsigned turn_ = 0;
};

// Whether errno says that it cannot be done without waiting.
bool would_block(int cause);
// Has the kernel reset the connection when the socket is closed (SO_LINGER of 0 s).
void reset_at_close(int socket);
// "where: what errno says", in the category that fits.
std::unexpected<Error> system_error(std::string_view where, int cause);

}  // namespace sallyport::net
