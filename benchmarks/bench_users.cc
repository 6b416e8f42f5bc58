// Users of the benchmark: makes connections to a relay or a rival, and says what came back.
//
//   bench_users PORT SERVER_NAME CONNECTIONS AT_A_TIME BYTES
//
// Makes CONNECTIONS connections, AT_A_TIME at once, each asking for BYTES; prints {"seconds":…,"bytes":…,"failed":…},
// of which the seconds begin when all threads are there.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <thread>

#include "base/time.h"
#include "wire.h"

namespace {

using namespace sallyport;

struct Order {
  std::uint16_t port = 0;
  std::string server_name;
  std::int64_t connections = 0;
  std::int64_t at_a_time = 0;
  std::int64_t bytes = 0;
};

struct Outcome {
  std::atomic<std::int64_t> begun{0};
  std::atomic<std::int64_t> received{0};
  std::atomic<std::int64_t> failed{0};
};

bool visit(const Order& order, const std::vector<std::uint8_t>& request, Outcome& outcome) {
  const bench::Socket socket = bench::connect_to(order.port);
  if (!socket.is_open() || !bench::send_all(socket, request.data(), request.size())) return false;
  const std::int64_t received = bench::discard_all(socket);
  if (received > 0) outcome.received += received;
  return received == order.bytes;
}

void visit_often(const Order& order, std::latch& ready, std::latch& begin, Outcome& outcome) {
  const auto request = bench::encode_request(order.server_name, static_cast<std::uint64_t>(order.bytes));
  ready.count_down();
  begin.wait();
  while (outcome.begun++ < order.connections) {
    if (!visit(order, request, outcome)) ++outcome.failed;
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 6) {
    static_cast<void>(std::fputs("usage: bench_users PORT SERVER_NAME CONNECTIONS AT_A_TIME BYTES\n", stderr));
    return 2;
  }
  const Order order{static_cast<std::uint16_t>(std::atoi(words[1])), words[2], std::atoll(words[3]),
                    std::atoll(words[4]), std::atoll(words[5])};
  Outcome outcome;
  const SystemClock clock;
  std::latch ready(order.at_a_time);
  std::latch begin(1);
  std::vector<std::jthread> users;
  for (std::int64_t i = 0; i < order.at_a_time; ++i) {
    users.emplace_back(visit_often, std::cref(order), std::ref(ready), std::ref(begin), std::ref(outcome));
  }
  ready.wait();
  const Instant began = clock.monotonic();
  begin.count_down();
  users.clear();
  const double took = std::chrono::duration<double>(clock.monotonic() - began).count();
  std::printf("{\"seconds\":%.6f,\"bytes\":%lld,\"failed\":%lld}\n", took,
              static_cast<long long>(outcome.received.load()), static_cast<long long>(outcome.failed.load()));
  return outcome.failed == 0 ? 0 : 1;
}
