// The device of the benchmark, at both places where a relay may find one:
//
//   bench_device AGENT_STATE NAME RELAY_PORT
//
// With the enrolled identity in AGENT_STATE, whose agent must not run, it holds a control connection to the relay and
// dials back for every OPEN; and it listens on a port of its own, where rivals bring their users to. Either way the
// same threads serve the same bytes. Prints "online NAME PORT" once the relay has accepted it; ends with its standard
// input.
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "agent/state.h"
#include "crypto/system_random.h"
#include "net/connect.h"
#include "net/io.h"
#include "net/run.h"
#include "net/tls_stream.h"
#include "pki/verify.h"
#include "tunnel/control_session.h"
#include "wire.h"

namespace sallyport::bench {
namespace {

// More than users are at a time: nobody waits for a thread.
constexpr int kThreads = 128;
constexpr seconds kPatience{10};

// Connections to be made or taken, each a blocking piece of work for one of a fixed number of threads.
class Crew {
 public:
  Crew() {
    for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~Crew() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  void take(std::function<void()> work) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(work));
    }
    wake_.notify_one();
  }

 private:
  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
      if (ended_) return;
      const auto next = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      next();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  bool ended_ = false;
  std::vector<std::jthread> threads_;
};

void dial_back(std::uint16_t port, const tunnel::Ticket& ticket) {
  const Socket socket = connect_to(port);
  const Bytes preface = tunnel::encode_preface(ticket);
  if (socket.is_open() && send_all(socket, preface.data(), preface.size())) serve_user(socket);
}

struct Device {
  agent::AgentState& state;
  std::string name;
  std::uint16_t relay_port;
  std::uint16_t own_port;
  Crew& crew;
  const Clock& clock;
  Random& random;
};

Result<std::shared_ptr<crypto::TlsContext>> make_context(const Device& device, const crypto::TlsIdentity& identity) {
  crypto::TlsClientSettings settings;
  settings.identity = identity;
  settings.alpn = {std::string(tunnel::kControlAlpn)};
  settings.verify_server = [&device](std::span<const Bytes> der) -> Result<void> {
    TRY(const auto chain, pki::parse_chain(der));
    const std::array anchors = {device.state.root()};
    const pki::ServerPurpose purpose{device.state.settings().server_name("relay")};
    TRY_VOID(pki::verify_chain(chain, anchors, purpose, pki::TimeRule::clock(device.clock.now())));
    return {};
  };
  return crypto::TlsContext::client(std::move(settings));
}

// Performs what the session wants; returns false when it is over.
net::Task<bool> perform(Device& device, net::Stream& stream, tunnel::AgentActions actions) {
  for (auto& action : actions) {
    if (const auto* bytes = std::get_if<tunnel::SendBytes>(&action)) {
      if (!co_await stream.write_all(bytes->bytes, kPatience)) co_return false;
    } else if (std::holds_alternative<tunnel::Accepted>(action)) {
      static_cast<void>(std::printf("online %u\n", unsigned{device.own_port}));
      static_cast<void>(std::fflush(stdout));
    } else if (const auto* asked = std::get_if<tunnel::OpenAsked>(&action)) {
      device.crew.take([port = device.relay_port, ticket = asked->open.ticket] { dial_back(port, ticket); });
    } else if (const auto* close = std::get_if<tunnel::Close>(&action)) {
      static_cast<void>(std::fprintf(stderr, "bench_device: control connection: %s\n", close->detail.c_str()));
      co_return false;
    }
  }
  co_return true;
}

net::Task<Result<void>> hold_control(Device& device) {
  CO_TRY(const auto credential, device.state.operational().load());
  if (!credential) co_return fail(Errc::not_found, "bench_device: the agent has not enrolled");
  CO_TRY(auto context, make_context(device, credential->identity()));
  CO_TRY(auto lower, co_await net::connect_tcp({.host = "127.0.0.1", .port = device.relay_port}, kPatience));
  const std::string server = device.name + "." + device.state.settings().server_name("relay").get();
  CO_TRY(auto stream, co_await net::tls_connect(std::move(lower), std::move(context), server, kPatience));
  tunnel::PingInterval interval;
  tunnel::AgentHello hello{.boot_id = tunnel::BootId(device.random.array<16>()),
                           .agent_version = "bench",
                           .remote_access = true,
                           .services = device.state.settings().offered()};
  tunnel::AgentSession session(std::move(hello), interval);
  bool on = co_await perform(device, *stream, session.start(device.clock.monotonic()));
  Bytes piece(16U * 1024U);
  while (on) {
    const auto got = co_await stream->read_some(piece, milliseconds(1'000));
    const Instant now = device.clock.monotonic();
    if (!got && got.error().code != Errc::expired) co_return std::unexpected(got.error());
    if (got && *got == 0) co_return fail(Errc::unavailable, "bench_device: the relay closed the control connection");
    if (got) on = co_await perform(device, *stream, session.on_bytes(ByteView(piece).first(*got), now));
    if (on) on = co_await perform(device, *stream, session.on_tick(now));
  }
  co_return fail(Errc::unavailable, "bench_device: the control connection is over");
}

void accept_users(const Socket& listener, Crew& crew) {
  for (;;) {
    const int accepted = ::accept(listener.get(), nullptr, nullptr);
    if (accepted < 0) continue;
    crew.take([accepted] { serve_user(Socket(accepted)); });
  }
}

Result<void> run(const char* folder, std::string name, std::uint16_t relay_port) {
  TRY(auto state, agent::AgentState::open(folder));
  std::uint16_t own_port = 0;
  const Socket listener = listen_on(own_port);
  if (!listener.is_open()) return fail(Errc::unavailable, "bench_device: no port to listen on");
  Crew crew;
  std::jthread([&] { accept_users(listener, crew); }).detach();
  std::jthread([] {
    while (::getchar() != EOF) {
    }
    ::_exit(0);
  }).detach();
  const SystemClock clock;
  crypto::SystemRandom random;
  net::Io io;
  Device device{state, std::move(name), relay_port, own_port, crew, clock, random};
  const auto ended = net::run(io, hold_control(device));
  return ended ? *ended : Result<void>{};
}

}  // namespace
}  // namespace sallyport::bench

int main(int count, char** words) {
  if (count != 4) {
    static_cast<void>(std::fputs("usage: bench_device AGENT_STATE NAME RELAY_PORT\n", stderr));
    return 2;
  }
  sallyport::net::ignore_sigpipe();
  const auto done = sallyport::bench::run(words[1], words[2], static_cast<std::uint16_t>(std::atoi(words[3])));
  if (!done) static_cast<void>(std::fprintf(stderr, "%s\n", done.error().detail.c_str()));
  // The crew's threads may be in a transfer that nobody waits for.
  ::_exit(1);
}
