// File descriptors that are owned, and handing them to another process.
#pragma once

#include <string>
#include <utility>

#include "base/bytes.h"

namespace sallyport::net {

// Owns one open descriptor, or none. Closes it at the end.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      close();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  int release() { return std::exchange(number_, -1); }
  void close();

 private:
  int number_ = -1;
};

inline constexpr std::size_t kMaxPassedMetadata = 4U << 10U;

// Sends `descriptor` and `metadata` (1 to kMaxPassedMetadata bytes) as one message of the Unix socket `over`, without
// waiting. Errc::overloaded when the peer's queue is full, Errc::unavailable when the peer is gone.
Result<void> send_descriptor(int over, int descriptor, ByteView metadata);

struct PassedDescriptor {
  Descriptor descriptor;
  Bytes metadata;
};
// Takes one message, without waiting. Errc::not_yet when there is none, Errc::unavailable at the end of the connection,
// Errc::malformed for a message without exactly one descriptor or with more metadata than allowed. `over` must be a
// SOCK_SEQPACKET or SOCK_DGRAM socket, so that messages stay apart.
Result<PassedDescriptor> receive_descriptor(int over);

// The uid of the process at the other end of a Unix socket.
Result<unsigned> peer_uid(int socket);

Result<void> set_non_blocking(int descriptor);

}  // namespace sallyport::net
