#include "agent/control.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "net/tls_stream.h"
#include "tunnel/refusal.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kReadPiece = 16U * 1024U;
constexpr milliseconds kWriteLimit{20'000};
constexpr std::string_view kAgentVersion = "sallyport-agent " SALLYPORT_VERSION;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

}  // namespace

std::string_view to_string(ControlState state) {
  switch (state) {
    case ControlState::down:
      return "down";
    case ControlState::connecting:
      return "connecting";
    case ControlState::established:
      return "established";
  }
  return "unknown";
}

// One connection. Kept alive by the tasks that work on it.
struct ControlConnection::Live {
  Live(net::Executor executor, CheckedStream connected, tunnel::AgentHello hello, tunnel::PingInterval& interval)
      : way(connected.way()),
        network(connected.network()),
        server_shown(connected.shown()),
        stream(std::move(connected).take()),
        session(std::move(hello), interval),
        to_write(executor) {}

  std::size_t way;
  std::string network;
  std::vector<Bytes> server_shown;
  Bytes leaf;  // the certificate that we showed, or came back with
  net::StreamPtr stream;
  tunnel::AgentSession session;
  Bytes outbox;
  net::Event to_write;
  std::shared_ptr<ReadyConnections> ready;
  std::optional<Instant> wake;
  std::optional<tunnel::GoAwayFrame> go_away;
  std::optional<Error> error;
  bool is_over = false;

  void end(std::optional<Error> why) {
    if (is_over) return;
    is_over = true;
    error = std::move(why);
    if (ready) ready->close();
    stream->close();
    to_write.set();
  }
};

ControlConnection::ControlConnection(net::TaskGroup& tasks, const Settings& settings, DeviceTime& time,
                                     ServerDialer& dialer, ServerCheck& check, RemoteAccess& access,
                                     DataConnections& data, Random& random, DeviceName name, IdentitySource identity)
    : tasks_(tasks),
      settings_(settings),
      time_(time),
      dialer_(dialer),
      check_(check),
      access_(access),
      data_(data),
      random_(random),
      name_(std::move(name)),
      identity_(std::move(identity)),
      boot_id_(random.array<16>()),
      data_dialer_(tasks, dialer, time, under(name_.get(), settings.server_name("relay"))),
      renewed_(tasks.executor()) {}

ControlConnection::~ControlConnection() = default;

std::optional<milliseconds> ControlConnection::round_trip() const {
  return live_ ? live_->session.round_trip() : std::nullopt;
}

std::optional<std::size_t> ControlConnection::way() const {
  return live_ ? std::optional(live_->way) : std::nullopt;
}

bool ControlConnection::is_data_sealed() const {
  return live_ && dialer_.way_out().find_network(live_->network).is_sealed;
}

// Another network may have another NAT.
void ControlConnection::enter_network(const std::string& network) {
  if (network_ == network) return;
  network_ = network;
  ping_interval_ = tunnel::PingInterval(dialer_.way_out().find_network(network).ping);
}

void ControlConnection::keep_ping_interval() {
  NetworkMemory known = dialer_.way_out().find_network(network_);
  if (known.ping == ping_interval_.learnt()) return;
  known.ping = ping_interval_.learnt();
  dialer_.way_out().keep_network(known);
}

net::Task<void> ControlConnection::run() {
  for (;;) {
    renewed_.clear();
    state_ = ControlState::connecting;
    auto ended = co_await connect_once();
    const bool was_established = state_ == ControlState::established;
    state_ = ControlState::down;
    live_.reset();
    std::optional<tunnel::GoAwayFrame> go_away;
    if (ended) {
      go_away = *ended;
      last_error_ = go_away ? fmt::format("relay: sent us away: {}", tunnel::to_string(go_away->reason))
                            : std::string("relay: connection ended");
    } else {
      last_error_ = ended.error().detail;
    }
    if (std::exchange(is_replacing_, false)) continue;
    const milliseconds wait = backoff_.on_lost(go_away, time_.monotonic(), random_);
    log::info("agent.control-down",
              {{"why", last_error_}, {"was_established", was_established}, {"retry_ms", wait.count()}});
    static_cast<void>(co_await renewed_.wait(wait));
  }
}

