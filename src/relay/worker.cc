#include "relay/worker.h"

#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "net/connect.h"
#include "net/hand_over.h"
#include "relay/entrance.h"

namespace sallyport::relay {
namespace {

constexpr milliseconds kExpiryInterval{1'000};

// Dead peers are noticed within 20 s (DESIGN §11), silent ones too.
net::SocketOptions public_socket_options() {
  return {.no_delay = true, .user_timeout = tunnel::kDeadPeerDeadline};
}

enum class SuccessionWord : std::uint8_t {
  who_is_there = 'Q',
  take_over = 'T',
  leaving = 'L',  // the slot is yours
  busy = 'B',     // somebody has it who cannot leave now
};

std::unique_ptr<net::RawListener> make_listener(net::Executor executor, net::Descriptor socket) {
  if (!socket.is_open()) return nullptr;
  return std::make_unique<net::RawListener>(executor, std::move(socket), public_socket_options());
}

}  // namespace

struct Worker::State : std::enable_shared_from_this<State> {
  State(net::Executor on, const Clock& time, Random& source, Settings chosen, Listeners listeners)
      : executor(on),
        clock(time),
        settings(std::move(chosen)),
        process(static_cast<std::uint32_t>(source.below(std::uint64_t{1} << 32U))),
        link(on, time, source, link_settings(), link_events()),
        check(link, time, settings.zone),
        resumption(std::move(listeners.resumption), settings.slot == tunnel::WorkerSlot(0), link.anchors(), time,
                   source),
        reports(on, link),
        devices(on, time, source, check, resumption, reports, settings.slot, device_events()),
        visits(on, time, devices, check, reports, settings.pipes, settings.pipe_bytes),
        entrance(on, {settings, time, link, check, resumption, grants, devices, visits}),
        public_tls(make_listener(on, std::move(listeners.public_tls))),
        public_http(make_listener(on, std::move(listeners.public_http))),
        peers_socket(std::move(listeners.peers)),
        succession_socket(std::move(listeners.succession)),
        left(on) {}

  net::Executor executor;
  const Clock& clock;
  Settings settings;
  const std::uint32_t process;  // tells this one from those before and after it in the slot
  rolelink::RoleLink link;
  DeviceCheck check;
  ResumptionKeys resumption;
  Reports reports;
  GrantTable grants;
  Devices devices;
  Visits visits;
  Entrance entrance;
  std::unique_ptr<net::RawListener> public_tls;
  std::unique_ptr<net::RawListener> public_http;
  net::Descriptor peers_socket;
  net::Descriptor succession_socket;
  std::unique_ptr<net::Listener> peers;
  std::unique_ptr<net::Listener> succession;
  net::Event left;
  bool leaving = false;        // another process takes over
  bool has_successor = false;  // that is there
  bool follows = false;        // this one has just taken over
  bool has_certificate = false;
  bool stopping = false;
  Instant next_expiry{};
  Instant next_recheck{};

