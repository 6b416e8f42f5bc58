#include "net/descriptor_passing.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "net/detail/readiness.h"
#include "net/detail/socket_stream.h"

namespace sallyport::net {
namespace {

constexpr std::size_t kLengthBytes = 2;
// Room for more descriptors than are allowed, so that a peer that sends several is seen and none leaks.
constexpr std::size_t kReceivedMost = 8;

Result<SocketStream*> unix_channel(Stream& channel) {
  auto* socket = dynamic_cast<SocketStream*>(&channel);
  if (socket == nullptr || !channel.peer().uid)
    return fail(Errc::conflict, "descriptor passing: not over a Unix socket");
  return socket;
}

ssize_t send_first_byte(int channel, int descriptor, std::uint8_t byte) {
  iovec part{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  return ::sendmsg(channel, &message, MSG_NOSIGNAL);
}

// Takes one byte and the descriptors that came with it; every one of them is owned at once.
ssize_t receive_first_byte(int channel, std::uint8_t& byte, std::vector<Descriptor>& received, bool& truncated) {
  iovec part{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kReceivedMost)> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
  if (got < 0) return got;
  truncated = (message.msg_flags & MSG_CTRUNC) != 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      received.emplace_back(number);
    }
  }
  return got;
}

}  // namespace

Task<Result<void>> send_descriptor(Stream& channel, Descriptor descriptor, Bytes metadata, Deadline deadline) {
  CO_TRY(auto* socket, unix_channel(channel));
  if (metadata.size() > kMaxPassedMetadata) {
    co_return failf(Errc::malformed, "descriptor passing: {} bytes of metadata, want {} or fewer", metadata.size(),
                    kMaxPassedMetadata);
  }
  const auto message = Writer().bytes_u16(metadata).take();
  while (true) {
    if (socket->native() < 0) co_return fail(Errc::unavailable, "descriptor passing: closed");
    if (send_first_byte(socket->native(), descriptor.get(), message.front()) == 1) break;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) co_return system_error("descriptor passing", errno);
    CO_TRY_VOID(co_await socket->wait(Direction::write, deadline));
  }
  descriptor.close();
  co_return co_await channel.write_all(ByteView(message).subspan(1), deadline);
}

Task<Result<PassedDescriptor>> receive_descriptor(Stream& channel, Deadline deadline) {
  CO_TRY(auto* socket, unix_channel(channel));
  std::array<std::uint8_t, kLengthBytes> length{};
  std::vector<Descriptor> received;
  bool truncated = false;
  while (true) {
    if (socket->native() < 0) co_return fail(Errc::unavailable, "descriptor passing: closed");
    const ssize_t got = receive_first_byte(socket->native(), length[0], received, truncated);
    if (got == 1) break;
    if (got == 0) co_return fail(Errc::unavailable, "descriptor passing: the peer has closed");
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) co_return system_error("descriptor passing", errno);
    CO_TRY_VOID(co_await socket->wait(Direction::read, deadline));
  }
  if (received.size() != 1 || truncated) {
    co_return failf(Errc::malformed, "descriptor passing: {} descriptors in a message, want 1", received.size());
  }
  CO_TRY_VOID(co_await read_exactly(channel, std::span(length).subspan(1), deadline));
  const auto size = static_cast<std::size_t>(length[0]) << 8U | length[1];
  if (size > kMaxPassedMetadata) {
    co_return failf(Errc::malformed, "descriptor passing: {} bytes of metadata, want {} or fewer", size,
                    kMaxPassedMetadata);
  }
  Bytes metadata(size);
  CO_TRY_VOID(co_await read_exactly(channel, metadata, deadline));
  co_return PassedDescriptor{.descriptor = std::move(received.front()), .metadata = std::move(metadata)};
}

}  // namespace sallyport::net
