#include "standard_streams.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace sallyport::cli {
namespace {

constexpr std::size_t kStandardPiece = 16U * 1024U;
using Piece = std::array<std::uint8_t, kStandardPiece>;

// Whether what has just failed may be tried again, at once or when the descriptor is ready: whoever shares it with us
// may have made it non-blocking.
bool may_go_on(int descriptor, short ready) {
  if (errno == EINTR) return true;
  if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
  pollfd waiting{.fd = descriptor, .events = ready, .revents = 0};
  return ::poll(&waiting, 1, -1) >= 0 || errno == EINTR;
}

// -1 on a fault.
ssize_t read_piece(int from, Piece& piece) {
  for (;;) {
    const ssize_t got = ::read(from, piece.data(), piece.size());
    if (got >= 0 || !may_go_on(from, POLLIN)) return got;
  }
}

bool write_all_of(int to, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(to, bytes.data(), bytes.size());
    if (written < 0 && may_go_on(to, POLLOUT)) continue;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

// Moves everything to the end of `from`; false when either side broke.
bool pump(int from, int to) {
  Piece piece;
  for (;;) {
    const ssize_t got = read_piece(from, piece);
    if (got == 0) return true;
    if (got < 0 || !write_all_of(to, ByteView(piece).first(static_cast<std::size_t>(got)))) return false;
  }
}

void read_input(int far) {
  ::shutdown(far, pump(STDIN_FILENO, far) ? SHUT_WR : SHUT_RDWR);
}

void write_output(int far) {
  if (!pump(far, STDOUT_FILENO)) ::shutdown(far, SHUT_RDWR);
  // Not left free: the next file opened would be taken for the standard output.
  const net::Descriptor nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (nowhere.is_open()) ::dup2(nowhere.get(), STDOUT_FILENO);
}

}  // namespace

Result<std::unique_ptr<StandardStreams>> StandardStreams::open(net::Executor executor) {
  TRY(auto ends, net::make_socket_pair());
  const int flags = ::fcntl(ends.second.get(), F_GETFL);
  if (flags < 0 || ::fcntl(ends.second.get(), F_SETFL, flags & ~O_NONBLOCK) != 0)
    return fail(Errc::internal, "standard streams: a socket cannot be made blocking");
  TRY(auto near, net::adopt_socket(std::move(executor), std::move(ends.first)));
  return std::unique_ptr<StandardStreams>(new StandardStreams(std::move(near), std::move(ends.second)));
}

StandardStreams::StandardStreams(net::StreamPtr near, net::Descriptor far)
    : near_(std::move(near)), far_(std::move(far)), writer_(write_output, far_.get()) {
  // It may wait for a key long after everything else has ended: the end of the process ends it.
  std::thread(read_input, far_.get()).detach();
}

StandardStreams::~StandardStreams() {
  near_->close();
  if (writer_.joinable()) writer_.detach();
  // The threads may still look at it.
  static_cast<void>(far_.release());
}

void StandardStreams::finish() {
  near_->close();
  if (writer_.joinable()) writer_.join();
}

}  // namespace sallyport::cli
