// Devices' control connections, many in one process, against the relay or a rival that ends mutual TLS.
//
//   bench_control enrol STATE COUNT FILE               devices that the stopped installation in STATE takes for its own
//   bench_control shake FILE PORT ZONE|- COUNT AT_A_TIME  full handshakes, each a new connection of the next device
//   bench_control resume FILE PORT ZONE|- COUNT AT_A_TIME the same with what the device's last connection gave for it
//   bench_control hold FILE PORT ZONE|- FIRST COUNT       keeps every device connected, as agents do: with their
//   back-off, and with what the relay gave them for coming back
//
// ZONE is the relay's: the name asked for is <name>.relay.ZONE, HELLO is said, and a handshake counts once the relay
// has accepted the device. With "-" it is a rival's port: the name is "rival"; a handshake counts with the first byte
// that comes back, and `hold` says nothing. `shake` prints {"handshakes":…,"resumed":…,"seconds":…}. `resume` first
// makes one full handshake of every device, prints a line, and goes on when it has read one. `hold` obeys lines on its
// standard input: "wait N SECONDS" prints {"online":…,"lost":…,"seconds":…} once N are online or the time is up, "lost
// N SECONDS" once N connections in all have been lost; it ends with the input.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <map>
#include <thread>

#include "crypto/system_random.h"
#include "enrolled.h"
#include "net/connect.h"
#include "net/run.h"
#include "net/timer.h"
#include "net/tls_stream.h"
#include "tunnel/control_session.h"
#include "tunnel/reconnect.h"

