// Connections whose first bytes are looked at without being taken, so that whoever gets the descriptor finds them
// unread.
#pragma once

#include <memory>
#include <span>

#include "net/stream.h"

namespace sallyport::net {

class PolledDescriptor;
class Readiness;

// Owns one connected stream socket. One waiter at a time. Errors as for Stream.
class RawSocket {
 public:
  // `peer` as accepted or told by the process that handed the descriptor over.
  RawSocket(Executor executor, Descriptor socket, Address peer);
  ~RawSocket();
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  // Waits until `at_least` unread bytes are there and copies as many as fit into `into`, leaving them unread. The
  // kernel wakes us only then (SO_RCVLOWAT; a Unix socket, which has none, at each piece), however many segments they
  // come in. Errc::unavailable when the peer ended
  // before; `at_least` must be between 1 and the size of `into`.
  Task<Result<std::size_t>> peek(std::span<std::uint8_t> into, std::size_t at_least, Deadline deadline);
  // Takes exactly `count` bytes that peek() has shown.
  Result<Bytes> take(std::size_t count);
  // Returns when the peer has hung up or sent more than kMaxUnreadWhileWaiting, or fails with Errc::expired.
  Task<Result<void>> until_gone(Deadline deadline);
  // Returns as soon as the peer has sent anything or hung up.
  Task<Result<void>> until_readable(Deadline deadline);

  // Discards what came, sends `last_words` as far as the socket takes them at once, and closes in order, so that the
  // words are not lost to a reset.
  void end_with(ByteView last_words);
  // Resets the connection.
  void reset();
  void close();
  // Gives the descriptor away with its unread bytes, non-blocking.
  Descriptor release();
  // The same in its loop's set, for who goes on with it there; the second closes this, and is null where it was.
  static std::unique_ptr<Readiness> dissolve(std::unique_ptr<RawSocket> socket);
  std::unique_ptr<PolledDescriptor> take_polled();

  bool is_open() const;
  int native() const;
  const Executor& executor() const;
  const Address& peer() const { return peer_; }

 private:
  void set_low_water(std::size_t bytes);
  void drop_low_water();

  std::unique_ptr<Readiness> readiness_;
  Address peer_;
  bool has_low_water_ = false;
};

inline constexpr std::size_t kMaxUnreadWhileWaiting = 256 * 1024;

// Accepts on an inherited listening socket, which several processes may share.
class RawListener {
 public:
  // TCP: sets `options` on the listening socket itself, from which every connection made afterwards inherits them.
  RawListener(Executor executor, Descriptor listening, SocketOptions options = {});
  ~RawListener();
  RawListener(const RawListener&) = delete;
  RawListener& operator=(const RawListener&) = delete;

  // As Listener::accept().
  Task<Result<std::unique_ptr<RawSocket>>> accept();
  void close();
  // Port 0 for a Unix socket.
  Address address() const;

 private:
  std::unique_ptr<Readiness> readiness_;
};

}  // namespace sallyport::net
