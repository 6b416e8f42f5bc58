// TCP and Unix stream sockets as streams.
#pragma once

#include <sys/socket.h>

#include "net/detail/readiness.h"
#include "net/stream.h"

namespace sallyport::net {

class SocketStream final : public Stream {
 public:
  SocketStream(Executor executor, Descriptor socket, PeerInfo peer);

  Task<Result<std::size_t>> read_some(std::span<std::uint8_t> into, Deadline deadline) override;
  Task<Result<void>> wait_readable(Deadline deadline) override;
  Task<Result<void>> write_all(ByteView from, Deadline deadline) override;
  Result<std::optional<std::size_t>> read_now(std::span<std::uint8_t> into) override;
  Result<std::size_t> write_now(ByteView from) override;
  Task<Result<void>> shutdown_write(Deadline deadline) override;
  void close() override { readiness_.close(); }
  Result<Descriptor> release() override;
  int native() const override { return readiness_.get(); }
  const PeerInfo& peer() const override { return peer_; }
  Executor executor() const override { return readiness_.executor(); }
  // For what is done with the descriptor beside the stream (passing descriptors).
  Task<Result<void>> wait(Direction direction, Deadline deadline) { return readiness_.wait(direction, deadline); }

 private:
  bool is_tcp() const { return !peer_.uid; }
  // Absent where it would block.
  Result<std::optional<std::size_t>> take(std::span<std::uint8_t> into);

  Readiness readiness_;
  PeerInfo peer_;
  bool rests_ = false;  // until the next wait, which lets others run
};

// Address and uid of the other end. Errc::malformed when `socket` is no connected TCP or Unix stream socket.
Result<PeerInfo> describe_peer(int socket);
Address to_address(const sockaddr_storage& from);
// Waits for `socket`, on which connect() has begun.
Task<Result<void>> finish_connect(Readiness& socket, Deadline deadline);

}  // namespace sallyport::net
