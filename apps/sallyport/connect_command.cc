// sallyport connect: a tcp service of a device at standard input and output, or at a port of this machine.
#include <algorithm>
#include <csignal>
#include <cstdio>

#include "base/counted.h"
#include "commands.h"
#include "connect_settings.h"
#include "device_access.h"
#include "json_output.h"
#include "net/copy.h"
#include "net/listener.h"
#include "net/run.h"
#include "net/task_group.h"
#include "standard_streams.h"
#include "terminal.h"

namespace sallyport::cli {
namespace {

// The device, the relay and the console end connections; this is only so that none stays for ever.
constexpr milliseconds kForwardLimit{9 * 3'600'000};
constexpr std::size_t kMaxForwarded = 64;  // at a time, with --listen

// ssh ends its ProxyCommand by SIGHUP, as a terminal that is closed does.
// `nohup` stays what it is.
void end_on_hangup() {
  const auto before = std::signal(SIGHUP, [](int) { static_cast<void>(std::raise(SIGTERM)); });
  if (before == SIG_IGN) static_cast<void>(std::signal(SIGHUP, SIG_IGN));
}

// From here on nobody waits for signals any more, and they end the process.
void end_by_signals() {
  for (const int each : {SIGINT, SIGTERM, SIGHUP}) {
    if (std::signal(each, SIG_DFL) == SIG_IGN) static_cast<void>(std::signal(each, SIG_IGN));
  }
}

void log_out(net::Io& io, DeviceAccess& access) {
  io.restart();
  net::run(io, access.close());
}

Try<AccessOrder> read_order(const Arguments& arguments, ConsoleLogin login) {
  AccessOrder order{
      .login = std::move(login), .device = arguments.text("DEVICE"), .service = {}, .direct = std::nullopt};
  CLI_TRY(order.direct, find_direct(arguments));
  auto service = parse_service_name(arguments.text("SERVICE"));
  if (!service) return std::unexpected(Failure(std::move(service).error(), ExitStatus::usage));
  order.service = *std::move(service);
  return order;
}

// Runs `task` in `group`; absent when the group was ended, which is how the command is interrupted.
template <class T>
std::optional<T> run_in(net::Io& io, net::TaskGroup& group, net::Task<T> task) {
  std::optional<T> result;
  group.spawn(net::store_result(std::move(task), result), "connect");
  io.restart();
  net::run(io, group.until_empty());
  return result;
}

std::unexpected<Failure> interrupted() {
  return std::unexpected(Failure({Errc::unavailable, "connect: interrupted"}, ExitStatus::failed));
}

net::Task<Result<void>> carry(DeviceAccess& access, net::TaskGroup& group, net::Stream& here) {
  const DeviceAccess::InUse in_use(access, group);
  CO_TRY(auto there, co_await access.connect());
  const auto totals = co_await net::copy_both_ways(here, *there, kForwardLimit);
  if (!totals.error) co_return Result<void>{};
  const std::string where = fmt::format("device {}, service {}", access.device(), access.service().get());
  if (totals.right_to_left == 0)
    co_return failf(Errc::unavailable, "{}: ended before it said a word; is it running there?", where);
  co_return failf(Errc::internal, "{}: connection broken: {}", where, totals.error->detail);
}

Outcome connect_streams(net::Io& io, net::TaskGroup& group, DeviceAccess& access) {
  auto opened = StandardStreams::open(io.executor());
  if (!opened) log_out(io, access);
  TRY(const auto streams, std::move(opened));
  const auto carried = run_in(io, group, carry(access, group, streams->stream()));
  log_out(io, access);
  if (!carried) return interrupted();
  end_by_signals();
  streams->finish();  // which waits for whoever reads our output
  TRY_VOID(*carried);
  return {};
}

// What is forwarded from a port of this machine.
struct Forwarder {
  DeviceAccess& access;
  net::Listener& listener;
  net::TaskGroup& group;
  std::size_t live = 0;
};

net::Task<void> forward(Forwarder& forwarder, net::StreamPtr here) {
  const Counted counted(forwarder.live);
  const DeviceAccess::InUse in_use(forwarder.access, forwarder.group);
  auto there = co_await forwarder.access.connect();
  if (there) {
    static_cast<void>(co_await net::copy_both_ways(*here, **there, kForwardLimit));
  } else {
    fmt::print(stderr, "sallyport: {}\n", there.error().detail);
    net::reset(*here);
  }
}

net::Task<Result<void>> forward_all(Forwarder& forwarder) {
  for (;;) {
    CO_TRY(auto here, co_await forwarder.listener.accept(net::Deadline::never()));
    if (forwarder.live >= kMaxForwarded) {
      fmt::print(stderr, "sallyport: connect: {} connections are open, want fewer\n", forwarder.live);
      net::reset(*here);
      continue;
    }
    forwarder.group.spawn(forward(forwarder, std::move(here)), "connect.forward");
  }
}

void print_listening(const Arguments& arguments, const DeviceAccess& access, const net::Address& address) {
  const std::string at = net::to_string(address);
  if (arguments.flag("json")) {
    const codec::Json told(
        codec::Json::Object{{"listening", at}, {"device", access.device()}, {"service", access.service().get()}});
    print_json(told);
  } else {
    fmt::print("{} is service {} of {}, until Ctrl-C\n", at, access.service().get(), access.device());
  }
  std::fflush(stdout);
}

// Until it is interrupted, which is how it ends well.
Outcome connect_port(net::Io& io, net::TaskGroup& group, DeviceAccess& access, const Arguments& arguments,
                     std::uint64_t port) {
  const net::Address wanted{.host = "127.0.0.1", .port = static_cast<std::uint16_t>(port)};
  auto listener = net::Listener::tcp(io.executor(), wanted);
  if (!listener) return std::unexpected(Failure(std::move(listener).error(), ExitStatus::unreachable));
  print_listening(arguments, access, (*listener)->address());
  Forwarder forwarder{.access = access, .listener = **listener, .group = group};
  const auto ended = run_in(io, group, forward_all(forwarder));
  if (ended) TRY_VOID(*ended);
  return {};
}

Outcome connect_device(const Arguments& arguments, Environment& environment) {
  TRY(const auto port, arguments.find_number("listen", 0, UINT16_MAX));
  CLI_TRY(auto settings, read_connect_settings(arguments));
  CLI_TRY(auto order, read_order(arguments, std::move(settings.login)));
  TRY(auto password, read_passphrase(settings.password_file, "--password-file", "Password of " + order.login.login));
  end_on_hangup();
  net::Io io;
  net::TaskGroup group(io.executor());
  io.on_termination([&group] { group.end(); });
  auto opened = run_in(io, group, DeviceAccess::open(std::move(order), std::move(password), environment));
  if (!opened) return interrupted();
  TRY(const auto access, *std::move(opened));
  if (!port) return connect_streams(io, group, *access);
  auto outcome = connect_port(io, group, *access, arguments, *port);
  log_out(io, *access);
  return outcome;
}

}  // namespace

std::vector<Command> connect_commands() {
  std::vector<Option> options = {
      {.name = "DEVICE", .value = "DEVICE", .help = "its serial id, SITE/SERIAL-ID or name", .required = true},
      {.name = "SERVICE", .value = "SERVICE", .help = "one of kind tcp that it offers", .required = true},
      {.name = "listen",
       .value = "PORT",
       .help = "at 127.0.0.1 instead of standard input and output; 0: any free port"},
      {.name = "json", .value = "", .help = "with --listen: print JSON for programs"}};
  options.push_back(direct_option());
  std::ranges::copy(connect_options(), std::back_inserter(options));
  return {{.words = "connect",
           .summary = "reach a tcp service of a device, encrypted up to the device",
           .example = "sallyport connect sp-0001 modbus --listen 1502",
           .options = std::move(options),
           .run = connect_device}};
}

}  // namespace sallyport::cli
