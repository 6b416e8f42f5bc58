// A data connection whose preface was taken: a plain socket, or TLS for networks that allow nothing else. State of
// Visits.
#pragma once

#include <memory>

#include "net/raw_socket.h"
#include "net/stream.h"

namespace sallyport::relay {

// Owns the connection. While it is ready it is watched through watched(): for TLS that is a second descriptor of the
// socket, since reading would take bytes out of the TLS stream.
class DataConnection {
 public:
  explicit DataConnection(std::unique_ptr<net::RawSocket> plain) : watched_(std::move(plain)) {}
  // Errc::unavailable when no descriptor is left.
  static Result<DataConnection> over_tls(net::StreamPtr tls);

  const std::shared_ptr<net::RawSocket>& watched() const { return watched_; }
  bool is_open() const { return tls_ ? tls_->native() >= 0 : watched_->is_open(); }
  bool is_tls() const { return tls_ != nullptr; }
  // Gives the connection away; the watch ends.
  net::StreamPtr take_tls();
  void close();

 private:
  std::shared_ptr<net::RawSocket> watched_;
  net::StreamPtr tls_;
};

}  // namespace sallyport::relay
