// What users and devices of the benchmark say to each other, over plain blocking sockets:
//
//   user:   a ClientHello record that names `server_name`, then an application data record with a count (u64)
//   device: that many bytes, then the end of its direction; for the count kEcho, what the user says, until he ends
//
// To whoever stands between them it is the opening of a TLS connection followed by opaque bytes.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::bench {

// Bytes that a device hands to the kernel at once, and that a user takes from it.
inline constexpr std::size_t kPiece = 1024U * 1024U;
// A hello longer than this is no user of ours.
inline constexpr std::size_t kMaxHello = 16U * 1024U;
// The count of a user who wants to hear what he says.
inline constexpr std::uint64_t kEcho = ~std::uint64_t{0};

// Owns a blocking socket; -1 when there is none.
class Socket {
 public:
  explicit Socket(int descriptor = -1) : descriptor_(descriptor) {}
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;

  int get() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

sockaddr_in loopback(std::uint16_t port);
// Each returns a socket that is not open when it failed; errno says why.
Socket connect_to(std::uint16_t port);
Socket listen_on(std::uint16_t& port);

bool send_all(const Socket& socket, const void* bytes, std::size_t size);
bool receive_all(const Socket& socket, void* bytes, std::size_t size);
// Reads to the end of the peer's direction without looking at what it reads; returns how much that was, or -1 when the
// connection broke.
std::int64_t discard_all(const Socket& socket);

// Reads what there is, at most `size`; 0 at the end of the peer's direction, -1 when the connection broke.
std::int64_t receive_some(const Socket& socket, void* bytes, std::size_t size);

// What a user says: hello and count.
std::vector<std::uint8_t> encode_request(std::string_view server_name, std::uint64_t count);
// Serves one user; false when the connection broke or he spoke otherwise.
bool serve_user(const Socket& socket);

}  // namespace sallyport::bench
