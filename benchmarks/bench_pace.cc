// Users who ask at a constant rate, whatever the answers do: the latency that they see.
//
//   bench_pace PORT SERVER_NAME CONNECTIONS PER_SECOND SECONDS
//
// Keeps CONNECTIONS connections to a relay, a rival or the device itself, on which the device says back what it hears
// (wire.h). Every request has a time at which it is due, PER_SECOND of them, on the connections in turns; it is sent
// then, whether or not earlier ones have been answered, and its latency is counted from when it was due, not from when
// it was sent. So neither a server that stalls nor a late generator hides anything (no coordinated omission). Prints
// {"requests":…,"p50_us":…,"p99_us":…,"max_us":…,"late_p99_us":…}; `late` is how long after it was due a request left.
#include <poll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/time.h"
#include "wire.h"

namespace {

using namespace sallyport;
using std::chrono::nanoseconds;

constexpr std::size_t kMessage = 64;
constexpr std::size_t kAnswers = 64U * kMessage;  // read at once
constexpr seconds kWarm{1};                       // at the same rate, not counted
constexpr seconds kPatience{5};                   // after the last was due
constexpr milliseconds kLook{10};

struct Order {
  std::uint16_t port = 0;
  std::string server_name;
  std::size_t connections = 0;
  double per_second = 0;
  double seconds = 0;
};

struct Line {
  bench::Socket socket;
  std::size_t partial = 0;  // bytes of an answer that is not whole yet
  std::array<std::uint8_t, kMessage> answer{};
};

class Pace {
 public:
  explicit Pace(Order order) : order_(std::move(order)) {}

  bool connect() {
    const auto request = bench::encode_request(order_.server_name, bench::kEcho);
    for (std::size_t i = 0; i < order_.connections; ++i) {
      Line line;
      line.socket = bench::connect_to(order_.port);
      if (!line.socket.is_open() || !bench::send_all(line.socket, request.data(), request.size())) return false;
      // It is there all the way once something comes back.
      std::array<std::uint8_t, kMessage> greeting{};
      if (!bench::send_all(line.socket, greeting.data(), greeting.size()) ||
          !bench::receive_all(line.socket, greeting.data(), greeting.size()))
        return false;
      polled_.push_back({.fd = line.socket.get(), .events = POLLIN, .revents = 0});
      lines_.push_back(std::move(line));
    }
    return true;
  }

  bool run() {
    const auto all = static_cast<std::uint64_t>(order_.per_second * (order_.seconds + double(kWarm.count())));
    first_counted_ = static_cast<std::uint64_t>(order_.per_second * double(kWarm.count()));
    latencies_.reserve(all);
    late_.reserve(all);
    began_ = clock_.monotonic();
    std::uint64_t sent = 0;
    while (answered_ < all) {
      for (; sent < all && clock_.monotonic() >= due(sent); ++sent) {
        if (!ask(sent)) return false;
      }
      if (sent == all && clock_.monotonic() > due(all) + kPatience) return false;
      const Instant next = sent == all ? clock_.monotonic() + kLook : due(sent);
      if (!wait_until(next) || !read_answers()) return false;
    }
    return true;
  }

  void print() {
    std::printf("{\"requests\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,\"late_p99_us\":%.1f}\n",
                latencies_.size(), at(latencies_, 0.5), at(latencies_, 0.99), at(latencies_, 1.0), at(late_, 0.99));
  }

 private:
  Instant due(std::uint64_t number) const {
    return began_ + nanoseconds(static_cast<std::int64_t>(double(number) * 1e9 / order_.per_second));
  }

  bool ask(std::uint64_t number) {
    std::array<std::uint8_t, kMessage> message{};
    std::memcpy(message.data(), &number, sizeof number);
    const Line& line = lines_[number % lines_.size()];
    if (number >= first_counted_) late_.push_back((clock_.monotonic() - due(number)).count());
    return bench::send_all(line.socket, message.data(), message.size());
  }

  bool wait_until(Instant when) {
    const auto left = std::max<std::int64_t>(0, (when - clock_.monotonic()).count());
    const timespec wait{.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    return ::ppoll(polled_.data(), polled_.size(), &wait, nullptr) >= 0 || errno == EINTR;
  }

  bool read_answers() {
    std::array<std::uint8_t, kAnswers> piece{};
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      if (polled_[i].revents == 0) continue;
      Line& line = lines_[i];
      const std::int64_t got = bench::receive_some(line.socket, piece.data(), piece.size());
      if (got <= 0) return false;
      const Instant now = clock_.monotonic();
      for (std::int64_t at = 0; at < got; ++at) {
        line.answer[line.partial++] = piece[static_cast<std::size_t>(at)];
        if (line.partial == kMessage) take_answer(line, now);
      }
    }
    return true;
  }

  void take_answer(Line& line, Instant now) {
    std::uint64_t number = 0;
    std::memcpy(&number, line.answer.data(), sizeof number);
    line.partial = 0;
    ++answered_;
    if (number >= first_counted_) latencies_.push_back((now - due(number)).count());
  }

  static double at(std::vector<std::int64_t>& values, double part) {
    if (values.empty()) return 0;
    const auto index = static_cast<std::size_t>(part * double(values.size() - 1));
    std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(index));
    return double(values[index]) / 1e3;
  }

  Order order_;
  SystemClock clock_;
  std::vector<Line> lines_;
  std::vector<pollfd> polled_;
  Instant began_{};
  std::uint64_t answered_ = 0;
  std::uint64_t first_counted_ = 0;
  std::vector<std::int64_t> latencies_;  // ns
  std::vector<std::int64_t> late_;
};

}  // namespace

int main(int count, char** words) {
  if (count != 6) {
    static_cast<void>(std::fputs("usage: bench_pace PORT SERVER_NAME CONNECTIONS PER_SECOND SECONDS\n", stderr));
    return 2;
  }
  // The kernel would wake us up to 50 µs late.
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  Pace pace({static_cast<std::uint16_t>(std::atoi(words[1])), words[2], static_cast<std::size_t>(std::atoll(words[3])),
             std::atof(words[4]), std::atof(words[5])});
  if (!pace.connect()) {
    static_cast<void>(std::fputs("bench_pace: not connected all the way\n", stderr));
    return 1;
  }
  if (!pace.run()) {
    static_cast<void>(std::fputs("bench_pace: a connection broke, or answers did not come in 5 s\n", stderr));
    return 1;
  }
  pace.print();
  return 0;
}
