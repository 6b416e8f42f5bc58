// A byte stream in two directions: TCP, Unix socket, TLS over either, or a pipe in memory.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "net/address.h"
#include "net/deadline.h"
#include "net/descriptor.h"
#include "net/task.h"

namespace sallyport::net {

// Who is at the other end.
struct PeerInfo {
  // TCP: as the kernel saw it. Unix sockets: as adopt_socket() was told, a hint and never an authorisation. Else empty.
  Address address;
  // Unix sockets: the uid of the peer when it connected (SO_PEERCRED).
  std::optional<uid_t> uid;
  bool tls = false;
  std::vector<Bytes> tls_chain;  // DER, leaf first, verified; empty when the peer showed none
  std::string alpn;
  std::string server_name;  // TLS servers: the SNI in lower case, empty when there was none
};

// One reader and one writer at a time; both may wait at once. Operations return Errc::expired at their deadline,
// Errc::unavailable when the connection broke or close() was called meanwhile, and the stream must outlive them. A
// stream whose operation failed other than by expiry is only good for closing; a write that expired may have sent a
// part.
class Stream {
 public:
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Reads at least one byte; 0 is the orderly end of the peer's direction. `into` must not be empty.
  virtual Task<Result<std::size_t>> read_some(std::span<std::uint8_t> into, Deadline deadline) = 0;
  // Returns when read_some would not wait: bytes, the end or a fault. May return early by mistake (TLS). Lets a reader
  // hold no buffer while nothing comes.
  virtual Task<Result<void>> wait_readable(Deadline deadline) = 0;
  // Writes all of `from`, which must stay until it returns.
  virtual Task<Result<void>> write_all(ByteView from, Deadline deadline) = 0;
  // For who has a buffer only for this moment: what read_some would return without waiting; absent where it would have
  // to wait, where others are to get their turn first, or always (TLS).
  virtual Result<std::optional<std::size_t>> read_now(std::span<std::uint8_t> into);
  // How many bytes of `from` could be written without waiting; 0 where none, or always (TLS).
  virtual Result<std::size_t> write_now(ByteView from);
  // Ends our direction (FIN, close_notify); the peer's goes on.
  virtual Task<Result<void>> shutdown_write(Deadline deadline) = 0;
  // Ends both directions at once and wakes who waits. May be called again.
  virtual void close() = 0;
  // Gives the descriptor away, non-blocking, and leaves the stream closed. Errc::conflict for TLS and pipes, where the
  // descriptor alone is not the stream.
  virtual Result<Descriptor> release() = 0;
  // The descriptor for socket options; -1 for a pipe or when closed. Stays owned by the stream.
  virtual int native() const = 0;
  virtual const PeerInfo& peer() const = 0;
  virtual Executor executor() const = 0;

 protected:
  Stream() = default;
};

using StreamPtr = std::unique_ptr<Stream>;

// Fills `into` whole. An end of stream before that is Errc::unavailable.
Task<Result<void>> read_exactly(Stream& stream, std::span<std::uint8_t> into, Deadline deadline);
// Reads to the end of the peer's direction; more than `limit` bytes is Errc::overloaded.
Task<Result<Bytes>> read_to_end(Stream& stream, std::size_t limit, Deadline deadline);

// What has come on a socket and was not read yet.
enum class Unread : std::uint8_t { nothing, bytes, end };
// `end` also where the connection broke. `nothing` for a stream without a descriptor.
Unread look_at_unread(const Stream& stream);
// Our own end of a TCP connection, as the kernel sees it; empty host for any other stream.
Address own_address(const Stream& stream);

// How a socket behaves; zero leaves the system's value.
struct SocketOptions {
  bool no_delay = true;
  // TCP_USER_TIMEOUT: how long sent data may stay unacknowledged before the connection breaks.
  milliseconds user_timeout{20'000};
  // Keep-alive probes begin after `keepalive_idle` of silence and follow each other at `keepalive_interval`. A silent
  // connection breaks at the first of them that comes `user_timeout` after the last sign of life: 20 s.
  seconds keepalive_idle{16};
  seconds keepalive_interval{2};
};
Result<void> set_socket_options(Stream& stream, const SocketOptions& options);
// close() as after a fault: the peer of a TCP connection sees a reset, which it cannot take for an orderly end.
void reset(Stream& stream);

// Takes over a connected TCP or Unix stream socket, inherited or received. `told` is where a Unix socket's peer is, by
// whom it was received from. Errc::malformed when it is something else.
Result<StreamPtr> adopt_socket(Executor executor, Descriptor socket, Address told = {});

inline constexpr std::size_t kPipeCapacity = 64 * 1024;
// Two ends of a connection in memory, each direction holding at most `capacity` bytes: for tests.
std::pair<StreamPtr, StreamPtr> make_pipe(Executor executor, std::size_t capacity = kPipeCapacity);

}  // namespace sallyport::net