net::Task<Result<std::optional<tunnel::GoAwayFrame>>> ControlConnection::connect_once() {
  auto identity = identity_();
  if (!identity) co_return fail(Errc::not_yet, "relay: no operational certificate yet");
  const DnsName relay = settings_.server_name("relay");
  ServerTarget target{.server_name = under(name_.get(), relay),
                      .certificate_name = relay,
                      .alpn = std::string(tunnel::kControlAlpn),
                      .identity = *std::move(identity),
                      .resumes = true};
  Bytes leaf = target.identity.chain.front();
  target.leaf_alone = leaf != refused_alone_;
  CO_TRY(auto checked, co_await dialer_.connect(std::move(target)));
  const pki::VerifiedChain server = checked.server();
  tunnel::AgentHello hello{.boot_id = boot_id_,
                           .agent_version = std::string(kAgentVersion),
                           .remote_access = access_.is_on(),
                           .services = access_.offered()};
  enter_network(checked.network());
  const auto live = std::make_shared<Live>(tasks_.executor(), std::move(checked), std::move(hello), ping_interval_);
  live->leaf = std::move(leaf);
  live->ready = make_ready(live);
  live_ = live;
  tasks_.spawn(write_out(live), "agent.control-writer");
  tasks_.spawn(recheck(live, server), "agent.control-recheck");
  perform(live, live->session.start(time_.monotonic()));
  co_await pump(live);
  learn_from(*live);
  if (live->error) co_return std::unexpected(*live->error);
  co_return live->go_away;
}

