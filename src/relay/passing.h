// Passing a connection, its bytes unread, to the role or worker that it is for.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "net/raw_socket.h"
#include "net/timer.h"

namespace sallyport::relay {

// A channel to one Unix socket, kept open and made again when it breaks. One thread. Connections that cannot be passed
// in kPassDeadline, or come while kMaxPassing wait, are reset.
class Passing {
 public:
  Passing(net::Executor executor, std::string path);
  ~Passing();
  Passing(const Passing&) = delete;
  Passing& operator=(const Passing&) = delete;

  // The receiver is told the peer's address as text: a hint for its log.
  void pass(std::unique_ptr<net::RawSocket> socket);
  std::size_t waiting() const;
  void close();

 private:
  struct State;
  static net::Task<void> send_all(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::relay