namespace sallyport::bench {
namespace {

constexpr milliseconds kPatience{20'000};
constexpr milliseconds kTick{1'000};
constexpr milliseconds kLook{50};
constexpr std::size_t kPiece = 4U * 1024U;
constexpr std::size_t kDevicesPerSource = 8;
constexpr std::size_t kDialAtOnce = 256;

struct Target {
  std::uint16_t port = 0;
  std::string zone;  // empty: a rival
  bool is_relay() const { return !zone.empty(); }
  std::string name_of(const Enrolled& device) const {
    return is_relay() ? device.name + ".relay." + zone : std::string("rival");
  }
};

// Devices stand in networks of their own, as far as limits per source are concerned.
std::string source_of(std::size_t number) {
  const std::size_t network = number / kDevicesPerSource;
  return fmt::format("127.{}.{}.{}", 1 + network / 60'000, 1 + network / 240 % 250, 1 + network % 240);
}

// Devices that dial, at most so many at once; the others wait in their order. A fleet's devices have a processor each,
// and this process one for all: what is begun here and cannot go on would only run into the relay's deadlines.
class Dialling {
 public:
  explicit Dialling(std::size_t most) : free_(most) {}

  net::Task<void> enter() {
    if (free_ > 0) {
      --free_;
      co_return;
    }
    net::Event turn(co_await net::current_executor());
    waiting_.push_back(&turn);
    static_cast<void>(co_await turn.wait(net::Deadline::never()));
  }
  void leave() {
    if (waiting_.empty()) {
      ++free_;
      return;
    }
    net::Event* next = waiting_.front();
    waiting_.pop_front();
    next->set();
  }

 private:
  std::size_t free_;
  std::deque<net::Event*> waiting_;
};

// What a device knows of a server that it has met.
struct Met {
  std::shared_ptr<const crypto::TlsResumption> relay;
  std::shared_ptr<crypto::TlsContext> rival;  // its tickets are in there
};

Result<std::shared_ptr<crypto::TlsContext>> make_context(const Enrolled& device, bool to_relay, bool resumes,
                                                         const Met& met) {
  if (met.rival) return met.rival;
  crypto::TlsClientSettings settings;
  // With a resumption the certificate would be read for nothing: the relay knows the key also after its restart. Where
  // it did not, the next attempt is a full one.
  const bool comes_back = to_relay && resumes && met.relay;
  if (!comes_back) settings.identity = device.identity;
  settings.leaf_alone_if_known = true;
  if (to_relay) settings.alpn = {std::string(tunnel::kControlAlpn)};
  if (comes_back) settings.resumption = met.relay;
  settings.resume = !to_relay && resumes;
  // Whom the device trusts is not what is measured.
  settings.verify_server = [](std::span<const Bytes>) { return Result<void>{}; };
  return crypto::TlsContext::client(std::move(settings));
}

struct Fleet {
  Target target;
  std::size_t first = 0;  // its number among those of several processes
  std::vector<Enrolled> devices;
  std::vector<Met> met;
  bool resumes = false;
  const Clock& clock;
  Random& random;
  std::size_t next = 0;
  std::size_t left = 0;
  std::size_t done = 0;
  std::size_t resumed = 0;
  std::size_t online = 0;
  std::size_t lost = 0;  // that were online
  std::size_t working = 0;
  std::optional<Error> error;
  Dialling dialling{kDialAtOnce};
};

net::Task<Result<net::StreamPtr>> dial(Fleet& fleet, std::size_t number) {
  const Enrolled& device = fleet.devices[number];
  Met& met = fleet.met[number];
  CO_TRY(auto context, make_context(device, fleet.target.is_relay(), fleet.resumes, met));
  if (fleet.resumes && !fleet.target.is_relay()) met.rival = context;
  net::ConnectOptions options;
  options.source = source_of(fleet.first + number);
  net::Address address{.host = "127.0.0.1", .port = fleet.target.port};
  CO_TRY(auto lower, co_await net::connect_tcp(std::move(address), kPatience, std::move(options)));
  auto stream =
      co_await net::tls_connect(std::move(lower), std::move(context), fleet.target.name_of(device), kPatience);
  if (!stream && stream.error().code == Errc::unauthorized) met.relay.reset();
  if (stream && net::is_resumed(**stream)) ++fleet.resumed;
  if (stream) net::forget_handshake(**stream);
  co_return stream;
}

tunnel::AgentHello hello_of(Fleet& fleet) {
  return {.boot_id = tunnel::BootId(fleet.random.array<16>()),
          .agent_version = "bench",
          .remote_access = true,
          .services = {}};
}

// Whom the device trusts is not what is measured, so no chain is kept.
std::shared_ptr<const crypto::TlsResumption> resumption_of(const net::Stream& stream, Bytes identity) {
  const auto key = net::export_keying_material(stream, tunnel::kResumptionLabel, crypto::kPskBytes);
  return std::make_shared<crypto::TlsResumption>(crypto::TlsResumption{
      .identity = std::move(identity), .key = crypto::Psk::from(key.value()).value(), .server_chain = {}});
}

// What a session wants done; false when it is over.
net::Task<bool> perform(net::Stream& stream, tunnel::AgentActions actions, Met& met, bool& accepted,
                        std::optional<tunnel::GoAwayFrame>& away) {
  for (auto& action : actions) {
    if (const auto* bytes = std::get_if<tunnel::SendBytes>(&action)) {
      if (!co_await stream.write_all(bytes->bytes, kPatience)) co_return false;
    }
    if (std::holds_alternative<tunnel::Accepted>(action)) accepted = true;
    if (auto* given = std::get_if<tunnel::ResumptionGiven>(&action)) {
      met.relay = resumption_of(stream, std::move(given->identity));
    }
    if (const auto* close = std::get_if<tunnel::Close>(&action)) {
      away = close->go_away;
      co_return false;
    }
  }
  co_return true;
}

// Speaks as an agent until the connection is over, or only until it was accepted.
net::Task<Result<std::optional<tunnel::GoAwayFrame>>> hold_control(Fleet& fleet, std::size_t number,
                                                                   net::StreamPtr stream, bool only_begin) {
  Met& met = fleet.met[number];
  const auto before = met.relay;
  tunnel::PingInterval interval;
  tunnel::AgentSession session(hello_of(fleet), interval);
  bool accepted = false;
  bool counted = false;
  std::optional<tunnel::GoAwayFrame> away;
  bool on = co_await perform(*stream, session.start(fleet.clock.monotonic()), met, accepted, away);
  while (on) {
    // No buffer is held while nothing comes.
    const auto ready = co_await stream->wait_readable(net::Deadline(kTick * 5));
    if (!ready && ready.error().code != Errc::expired) break;
    if (ready) {
      Bytes piece(kPiece);
      const auto got = co_await stream->read_some(piece, kPatience);
      if (!got || *got == 0) break;
      on = co_await perform(*stream, session.on_bytes(ByteView(piece).first(*got), fleet.clock.monotonic()), met,
                            accepted, away);
    }
    if (accepted && only_begin && (!fleet.resumes || met.relay != before)) co_return away;
    if (accepted && !counted) {
      counted = true;
      ++fleet.online;
    }
    if (on) on = co_await perform(*stream, session.on_tick(fleet.clock.monotonic()), met, accepted, away);
  }
  if (counted) {
    --fleet.online;
    ++fleet.lost;
  }
  if (!accepted) co_return fail(Errc::unavailable, "bench_control: the connection ended before it was accepted");
  co_return away;
}

net::Task<Result<void>> shake(Fleet& fleet, std::size_t number) {
  CO_TRY(auto stream, co_await dial(fleet, number));
  if (fleet.target.is_relay()) {
    CO_TRY(const auto away, co_await hold_control(fleet, number, std::move(stream), true));
    static_cast<void>(away);
    co_return Result<void>{};
  }
  Bytes piece(64);
  CO_TRY(const std::size_t got, co_await stream->read_some(piece, kPatience));
  if (got == 0) co_return fail(Errc::unavailable, "bench_control: the rival closed without a byte");
  stream->close();
  co_return Result<void>{};
}

net::Task<void> shake_until_done(Fleet& fleet) {
  while (fleet.left > 0 && !fleet.error) {
    --fleet.left;
    const std::size_t number = fleet.next++ % fleet.devices.size();
    if (auto done = co_await shake(fleet, number); !done) fleet.error = std::move(done).error();
    ++fleet.done;
  }
  --fleet.working;
}

// Until the server ends it; tickets, which it may send, are no end.
net::Task<void> hold_silent(net::Stream& stream) {
  for (;;) {
    if (!co_await stream.wait_readable(net::Deadline::never())) co_return;
    Bytes piece(kPiece);
    const auto got = co_await stream.read_some(piece, kTick);
    if (got ? *got == 0 : got.error().code != Errc::expired) co_return;
  }
}

net::Task<void> keep(Fleet& fleet, std::size_t number) {
  tunnel::Backoff backoff;
  for (;;) {
    std::optional<tunnel::GoAwayFrame> away;
    co_await fleet.dialling.enter();
    auto stream = co_await dial(fleet, number);
    fleet.dialling.leave();
    if (stream && fleet.target.is_relay()) {
      backoff.on_connected(fleet.clock.monotonic());
      if (const auto ended = co_await hold_control(fleet, number, *std::move(stream), false)) away = *ended;
    } else if (stream) {
      ++fleet.online;
      co_await hold_silent(**stream);
      --fleet.online;
    }
    co_await net::sleep_for(backoff.on_lost(away, fleet.clock.monotonic(), fleet.random));
  }
}

// A fleet is switched on bit by bit.
net::Task<void> begin_all(Fleet& fleet, net::Executor executor, std::size_t at_a_time) {
  for (std::size_t i = 0; i < fleet.devices.size(); ++i) {
    while (i >= fleet.online + at_a_time) co_await net::sleep_for(milliseconds(2));
    net::spawn(executor, keep(fleet, i), "bench.keep");
  }
}

net::Task<void> answer_wait(Fleet& fleet, const std::size_t& counted, std::size_t wanted, double limit) {
  const Instant began = fleet.clock.monotonic();
  const auto took = [&] { return std::chrono::duration<double>(fleet.clock.monotonic() - began).count(); };
  while (counted < wanted && took() < limit) co_await net::sleep_for(kLook);
  std::printf("{\"online\":%zu,\"lost\":%zu,\"seconds\":%.2f}\n", fleet.online, fleet.lost, took());
  static_cast<void>(std::fflush(stdout));
}

void obey(Fleet& fleet, net::Io& io) {
  std::string verb;
  std::size_t wanted = 0;
  double limit = 0;
  while (std::cin >> verb >> wanted >> limit) {
    const std::size_t& counted = verb == "lost" ? fleet.lost : fleet.online;
    io.post([&fleet, &io, &counted, wanted, limit] {
      net::spawn(io.executor(), answer_wait(fleet, counted, wanted, limit), "bench.wait");
    });
  }
  ::_exit(0);
}

net::Task<void> until_idle(Fleet& fleet) {
  while (fleet.working > 0) co_await net::sleep_for(milliseconds(1));
}

Result<void> shake_all(Fleet& fleet, std::size_t count, std::size_t at_a_time) {
  net::Io io;
  fleet.left = count;
  fleet.done = fleet.resumed = 0;
  fleet.working = at_a_time;
  for (std::size_t i = 0; i < at_a_time; ++i) net::spawn(io.executor(), shake_until_done(fleet), "bench.shake");
  net::run(io, until_idle(fleet));
  if (fleet.error) return std::unexpected(*fleet.error);
  return {};
}

// Every device has met the server when it returns, and whoever started us has seen it.
Result<void> meet(Fleet& fleet, std::size_t at_a_time) {
  TRY_VOID(shake_all(fleet, fleet.devices.size(), at_a_time));
  std::printf("{\"met\":%zu}\n", fleet.done);
  static_cast<void>(std::fflush(stdout));
  std::string line;
  std::getline(std::cin, line);
  return {};
}

Result<void> run_shake(Fleet& fleet, std::size_t count, std::size_t at_a_time) {
  if (fleet.resumes) TRY_VOID(meet(fleet, at_a_time));
  const Instant began = fleet.clock.monotonic();
  TRY_VOID(shake_all(fleet, count, at_a_time));
  std::printf("{\"handshakes\":%zu,\"resumed\":%zu,\"seconds\":%.3f}\n", fleet.done, fleet.resumed,
              std::chrono::duration<double>(fleet.clock.monotonic() - began).count());
  return {};
}

constexpr std::size_t kSwitchedOnAtATime = 48;

Result<void> run_hold(Fleet& fleet) {
  net::Io io;
  std::jthread([&] { obey(fleet, io); }).detach();
  net::spawn(io.executor(), begin_all(fleet, io.executor(), kSwitchedOnAtATime), "bench.begin");
  io.run();
  return {};
}

std::size_t number_at(char** words, int index) {
  return static_cast<std::size_t>(std::atoll(words[index]));
}

Result<void> run(int count, char** words) {
  const SystemClock clock;
  crypto::SystemRandom random;
  const std::string_view what = count > 1 ? words[1] : "";
  if (what == "enrol" && count == 5) return enrol_devices(words[2], number_at(words, 3), words[4], clock);
  const bool is_shake = what == "shake" || what == "resume";
  if (count != 7 || (!is_shake && what != "hold"))
    return fail(Errc::malformed,
                "usage: bench_control enrol STATE COUNT FILE | shake|resume FILE PORT ZONE COUNT AT_A_TIME | "
                "hold FILE PORT ZONE FIRST COUNT");
  const std::string zone = words[4];
  Fleet fleet{.target = {.port = static_cast<std::uint16_t>(number_at(words, 3)), .zone = zone == "-" ? "" : zone},
              .first = is_shake ? 0 : number_at(words, 5),
              .devices = {},
              .met = {},
              .resumes = what == "resume" || (what == "hold" && zone != "-"),
              .clock = clock,
              .random = random,
              .error = {}};
  TRY(fleet.devices, load_devices(words[2], fleet.first, is_shake ? 512 : number_at(words, 6)));
  fleet.met.resize(fleet.devices.size());
  return is_shake ? run_shake(fleet, number_at(words, 5), number_at(words, 6)) : run_hold(fleet);
}

}  // namespace
}  // namespace sallyport::bench

int main(int count, char** words) {
  sallyport::net::ignore_sigpipe();
  const auto done = sallyport::bench::run(count, words);
  if (!done) static_cast<void>(std::fprintf(stderr, "%s\n", done.error().detail.c_str()));
  static_cast<void>(std::fflush(stdout));
  ::_exit(done ? 0 : 1);
}
