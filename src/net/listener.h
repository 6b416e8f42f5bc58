// Listening sockets.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "net/stream.h"

namespace sallyport::net {

struct ListenOptions {
  bool reuse_port = false;  // SO_REUSEPORT: several processes share the port
  int backlog = 1024;
  SocketOptions socket;  // for each accepted TCP connection
};

// Accepts connections on one socket. Must outlive its accept(). Not thread-safe.
class Listener {
 public:
  // Port 0 takes a free one; see address(). The host must be an IP address. A port in use is Errc::conflict, and the
  // error says which address and port and what to do; a port below 1024 without the right to it is Errc::unauthorized.
  static Result<std::unique_ptr<Listener>> tcp(Executor executor, const Address& address, ListenOptions options = {});
  // Makes the socket with exactly `mode`. A socket left over by a process that is gone is replaced, a live one is
  // Errc::conflict, and any other kind of file is never touched. Removed again by the destructor.
  static Result<std::unique_ptr<Listener>> unix_socket(Executor executor, const std::string& path, mode_t mode = 0600);
  // Takes over a bound, listening socket that was inherited.
  static Result<std::unique_ptr<Listener>> inherited(Executor executor, Descriptor socket, ListenOptions options = {});

  virtual ~Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Waits for a connection. When the process is out of descriptors it waits kAcceptPause and goes on instead of
  // failing. Errc::unavailable after close().
  virtual Task<Result<StreamPtr>> accept(Deadline deadline) = 0;
  virtual void close() = 0;
  // The bound address; empty host for a Unix socket.
  virtual const Address& address() const = 0;
  virtual int native() const = 0;

 protected:
  Listener() = default;
};

inline constexpr milliseconds kAcceptPause{50};

}  // namespace sallyport::net
