// A client that costs little, for servers that keep their connections:
//
//   bench_get PORT TARGET CONNECTIONS SECONDS
//
// Asks for TARGET on so many connections at a time, one request after the other on each; prints {"per_second":…} of
// whole answers. Every answer must be a 200 with a Content-Length. Half of the two cores of a small machine are the
// client's, so that one which costs as much as the server would measure itself.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "wire.h"

namespace {

using namespace sallyport;

constexpr std::string_view kGood = "HTTP/1.1 200 ";
constexpr std::string_view kLength = "\r\nContent-Length: ";
constexpr std::string_view kClose = "\r\nConnection: close\r\n";
constexpr std::size_t kMostEvents = 64;
constexpr int kPatienceMs = 5'000;
constexpr std::size_t kMaxAnswer = 16U * 1024U;

// One connection, and what has come of the answer that it waits for.
struct Connection {
  bench::Socket socket;
  std::array<char, kMaxAnswer> answer{};
  std::size_t size = 0;
};

struct Head {
  std::size_t whole = 0;  // bytes of the answer, head and body
  bool is_last = false;
};

// Absent while the head has not come whole; a whole of 0 for what is not wanted.
std::optional<Head> read_head(std::string_view answer) {
  const auto end = answer.find("\r\n\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view head = answer.substr(0, end + 2);
  const auto at = head.find(kLength);
  std::size_t length = 0;
  if (!head.starts_with(kGood) || at == std::string_view::npos) return Head{};
  const char* const digits = head.data() + at + kLength.size();
  if (std::from_chars(digits, head.data() + head.size(), length).ec != std::errc()) return Head{};
  return Head{.whole = end + 4 + length, .is_last = head.find(kClose) != std::string_view::npos};
}

class Client {
 public:
  Client(std::uint16_t port, std::string_view target)
      : port_(port),
        request_("GET " + std::string(target) + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) + "\r\n\r\n"),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

  bool open(Connection& connection) {
    connection.socket = bench::connect_to(port_);
    connection.size = 0;
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = &connection}};
    return connection.socket.is_open() &&
           ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connection.socket.get(), &event) == 0 && ask(connection);
  }

  // False when a connection broke, or an answer was not what is wanted, or none came for long.
  bool take_answers() {
    std::array<epoll_event, kMostEvents> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), kPatienceMs);
    if (count < 0) return errno == EINTR;
    for (int i = 0; i < count; ++i) {
      if (!take_from(*static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr))) return false;
    }
    return count > 0;
  }

  std::uint64_t answers() const { return answers_; }

 private:
  bool ask(Connection& connection) { return bench::send_all(connection.socket, request_.data(), request_.size()); }

  // An answer for which there is no room reads as an end.
  bool take_from(Connection& connection) {
    for (;;) {
      const std::size_t room = connection.answer.size() - connection.size;
      const ssize_t got =
          ::recv(connection.socket.get(), connection.answer.data() + connection.size, room, MSG_DONTWAIT);
      if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
      if (got == 0) return false;
      connection.size += static_cast<std::size_t>(got);
      const auto head = read_head(std::string_view(connection.answer.data(), connection.size));
      if (head && connection.size >= head->whole) return connection.size == head->whole && go_on(connection, *head);
      if (static_cast<std::size_t>(got) < room) return true;
    }
  }

  bool go_on(Connection& connection, const Head& head) {
    ++answers_;
    connection.size = 0;
    return head.is_last ? open(connection) : ask(connection);
  }

  std::uint16_t port_;
  std::string request_;
  bench::Socket epoll_;
  std::uint64_t answers_ = 0;
};

}  // namespace

int main(int count, char** words) {
  if (count != 5) {
    static_cast<void>(std::fputs("usage: bench_get PORT TARGET CONNECTIONS SECONDS\n", stderr));
    return 2;
  }
  Client client(static_cast<std::uint16_t>(std::atoi(words[1])), words[2]);
  std::vector<Connection> connections(static_cast<std::size_t>(std::atoll(words[3])));
  bool all_good = true;
  for (auto& connection : connections) all_good = all_good && client.open(connection);
  const SystemClock clock;
  const Instant began = clock.monotonic();
  const Instant end = began + seconds(std::atoll(words[4]));
  while (all_good && clock.monotonic() < end) all_good = client.take_answers();
  const double took = std::chrono::duration<double>(clock.monotonic() - began).count();
  std::printf("{\"per_second\":%.1f}\n", static_cast<double>(client.answers()) / took);
  if (!all_good)
    static_cast<void>(std::fputs("bench_get: found a broken connection or another answer, want 200\n", stderr));
  return all_good ? 0 : 1;
}