net::Task<void> ControlConnection::pump(std::shared_ptr<Live> live) {
  Bytes piece(kReadPiece);
  while (!live->is_over) {
    milliseconds wait{1'000};
    if (live->wake) {
      wait = std::chrono::duration_cast<milliseconds>(*live->wake - time_.monotonic()) + milliseconds(1);
      wait = std::max(wait, milliseconds(0));
    }
    const auto read = co_await live->stream->read_some(piece, wait);
    const Instant now = time_.monotonic();
    if (live->is_over) break;
    if (read && *read > 0) {
      perform(live, live->session.on_bytes(ByteView(piece).first(*read), now));
    } else if (read) {
      live->end(Error{.code = Errc::unavailable, .detail = "relay: closed the connection"});
    } else if (read.error().code != Errc::expired) {
      live->end(read.error());
    }
    if (!live->is_over && live->wake && now >= *live->wake) perform(live, live->session.on_tick(now));
    keep_ping_interval();
  }
}

net::Task<void> ControlConnection::write_out(std::shared_ptr<Live> live) {
  while (!live->is_over) {
    static_cast<void>(co_await live->to_write.wait(net::Deadline::never()));
    live->to_write.clear();
    while (!live->is_over && !live->outbox.empty()) {
      const Bytes now = std::exchange(live->outbox, {});
      if (auto written = co_await live->stream->write_all(now, kWriteLimit); !written) live->end(written.error());
    }
  }
}

// A server that was good an hour ago need not be now.
net::Task<void> ControlConnection::recheck(std::shared_ptr<Live> live, pki::VerifiedChain server) {
  milliseconds without{0};
  milliseconds wait = kRecheckAfter;
  for (;;) {
    // In steps, so that an ended connection is not kept for an hour.
    for (milliseconds slept{0}; slept < wait && !live->is_over; slept += kRecheckRetry) {
      co_await net::sleep_for(std::min<milliseconds>(kRecheckRetry, wait - slept));
    }
    if (live->is_over) co_return;
    auto good = co_await check_.check(server, settings_.server_name("relay").get());
    if (good) {
      without = milliseconds(0);
      wait = kRecheckAfter;
      continue;
    }
    without += kRecheckRetry;
    wait = kRecheckRetry;
    if (good.error().code == Errc::unauthorized || without > kRecheckPatience) {
      live->end(std::move(good).error());
      access_.cut_all();
      co_return;
    }
  }
}

void ControlConnection::perform(const std::shared_ptr<Live>& live, tunnel::AgentActions actions) {
  for (tunnel::AgentAction& action : actions) {
    std::visit(
        Overloaded{
            [&](tunnel::SendBytes& send) {
              append(live->outbox, send.bytes);
              live->to_write.set();
              if (live->outbox.size() > kMaxUnsent)
                live->end(Error{.code = Errc::overloaded, .detail = "relay: does not read"});
            },
            [&](tunnel::WakeAt& wake) { live->wake = wake.when; },
            [&](tunnel::Close& close) {
              live->go_away = close.go_away;
              const auto why = Error{.code = Errc::unavailable,
                                     .detail = fmt::format("relay: {}: {}", to_string(close.reason), close.detail)};
              live->end(close.go_away ? std::optional<Error>() : why);
            },
            [&](tunnel::Accepted&) {
              state_ = ControlState::established;
              if (net::is_resumed(*live->stream)) dialer_.resumptions().worked();
              last_error_.clear();
              backoff_.on_connected(time_.monotonic());
              log::info("agent.control-up", {{"way", dialer_.way_out().ways().all()[live->way].label()},
                                             {"resumed", net::is_resumed(*live->stream)}});
            },
            [&](tunnel::OpenAsked& open) {
              tasks_.spawn(serve_open(live, std::move(open.open), open.ready), "agent.user");
            },
            [&](tunnel::DropReady& drop) { tasks_.spawn(drop_ready(live->ready, drop.ticket), "agent.drop-ready"); },
            [&](tunnel::GrantRenewed& grant) {
              tasks_.spawn(renew_grant(std::move(grant.sealed_grant)), "agent.grant");
            },
            [&](tunnel::CutAsked& cut) { access_.cut(cut.session); },
            [&](tunnel::ResumptionGiven& given) { keep_resumption(*live, std::move(given.identity)); },
        },
        action);
  }
}

// Of two CAs with one name the relay may know the other; and what it says when it refuses may be lost on the way.
void ControlConnection::learn_from(const Live& live) {
  if (state_ == ControlState::established) return;
  if (net::is_resumed(*live.stream)) {
    dialer_.resumptions().failed({.code = Errc::unauthorized, .detail = "ended before it was accepted"});
  } else if (net::showed_leaf_alone(*live.stream) && !live.go_away) {
    refused_alone_ = live.leaf;
  }
}

void ControlConnection::keep_resumption(const Live& live, Bytes identity) {
  auto exported = net::export_keying_material(*live.stream, tunnel::kResumptionLabel, crypto::kPskBytes);
  if (!exported) return;
  dialer_.resumptions().keep(live.leaf, {.identity = std::move(identity),
                                         .key = crypto::Psk::from(*exported).value(),
                                         .server_chain = live.server_shown});
  wipe(*exported);
}

// The session outlives what it is asked through here: the connections close when it ends, and hold it no longer than
// the group of tasks.
std::shared_ptr<ReadyConnections> ControlConnection::make_ready(const std::shared_ptr<Live>& live) {
  const std::weak_ptr<Live> weak = live;
  return std::make_shared<ReadyConnections>(
      tasks_, time_, settings_.ready_connections,
      ReadyConnections::Source{
          .take_ticket = [weak]() -> std::optional<tunnel::Ticket> {
            const auto alive = weak.lock();
            return alive && !alive->is_over ? alive->session.take_ticket() : std::nullopt;
          },
          .dial = [this, way = live->way, network = live->network](
                      tunnel::Ticket ticket) { return data_dialer_.dial_ready(ticket, way, network); },
          .lost =
              [weak](const tunnel::Ticket& ticket) {
                if (const auto alive = weak.lock()) alive->session.ready_lost(ticket);
              }});
}

net::Task<void> ControlConnection::drop_ready(std::shared_ptr<ReadyConnections> connections, tunnel::Ticket ticket) {
  const auto ready = co_await ReadyConnections::take(std::move(connections), ticket);
  if (ready) ready->close();
}

// The relay has joined user and ready connection already, and hears of no refusal: the alert takes the way of his
// bytes.
net::Task<void> ControlConnection::refuse_on(net::StreamPtr ready, tunnel::RefuseCode code) {
  const Bytes alert = tunnel::encode_alert(tunnel::alert_for(code));
  if (co_await ready->write_all(alert, kWriteLimit)) static_cast<void>(co_await ready->shutdown_write(kWriteLimit));
  ready->close();
}

net::Task<void> ControlConnection::serve_open(std::shared_ptr<Live> live, tunnel::OpenFrame open, bool is_ready) {
  const tunnel::Ticket ticket = open.ticket;
  auto ready = is_ready ? co_await ReadyConnections::take(live->ready, ticket) : nullptr;
  auto admitted = co_await data_.admit(std::move(open));
  if (!admitted) {
    if (ready) co_return co_await refuse_on(std::move(ready), admitted.error());
    if (!live->is_over) perform(live, live->session.refuse(ticket, admitted.error(), time_.monotonic()));
    co_return;
  }
  auto stream = co_await data_dialer_.dial(ticket, live->way, live->network, std::move(ready));
  if (!stream) {
    log::warn("agent.dial-failed", {{"error", stream.error()}});
    if (!live->is_over) perform(live, live->session.refuse(ticket, tunnel::RefuseCode::dial_failed, time_.monotonic()));
    co_return;
  }
  live->ready->user_came(is_ready);
  // The user's bytes do not depend on the control connection from here on.
  live.reset();
  co_await data_.serve(*std::move(stream), *std::move(admitted));
}

net::Task<void> ControlConnection::renew_grant(Bytes sealed_grant) {
  auto grant = co_await access_.admit(std::move(sealed_grant));
  if (!grant) log::warn("agent.renewal-refused", {{"error", grant.error()}});
}

void ControlConnection::send_status() {
  if (!live_ || live_->is_over) return;
  perform(live_, live_->session.status_changed(access_.is_on(), access_.offered(), time_.monotonic()));
}

void ControlConnection::reconnect() {
  renewed_.set();
  if (!live_ || live_->is_over) return;
  is_replacing_ = true;
  live_->end(std::nullopt);
}

}  // namespace sallyport::agent
