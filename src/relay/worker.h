// One worker of the relay, the only public process: it demultiplexes, holds control connections, and moves users' bytes
// that it cannot read (DESIGN §11). All of it runs on one loop and one thread.
#pragma once

#include <memory>

#include "base/random.h"
#include "base/time.h"
#include "net/task.h"
#include "relay/settings.h"

namespace sallyport::relay {

struct Counts {
  std::size_t strangers = 0;  // connections whose first bytes or handshake are not complete
  std::size_t devices = 0;
  std::size_t ready = 0;    // data connections that wait for a user
  std::size_t waiting = 0;  // users who wait for a data connection
  std::size_t joined = 0;
  std::size_t unwrapped = 0;  // connections whose WebSockets are taken off here
  std::size_t grants = 0;
  std::uint64_t snapshot = 0;
  bool has_lease = false;
  bool has_certificate = false;
  bool is_leaving = false;  // another process has taken over the slot
};

// The name of a process (/proc/<pid>/comm) whose slot another one has taken over.
inline constexpr std::string_view kLeavingName = "relay-leaving";

class Worker {
 public:
  // Makes the pipes, so that privileges may be dropped next. Borrows clock and random for its lifetime, which must not
  // begin before the loop's and may end before it.
  Worker(net::Executor executor, const Clock& clock, Random& random, Settings settings, Listeners listeners);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Connects to the authority, accepts when it has state, lease and certificate or after kReadyPatience, and serves
  // until shut_down(). A worker that succeeds another process begins to accept when it is ready, and the other one then
  // leaves.
  void start();
  // Returns when another process has taken over the slot and nobody needs this one any more: its devices have come back
  // to the other, its users' connections have ended, or leave_limit is over. shut_down() then remains to be called.
  net::Task<void> until_left();
  // Accepts no more, sends every device away with a time to come back at, tells the authority the last counts, closes
  // all. Returns within 2 s.
  net::Task<void> shut_down();

  Counts counts() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::relay