  rolelink::Settings link_settings() const {
    return {.role = "relay",
            .instance = process,
            .authority_socket = role_socket(settings, "authority"),
            .root = settings.root,
            .older_roots = settings.older_roots};
  }
  rolelink::Events link_events();
  DeviceEvents device_events();
  void on_grant(ByteView sealed);
  void on_cut(const records::CutEvent& cut);
  void on_round(Instant now);
  static net::Task<void> keep_rounds(std::shared_ptr<State> self);
  static net::Task<void> keep_certificate(std::shared_ptr<State> self);
  static net::Task<void> accept_public(std::shared_ptr<State> self, net::RawListener& listener);
  static net::Task<void> accept_peers(std::shared_ptr<State> self);
  static net::Task<void> accept_successor(std::shared_ptr<State> self);
  struct Answered {
    net::StreamPtr channel;
    SuccessionWord word = SuccessionWord::busy;
  };
  static net::Task<Answered> ask(std::shared_ptr<State> self, SuccessionWord word);
  static net::Task<void> answer(std::shared_ptr<State> self, net::StreamPtr channel);
  static net::Task<void> accept_when_ready(std::shared_ptr<State> self);
  static net::Task<void> succeed(std::shared_ptr<State> self);
  static net::Task<void> leave(std::shared_ptr<State> self);
  bool is_ready() const { return link.has_lease() && has_certificate && link.snapshot().number() > 0; }
  void take_handed_over(net::HandedOver given);
  void accept();
  void stop_accepting();
};

rolelink::Events Worker::State::link_events() {
  rolelink::Events events;
  events.on_snapshot = [this](const records::SnapshotState&, const records::SnapshotChange&) {
    check.on_snapshot();
    const auto used = entrance.use_issuers(check.issuer_names());
    if (!used) log::error("relay.issuers-refused", {{"error", used.error()}});
    devices.recheck();
    visits.recheck();
  };
  events.on_grant = [this](ByteView sealed) { on_grant(sealed); };
  events.on_cut = [this](const records::CutEvent& cut) { on_cut(cut); };
  events.on_subscribed = [this] { devices.report_all(); };
  return events;
}

DeviceEvents Worker::State::device_events() {
  return {
      .on_tickets = [this](tunnel::SessionId session,
                           std::span<const tunnel::Ticket> tickets) { visits.on_tickets(session, tickets); },
      .on_refused = [this](const tunnel::Ticket& ticket, tunnel::RefuseCode code) { visits.on_refused(ticket, code); },
      .on_session_over = [this](tunnel::SessionId session) { visits.on_session_over(session); }};
}

void Worker::State::on_grant(ByteView sealed) {
  auto taken = grants.take(sealed, link.anchors(), clock.now());
  if (!taken) {
    log::warn("relay.grant-refused", {{"error", taken.error()}});
    return;
  }
  reports.acknowledge_grant(taken->id);
  if (taken->renewal) devices.renew(taken->grant.grant.device, std::move(taken->grant.sealed));
}

void Worker::State::on_cut(const records::CutEvent& cut) {
  Reader reader(cut.grant_id);
  const auto id = reader.array<tunnel::kGrantIdSize>();
  if (!id) {
    log::error("relay.cut-refused", {{"error", id.error()}});
    return;
  }
  const tunnel::GrantId session(*id);
  if (const auto ended = grants.cut(session)) devices.cut(ended->grant.device, session);
  visits.end_session(session, cut.reason);
}

void Worker::State::on_round(Instant now) {
  devices.on_round(now);
  visits.on_round(now);
  if (now >= next_expiry) {
    next_expiry = now + kExpiryInterval;
    for (const auto& over : grants.expire(clock.now())) visits.end_session(over.grant.session(), "grant not renewed");
  }
  if (now < next_recheck) return;
  next_recheck = now + kSweepInterval;
  resumption.on_round();
  devices.recheck();
  if (link.without_lease() < rolelink::kSessionsWithoutLease) return;
  devices.end_all("no lease");
  visits.end_all("the relay was cut off from its authority");
}

net::Task<void> Worker::State::keep_rounds(std::shared_ptr<State> self) {
  while (!self->stopping) {
    co_await net::sleep_for(kRound);
    if (self->stopping) co_return;
    self->on_round(self->clock.monotonic());
  }
}

net::Task<void> Worker::State::keep_certificate(std::shared_ptr<State> self) {
  State* const state = self.get();
  co_await self->link.keep_certificate(records::CertificateKind::server, [state](crypto::TlsIdentity identity) {
    const auto used = state->entrance.use_identity(std::move(identity));
    if (!used) return log::error("relay.certificate-refused", {{"error", used.error()}});
    state->has_certificate = true;
  });
}

net::Task<void> Worker::State::accept_public(std::shared_ptr<State> self, net::RawListener& listener) {
  co_await self->entrance.accept_from(listener);
}

net::Task<void> Worker::State::accept_peers(std::shared_ptr<State> self) {
  co_await net::serve_hand_over(*self->peers, {::geteuid()},
                                [self](net::HandedOver given) { self->take_handed_over(std::move(given)); });
}

void Worker::State::take_handed_over(net::HandedOver given) {
  auto socket = given.stream->release();
  auto source = parse_passed_source(given.source);
  if (!socket || !source) return;
  entrance.take_passed(std::make_unique<net::RawSocket>(executor, *std::move(socket), std::move(source->address)),
                       source->came);
}

void Worker::State::accept() {
  const auto self = shared_from_this();
  if (peers) net::spawn(executor, accept_peers(self), "relay.peers");
  if (succession) net::spawn(executor, accept_successor(self), "relay.succession");
  for (auto* listener : {&public_tls, &public_http}) {
    if (*listener) net::spawn(executor, accept_public(self, **listener), "relay.accept");
  }
}

void Worker::State::stop_accepting() {
  if (public_tls) public_tls->close();
  if (public_http) public_http->close();
  if (peers) peers->close();
}

// Whoever comes meanwhile is better off in the queue than refused. Without the authority we are not ready for long, and
// say so.
net::Task<void> Worker::State::accept_when_ready(std::shared_ptr<State> self) {
  const net::Deadline deadline(kReadyPatience);
  while (!self->stopping && !self->is_ready() && !deadline.passed()) co_await net::sleep_for(kSuccessionRound);
  if (self->stopping) co_return;
  self->accept();
}

// ---- one process of a slot after another
//
// On the succession socket the one that comes says first whether it takes over or only asks who is there; whoever has
// the slot answers. Where nobody does, nobody has it: the socket itself belongs to the supervisor, and lets anybody
// connect.

// The answer, with the channel on which it came; no channel when nobody answered.
net::Task<Worker::State::Answered> Worker::State::ask(std::shared_ptr<State> self, SuccessionWord word) {
  const net::Deadline deadline(kSuccessionAnswer);
  auto channel = co_await net::connect_unix(relay::succession_socket(self->settings), deadline);
  std::array<std::uint8_t, 1> byte{static_cast<std::uint8_t>(word)};
  if (!channel || !co_await (*channel)->write_all(byte, deadline)) co_return Answered{};
  if (!co_await net::read_exactly(**channel, byte, deadline)) co_return Answered{};
  co_return Answered{.channel = *std::move(channel), .word = static_cast<SuccessionWord>(byte[0])};
}

// The process before this one serves until this one can, if it lives so long.
net::Task<void> Worker::State::succeed(std::shared_ptr<State> self) {
  const net::Deadline patience(kReadyPatience);
  while (!self->stopping && !self->is_ready()) {
    co_await net::sleep_for(kSuccessionRound);
    if (!patience.passed()) continue;
    if (!(co_await ask(self, SuccessionWord::who_is_there)).channel) co_return co_await accept_when_ready(self);
    co_await net::sleep_for(kSuccessionRetry);
  }
  Answered answer;
  while (!self->stopping) {
    answer = co_await ask(self, SuccessionWord::take_over);
    if (!answer.channel || answer.word != SuccessionWord::busy) break;
    co_await net::sleep_for(kSuccessionRetry);
  }
  if (self->stopping) co_return;
  const bool follows = answer.channel && answer.word == SuccessionWord::leaving;
  if (follows) self->entrance.follow(std::move(answer.channel));
  self->follows = follows;
  self->accept();
  if (!follows) co_return;
  co_await net::sleep_for(self->settings.succession);
  self->follows = false;
  if (!self->stopping) self->entrance.forget_predecessor();
}

net::Task<void> Worker::State::accept_successor(std::shared_ptr<State> self) {
  for (;;) {
    auto channel = co_await self->succession->accept(net::Deadline::never());
    if (!channel) co_return;
    if ((*channel)->peer().uid != ::geteuid()) continue;
    net::spawn(self->executor, answer(self, *std::move(channel)), "relay.successor");
  }
}

net::Task<void> Worker::State::answer(std::shared_ptr<State> self, net::StreamPtr channel) {
  std::array<std::uint8_t, 1> byte{};
  // Whoever has asked and gone was answered by nobody in time; what it left in the queue is no successor.
  if (!co_await net::read_exactly(*channel, byte, kSuccessionAnswer)) co_return;
  if (net::look_at_unread(*channel) == net::Unread::end || self->stopping) co_return;
  const bool takes_over = byte[0] == static_cast<std::uint8_t>(SuccessionWord::take_over);
  const bool may_have_it = takes_over && !self->follows && !self->has_successor;
  byte[0] = static_cast<std::uint8_t>(may_have_it ? SuccessionWord::leaving : SuccessionWord::busy);
  if (!may_have_it) {
    static_cast<void>(co_await channel->write_all(byte, kSuccessionAnswer));
    co_return;
  }
  self->has_successor = true;
  if (!std::exchange(self->leaving, true)) net::spawn(self->executor, leave(self), "relay.leave");
  if (co_await channel->write_all(byte, kSuccessionAnswer)) {
    co_await net::serve_hand_over(std::move(channel),
                                  [self](net::HandedOver given) { self->take_handed_over(std::move(given)); });
  }
  // One that has ended so soon has a successor of its own to come.
  self->has_successor = false;
}

net::Task<void> Worker::State::leave(std::shared_ptr<State> self) {
  log::info("relay.leaving", {{"devices", self->devices.size()}, {"joined", self->visits.joined()}});
  ::prctl(PR_SET_NAME, kLeavingName.data());  // for whoever looks at the processes
  self->stop_accepting();
  self->entrance.leave();
  self->resumption.stop_turning();
  constexpr std::size_t kAtOnce = kComeBackHandshakesPerSecond * kRound.count() / 1'000;
  const net::Deadline deadline(self->settings.leave_limit);
  // The one after this asks for so long, and what it asks about is answered.
  const net::Deadline asked(self->settings.succession);
  const auto is_needed = [&] {
    return self->devices.size() + self->visits.waiting() + self->visits.joined() +
                   self->entrance.unwrapped_for_devices() >
               0 ||
           !asked.passed();
  };
  while (!self->stopping && !deadline.passed() && is_needed()) {
    self->devices.send_away(kAtOnce);
    co_await net::sleep_for(kRound);
    // Whoever succeeds the successor has nothing to ask here.
    if (asked.passed() && self->succession) self->succession->close();
  }
  if (self->stopping) co_return;
  self->visits.leave();
  log::info("relay.left");
  self->left.set();
}

Worker::Worker(net::Executor executor, const Clock& clock, Random& random, Settings settings, Listeners listeners)
    : state_(std::make_shared<State>(executor, clock, random, std::move(settings), std::move(listeners))) {}

Worker::~Worker() {
  state_->stopping = true;
  state_->entrance.close();
  state_->visits.close();
  state_->devices.close();
  state_->reports.close();
  state_->stop_accepting();
  if (state_->succession) state_->succession->close();
}

void Worker::start() {
  const auto executor = state_->executor;
  const auto listen = [&](net::Descriptor& socket, std::unique_ptr<net::Listener>& listener) {
    if (!socket.is_open()) return;
    auto inherited = net::Listener::inherited(executor, std::move(socket));
    SALLYPORT_CHECK(inherited.has_value());
    listener = *std::move(inherited);
  };
  listen(state_->peers_socket, state_->peers);
  listen(state_->succession_socket, state_->succession);
  net::spawn(executor, State::keep_certificate(state_), "relay.certificate");
  net::spawn(executor, State::keep_rounds(state_), "relay.rounds");
  if (state_->settings.succeeds) return net::spawn(executor, State::succeed(state_), "relay.succeed");
  net::spawn(executor, State::accept_when_ready(state_), "relay.begin");
}

net::Task<void> Worker::until_left() {
  const auto state = state_;
  static_cast<void>(co_await state->left.wait(net::Deadline::never()));
}

net::Task<void> Worker::shut_down() {
  const auto state = state_;
  state->stopping = true;
  state->stop_accepting();
  if (state->succession) state->succession->close();
  state->entrance.close();
  co_await state->devices.send_all_away();
  // What ends here goes on there.
  if (state->leaving) state->visits.leave();
  state->visits.close();
  co_await state->reports.until_told(kLastWordsDeadline);
  state->devices.close();
  state->reports.close();
}

Counts Worker::counts() const {
  return {.strangers = state_->entrance.strangers(),
          .devices = state_->devices.size(),
          .ready = state_->visits.ready(),
          .waiting = state_->visits.waiting(),
          .joined = state_->visits.joined(),
          .unwrapped = state_->entrance.unwrapped(),
          .grants = state_->grants.size(),
          .snapshot = state_->link.snapshot().number(),
          .has_lease = state_->link.has_lease(),
          .has_certificate = state_->has_certificate,
          .is_leaving = state_->leaving};
}

}  // namespace sallyport::relay
