// fleet [LOG-LEVEL]: orders on standard input, answers on standard output (fleet.h).
#include <cstdio>
#include <deque>
#include <iostream>
#include <thread>

#include "base/log.h"
#include "crypto/system_random.h"
#include "fleet.h"
#include "net/run.h"
#include "net/timer.h"
#include "process_use.h"

namespace sallyport::fleet {
namespace {

// Orders as they come; read by a thread of its own, since a terminal or a file can be waited for in no other way.
struct Orders {
  explicit Orders(const net::Executor& executor) : came(executor) {}
  std::deque<std::string> lines;
  bool is_over = false;
  net::Event came;
};

void read_orders(net::Io& io, Orders& orders) {
  for (std::string line; std::getline(std::cin, line);) {
    io.post([&orders, line] {
      orders.lines.push_back(line);
      orders.came.set();
    });
  }
  io.post([&orders] {
    orders.is_over = true;
    orders.came.set();
  });
}

void say(const codec::Json& answer) {
  const std::string line = answer.write() + "\n";
  static_cast<void>(std::fwrite(line.data(), 1, line.size(), stdout));
  static_cast<void>(std::fflush(stdout));
}

net::Task<void> obey_all(Fleet& fleet, Orders& orders) {
  for (;;) {
    static_cast<void>(co_await orders.came.wait(net::Deadline::never()));
    orders.came.clear();
    while (!orders.lines.empty()) {
      const std::string line = std::move(orders.lines.front());
      orders.lines.pop_front();
      auto order = codec::parse_json(line);
      if (!order) {
        say(codec::Json::Object{{"error", order.error().detail}});
        continue;
      }
      const auto verb = order->text_at("do");
      if (verb && *verb == "end") {
        co_await fleet.end();
        say(codec::Json::Object{{"ok", true}, {"process", use_of_this_process()}});
        co_return;
      }
      say(co_await fleet.obey(*std::move(order)));
    }
    if (orders.is_over) {
      co_await fleet.end();
      co_return;
    }
  }
}

log::Level level_of(std::string_view name) {
  if (name == "debug") return log::Level::debug;
  if (name == "info") return log::Level::info;
  if (name == "warn") return log::Level::warn;
  return log::Level::error;
}

}  // namespace
}  // namespace sallyport::fleet

int main(int count, char** words) {
  using namespace sallyport;
  net::ignore_sigpipe();
  log::start("fleet", fleet::level_of(count > 1 ? words[1] : ""));
  fleet::raise_descriptor_limit();
  const SystemClock clock;
  crypto::SystemRandom random;
  net::Io io;
  fleet::Fleet the_fleet({.executor = io.executor(), .clock = clock, .random = random});
  fleet::Orders orders(io.executor());
  std::jthread reader([&] { fleet::read_orders(io, orders); });
  net::run(io, fleet::obey_all(the_fleet, orders));
  // The reader waits for input that may never come, and holds what an ordinary end would want.
  reader.detach();
  std::_Exit(0);
}
