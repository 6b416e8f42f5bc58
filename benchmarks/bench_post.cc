// A client for a server that answers one request per connection, such as OpenSSL's OCSP responder:
//
//   bench_post PORT FILE SECONDS
//
// Posts FILE again and again, two connections at a time; prints {"per_second":…} of whole answers that began with 200.
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "base/time.h"
#include "wire.h"

namespace {

using namespace sallyport;

constexpr std::string_view kGood = "HTTP/1.0 200 ";

bool post(std::uint16_t port, const std::string& request) {
  const bench::Socket socket = bench::connect_to(port);
  if (!socket.is_open() || !bench::send_all(socket, request.data(), request.size())) return false;
  std::array<char, kGood.size()> begin{};
  if (!bench::receive_all(socket, begin.data(), begin.size())) return false;
  return std::string_view(begin.data(), begin.size()) == kGood && bench::discard_all(socket) > 0;
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) {
    static_cast<void>(std::fputs("usage: bench_post PORT FILE SECONDS\n", stderr));
    return 2;
  }
  const auto port = static_cast<std::uint16_t>(std::atoi(words[1]));
  std::ifstream file(words[2], std::ios::binary);
  const std::string body((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::string request =
      "POST / HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/ocsp-request\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  const SystemClock clock;
  const Instant began = clock.monotonic();
  const Instant end = began + seconds(std::atoll(words[3]));
  std::atomic<std::uint64_t> good{0};
  std::atomic<std::uint64_t> bad{0};
  {
    const auto ask = [&] {
      while (clock.monotonic() < end) ++(post(port, request) ? good : bad);
    };
    const std::jthread first(ask);
    const std::jthread second(ask);
  }
  const double took = std::chrono::duration<double>(clock.monotonic() - began).count();
  std::printf("{\"per_second\":%.1f}\n", static_cast<double>(good.load()) / took);
  return bad == 0 ? 0 : 1;
}
