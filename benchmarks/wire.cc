#include "wire.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sallyport::bench {
namespace {

constexpr std::size_t kRecordHeader = 5;
constexpr std::size_t kCount = 8;
constexpr std::uint8_t kHandshake = 22;
constexpr std::uint8_t kApplicationData = 23;
constexpr int kBacklog = 4'096;
constexpr std::size_t kEchoPiece = 4U * 1024U;

using Text = std::vector<std::uint8_t>;

void put(Text& out, std::size_t octets, std::uint64_t value) {
  for (std::size_t i = octets; i-- > 0;) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void put(Text& out, const Text& more) {
  out.insert(out.end(), more.begin(), more.end());
}

Text extension(std::uint16_t type, const Text& body) {
  Text out;
  put(out, 2, type);
  put(out, 2, body.size());
  put(out, body);
  return out;
}

// RFC 6066 §3.
Text server_name_extension(std::string_view name) {
  Text body;
  put(body, 2, name.size() + 3);
  put(body, 1, 0);
  put(body, 2, name.size());
  body.insert(body.end(), name.begin(), name.end());
  return extension(0, body);
}

// RFC 8446 §4.1.2, as a TLS 1.3 client with X25519 says it.
Text client_hello(std::string_view name) {
  Text key_share;
  put(key_share, 2, 36);
  put(key_share, 2, 0x001D);
  put(key_share, 2, 32);
  key_share.insert(key_share.end(), 32, 0x42);
  Text extensions = server_name_extension(name);
  put(extensions, extension(10, {0x00, 0x02, 0x00, 0x1D}));
  put(extensions, extension(13, {0x00, 0x02, 0x04, 0x03}));
  put(extensions, extension(43, {0x02, 0x03, 0x04}));
  put(extensions, extension(51, key_share));

  Text body;
  put(body, 2, 0x0303);
  body.insert(body.end(), 32, 0x17);
  put(body, 1, 32);
  body.insert(body.end(), 32, 0x23);
  put(body, 2, 2);
  put(body, 2, 0x1301);
  put(body, 2, 0x0100);
  put(body, 2, extensions.size());
  put(body, extensions);

  Text out{kHandshake, 0x03, 0x01};
  put(out, 2, body.size() + 4);
  put(out, 1, 1);
  put(out, 3, body.size());
  put(out, body);
  return out;
}

bool say_back(const Socket& socket) {
  std::array<std::uint8_t, kEchoPiece> piece{};
  for (;;) {
    const std::int64_t got = receive_some(socket, piece.data(), piece.size());
    if (got <= 0) return got == 0;
    if (!send_all(socket, piece.data(), static_cast<std::size_t>(got))) return false;
  }
}

void set_no_delay(int descriptor) {
  const int on = 1;
  static_cast<void>(::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
}

}  // namespace

Socket::~Socket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Socket::Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

Socket connect_to(std::uint16_t port) {
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  if (!socket.is_open() || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Socket();
  }
  set_no_delay(socket.get());
  return socket;
}

Socket listen_on(std::uint16_t& port) {
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(port);
  socklen_t size = sizeof address;
  if (!socket.is_open() || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::listen(socket.get(), kBacklog) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return Socket();
  }
  port = ntohs(address.sin_port);
  return socket;
}

bool send_all(const Socket& socket, const void* bytes, std::size_t size) {
  const auto* from = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t sent = ::send(socket.get(), from, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    from += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

bool receive_all(const Socket& socket, void* bytes, std::size_t size) {
  auto* into = static_cast<char*>(bytes);
  while (size > 0) {
    const ssize_t got = ::recv(socket.get(), into, size, MSG_WAITALL);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    into += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

std::int64_t receive_some(const Socket& socket, void* bytes, std::size_t size) {
  for (;;) {
    const ssize_t got = ::recv(socket.get(), bytes, size, 0);
    if (got >= 0 || errno != EINTR) return got;
  }
}

std::int64_t discard_all(const Socket& socket) {
  std::int64_t total = 0;
  for (;;) {
    // tcp(7): with MSG_TRUNC the kernel drops the bytes instead of copying them.
    const ssize_t got = ::recv(socket.get(), nullptr, kPiece, MSG_TRUNC);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0 ? total : -1;
    total += got;
  }
}

std::vector<std::uint8_t> encode_request(std::string_view server_name, std::uint64_t count) {
  Text out = client_hello(server_name);
  put(out, {kApplicationData, 0x03, 0x03});
  put(out, 2, kCount);
  put(out, kCount, count);
  return out;
}

bool serve_user(const Socket& socket) {
  static const std::vector<std::uint8_t> piece(kPiece, 0x5A);
  set_no_delay(socket.get());
  std::array<std::uint8_t, kRecordHeader> header{};
  if (!receive_all(socket, header.data(), header.size()) || header[0] != kHandshake) return false;
  const std::size_t length = std::size_t{header[3]} * 256 + header[4];
  std::array<std::uint8_t, kMaxHello + kRecordHeader + kCount> rest{};
  if (length > kMaxHello || !receive_all(socket, rest.data(), length + kRecordHeader + kCount)) return false;
  if (rest[length] != kApplicationData) return false;
  std::uint64_t left = 0;
  for (std::size_t i = 0; i < kCount; ++i) left = left << 8U | rest[length + kRecordHeader + i];
  if (left == kEcho) return say_back(socket);
  while (left > 0) {
    const std::size_t now = left < kPiece ? static_cast<std::size_t>(left) : kPiece;
    if (!send_all(socket, piece.data(), now)) return false;
    left -= now;
  }
  return ::shutdown(socket.get(), SHUT_WR) == 0 && discard_all(socket) == 0;
}

}  // namespace sallyport::bench
