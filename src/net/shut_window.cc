#include "net/detail/shut_window.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sallyport::net {
namespace {

// Where Linux (5.4 and later) has tcpi_snd_wnd, which <netinet/tcp.h> does not know; <linux/tcp.h> cannot stand beside
// that in one unit.
constexpr std::size_t kSendWindowAt = 228;
using TcpInfo = std::array<std::uint8_t, kSendWindowAt + sizeof(std::uint32_t)>;

// Bytes that the peer has not acknowledged, sent or not; none for what is no socket.
bool holds_bytes(int socket) {
  int held = 0;
  return socket >= 0 && ::ioctl(socket, TIOCOUTQ, &held) == 0 && held > 0;
}

// Whether the peer takes less than a segment. Its last word counts, since what it dropped for want of room is in flight
// all the same; where that is not known, that nothing is in flight though there is something to send.
bool is_shut(const TcpInfo& bytes, std::size_t size) {
  tcp_info info{};
  std::memcpy(&info, bytes.data(), sizeof(info));
  if (info.tcpi_unacked == 0) return true;
  std::uint32_t window = 0;
  std::memcpy(&window, bytes.data() + kSendWindowAt, sizeof(window));
  return size == bytes.size() && window < info.tcpi_snd_mss;
}

void take_off(int socket) {
  constexpr int kNone = 0;
  static_cast<void>(::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &kNone, sizeof(kNone)));
}

}  // namespace

bool ShutWindow::look(int socket) {
  TcpInfo info{};
  socklen_t size = sizeof(info);
  const bool holds = holds_bytes(socket);
  if (!holds || ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, info.data(), &size) != 0 || !is_shut(info, size)) {
    opened(socket);
    return holds;
  }
  if (timeout_ms_ != 0) return true;
  size = sizeof(timeout_ms_);
  if (::getsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms_, &size) != 0) timeout_ms_ = 0;
  if (timeout_ms_ != 0) take_off(socket);
  return true;
}

void ShutWindow::let_go(int socket) {
  if (holds_bytes(socket)) take_off(socket);
}

void ShutWindow::opened(int socket) {
  if (timeout_ms_ == 0) return;
  static_cast<void>(::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms_, sizeof(timeout_ms_)));
  timeout_ms_ = 0;
}

}  // namespace sallyport::net
