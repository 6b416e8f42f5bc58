// Passing a connection, its bytes unread, to the role or worker that it is for.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "net/raw_socket.h"
#include "net/timer.h"

namespace sallyport::relay {

// How a connection came to a worker.
enum class Came : std::uint8_t {
  from_outside,
  passed_on,    // by another worker, or by the process that takes over this one's slot
  passed_back,  // by the process whose slot this one took over
};

// What goes along with a connection: the peer's address as text, a hint for the log, and whether it is passed back.
std::string encode_passed_source(const net::Address& source, bool passed_back);
struct PassedSource {
  net::Address address;
  Came came = Came::passed_on;
};
// Errc::malformed.
Result<PassedSource> parse_passed_source(std::string_view text);

// A channel to one Unix socket, kept open and made again when it breaks. One thread. Connections that cannot be passed
// in kPassDeadline, or come while kMaxPassing wait, are reset.
class Passing {
 public:
  Passing(net::Executor executor, std::string path, bool passes_back = false);
  // By this channel alone: when it breaks what waits is reset, and `on_broken` told, which may destroy this object.
  Passing(net::Executor executor, net::StreamPtr channel, std::function<void()> on_broken);
  ~Passing();
  Passing(const Passing&) = delete;
  Passing& operator=(const Passing&) = delete;

  void pass(std::unique_ptr<net::RawSocket> socket);
  std::size_t waiting() const;
  void close();

 private:
  struct State;
  static net::Task<void> send_all(std::shared_ptr<State> state);
  static net::Task<void> send_next(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::relay
