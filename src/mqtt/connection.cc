#include "mqtt/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "base/log.h"
#include "mqtt/detail/link.h"
#include "mqtt/detail/text.h"
#include "net/connect.h"
#include "net/run.h"
#include "net/task_group.h"

namespace sallyport::mqtt {
namespace {

constexpr std::size_t kReadAtOnce = 16 * 1024;
constexpr std::size_t kDrawnIdLength = 20;  // every 3.1.1 broker takes 23 letters and digits
// How much of what we owe the broker may wait before nothing more is read from it.
constexpr std::size_t kMaxOwed = 64 * 1024;

// A broker as it comes (mosquitto: set_tcp_nodelay false) holds a small packet back until the one before is
// acknowledged, which the kernel would put off by 40 ms: twice in every call. Good for what is on its way alone, so it
// is said again after each read.
void acknowledge_at_once(const net::Stream& stream) {
  const int yes = 1;
  static_cast<void>(::setsockopt(stream.native(), IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof yes));
}

Result<void> check_text(std::string_view what, std::string_view text, std::size_t most) {
  if (text.size() > most) return failf(Errc::malformed, "mqtt {}: {} bytes, want at most {}", what, text.size(), most);
  if (!is_plain_utf8(text)) return failf(Errc::malformed, "mqtt {}: not UTF-8, or a control character", what);
  return {};
}

Result<void> check_options(const ConnectionOptions& options) {
  if (options.broker.host.empty() || options.broker.port == 0) return fail(Errc::malformed, "mqtt broker: no address");
  if (options.tls && !options.tls->context) return fail(Errc::malformed, "mqtt tls: no context");
  TRY_VOID(check_text("client identifier", options.client_id, kMaxClientIdBytes));
  TRY_VOID(check_text("user name", options.user_name, kMaxUserNameBytes));
  if (options.password.size() > kMaxPasswordBytes)
    return failf(Errc::malformed, "mqtt password: {} bytes, want at most {}", options.password.size(),
                 kMaxPasswordBytes);
  if (options.user_name.empty() && !options.password.empty())
    return fail(Errc::malformed, "mqtt password: without a user name");
  if (!options.clean_session && options.client_id.empty())
    return fail(Errc::malformed, "mqtt session: one that is kept needs a client identifier");
  if (options.keep_alive < seconds(2) || options.keep_alive > seconds(65'535))
    return failf(Errc::malformed, "mqtt keep alive: {} s, want 2 to 65535", options.keep_alive.count());
  if (options.will && options.will->payload.size() > kMaxWillBytes)
    return failf(Errc::malformed, "mqtt will: {} bytes, want at most {}", options.will->payload.size(), kMaxWillBytes);
  if (options.limits.max_pending == 0 || options.limits.max_pending > 65'535)
    return failf(Errc::malformed, "mqtt max_pending: {}, want 1 to 65535", options.limits.max_pending);
  if (options.limits.max_packet < 128 || options.limits.max_packet > kMaxPacketBytes * 64)
    return failf(Errc::malformed, "mqtt max_packet: {}, want 128 to {}", options.limits.max_packet,
                 kMaxPacketBytes * 64);
  return {};
}

std::string draw_client_id(Random& random) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
  std::string out;
  for (std::size_t i = 0; i < kDrawnIdLength; ++i) out += kAlphabet[random.below(kAlphabet.size())];
  return out;
}

SecretBytes make_connect(const ConnectionOptions& options, Random& random) {
  ConnectPacket packet{.version = options.version,
                       .client_id = options.client_id.empty() ? draw_client_id(random) : options.client_id,
                       .clean_session = options.clean_session,
                       .keep_alive = options.keep_alive,
                       .user_name = options.user_name,
                       .password = options.password.clone(),
                       .will = options.will,
                       .max_packet = options.limits.max_packet,
                       .session_expiry = options.session_expiry};
  return encode_connect(packet);
}

net::Task<Result<void>> wait_for_answer(std::shared_ptr<Waiter> waiter, net::Deadline deadline) {
  static_cast<void>(co_await waiter->done.wait(deadline));
  if (waiter->result) co_return *waiter->result;
  co_return fail(Errc::expired, "the broker does not answer in time");
}

net::Task<void> write_output(std::shared_ptr<Link> link, milliseconds limit) {
  while (!link->why) {
    static_cast<void>(co_await link->output.wait(net::Deadline::never()));
    link->output.clear();
    while (link->session.has_output() && !link->why) {
      const Bytes packets = link->session.take_output();
      link->session.set_writing(packets.size());
      auto written = co_await link->stream->write_all(packets, limit);
      link->session.set_writing(0);
      link->drained.set();
      if (!written) {
        const bool stuck = written.error().code == Errc::expired;
        link->cut(stuck ? Error{Errc::expired, "the broker takes nothing"} : std::move(written).error());
      }
    }
  }
}

net::Task<void> keep_alive(std::shared_ptr<Link> link, milliseconds half) {
  while (true) {
    auto over = co_await link->ended.wait(half);
    if (over || link->why) co_return;
    link->lasted = true;
    auto alive = link->session.on_tick();
    if (!alive) link->cut(std::move(alive).error());
    if (link->session.has_output()) link->output.set();
  }
}

net::Task<Result<void>> wait_until_written(std::shared_ptr<Link> link, std::size_t most, net::Deadline deadline) {
  while (link->session.unsent() > most && !link->why) {
    link->drained.clear();
    CO_TRY_VOID(co_await link->drained.wait(deadline));
  }
  co_return Result<void>{};
}

}  // namespace

struct Connection::State : std::enable_shared_from_this<Connection::State> {
  State(net::Executor on, Random& source, ConnectionOptions chosen, ConnectionHandlers told)
      : executor(on),
        random(&source),
        options(std::move(chosen)),
        handlers(std::make_shared<const ConnectionHandlers>(std::move(told))),
        tasks(on),
        connected(on) {}

  bool is_connected() const { return link && link->session.is_accepted(); }
  Result<void> check_connected() const {
    if (is_connected()) return {};
    return fail(Errc::unavailable, "no connection to the broker");
  }

  // Calls a handler, which may end us: the caller looks at `closed` afterwards.
  template <class Handler, class... Args>
  void tell(Handler ConnectionHandlers::* which, const Args&... args) {
    const auto kept = handlers;
    if (kept && kept.get()->*which) (kept.get()->*which)(args...);
  }

  Result<std::shared_ptr<Waiter>> request_subscription(const TopicFilter& filter) {
    TRY_VOID(check_connected());
    TRY(const auto id, link->session.subscribe(filter));
    auto waiter = std::make_shared<Waiter>(executor);
    link->awaited.insert_or_assign(id, Awaited{.waiter = waiter, .filter = filter});
    link->output.set();
    return waiter;
  }
  Result<void> remember(const TopicFilter& filter) {
    if (std::ranges::find(subscriptions, filter) != subscriptions.end()) return {};
    if (subscriptions.size() >= kMaxSubscriptions)
      return failf(Errc::overloaded, "mqtt: {} subscriptions, want at most that many", kMaxSubscriptions);
    subscriptions.push_back(filter);
    return {};
  }

  void on_accepted(const Accepted& accepted) {
    const seconds told = accepted.keep_alive.value_or(options.keep_alive);
    const milliseconds whole = told.count() > 0 ? told : options.keep_alive;
    tasks.spawn(keep_alive(link, whole / 2), "mqtt.keep_alive");
    connected.set();
    const auto wanted = subscriptions;
    tell(&ConnectionHandlers::on_connected, accepted.session_present);
    for (const auto& filter : wanted) {
      if (!is_connected()) return;
      const auto asked = request_subscription(filter);
      if (!asked) tell(&ConnectionHandlers::on_subscribed, filter, Result<void>(std::unexpected(asked.error())));
    }
  }
  void on_answered(const Answered& answered) {
    const auto who = link->answer(answered.id, answered.result);
    if (who && who->filter) tell(&ConnectionHandlers::on_subscribed, *who->filter, answered.result);
    if (!who && !answered.result) log::debug("mqtt.refused", {{"error", answered.result.error()}});
  }
  void deliver(const std::shared_ptr<Link>& from, std::vector<SessionEvent>& events) {
    for (auto& event : events) {
      if (closed || link != from) return;
      if (const auto* accepted = std::get_if<Accepted>(&event)) on_accepted(*accepted);
      if (const auto* answered = std::get_if<Answered>(&event)) on_answered(*answered);
      if (auto* message = std::get_if<Message>(&event)) {
        const auto kept = handlers;
        if (kept && kept->on_message) kept->on_message(std::move(*message));
      }
    }
  }

  // The connection is over, whoever says so.
  void end_link(const std::shared_ptr<Link>& over, const Error& reason) {
    over->cut(reason);
    if (link == over) {
      dropped += over->session.dropped();
      link.reset();
      connected.clear();
    }
    const Result<void> lost = failf(Errc::unavailable, "the connection to the broker ended: {}", reason.detail);
    const auto waiting = std::exchange(over->awaited, {});
    for (const auto& [id, awaited] : waiting) {
      if (!awaited.waiter) continue;
      awaited.waiter->result = lost;
      awaited.waiter->done.set();
    }
  }
  void close() {
    if (closed) return;
    closed = true;
    handlers.reset();
    if (link) end_link(std::shared_ptr(link), Error{Errc::unavailable, "closed by us"});
    connected.set();  // wakes who waits for it
    tasks.end();
  }

  static net::Task<void> keep_connected(std::shared_ptr<State> state);
  static net::Task<Error> connect_once(std::shared_ptr<State> state, bool& lasted);
  static net::Task<Result<std::shared_ptr<Link>>> dial(std::shared_ptr<State> state, net::Deadline limit);
  static net::Task<Error> read_input(std::shared_ptr<State> state, std::shared_ptr<Link> link, net::Deadline limit);
  static net::Task<Result<void>> subscribe(std::shared_ptr<State> state, TopicFilter filter, net::Deadline deadline);
  static net::Task<Result<void>> unsubscribe(std::shared_ptr<State> state, TopicFilter filter, net::Deadline deadline);
  static net::Task<Result<void>> publish(std::shared_ptr<State> state, Topic topic, Bytes payload,
                                         PublishOptions options, net::Deadline deadline);
  static net::Task<Result<void>> until_connected(std::shared_ptr<State> state, net::Deadline deadline);
  static net::Task<void> disconnect(std::shared_ptr<State> state);

  net::Executor executor;
  Random* random;
  ConnectionOptions options;
  std::shared_ptr<const ConnectionHandlers> handlers;  // gone when closed
  net::TaskGroup tasks;
  net::Event connected;
  std::vector<TopicFilter> subscriptions;
  std::shared_ptr<Link> link;
  bool closed = false;
  std::uint64_t dropped = 0;  // by links that are gone
};

net::Task<void> Connection::State::keep_connected(std::shared_ptr<State> state) {
  co_await net::yield();  // the owner shall have its connection before a handler is called
  milliseconds bound = state->options.first_retry;
  while (!state->closed) {
    bool lasted = false;
    const Error why = co_await connect_once(state, lasted);
    if (state->closed) co_return;
    log::debug("mqtt.disconnected", {{"broker", net::to_string(state->options.broker)}, {"error", why}});
    state->tell(&ConnectionHandlers::on_disconnected, why);
    if (state->closed) co_return;  // whose random this is may be gone by now
    if (lasted) bound = state->options.first_retry;
    const auto pause = state->random->below(static_cast<std::uint64_t>(std::max<std::int64_t>(0, bound.count())) + 1);
    bound = std::min(bound * 2, state->options.longest_retry);
    co_await net::sleep_for(milliseconds(pause));
  }
}

net::Task<Result<std::shared_ptr<Link>>> Connection::State::dial(std::shared_ptr<State> state, net::Deadline limit) {
  const SecretBytes connect = make_connect(state->options, *state->random);
  CO_TRY(auto stream, co_await net::connect_tcp(state->options.broker, limit));
  if (state->options.tls) {
    const auto& tls = *state->options.tls;
    const std::string name = net::is_ip(tls.server_name) ? std::string() : tls.server_name;
    auto secured = co_await net::tls_connect(std::move(stream), tls.context, name, limit);
    if (!secured) co_return std::unexpected(std::move(secured).error());
    stream = *std::move(secured);
  }
  auto link = std::make_shared<Link>(std::move(stream), state->options.version, state->options.limits);
  CO_TRY_VOID(co_await link->stream->write_all(connect.expose(), limit));
  co_return link;
}

net::Task<Error> Connection::State::connect_once(std::shared_ptr<State> state, bool& lasted) {
  const net::Deadline limit(state->options.connect_limit);
  auto link = co_await dial(state, limit);
  if (!link) co_return std::move(link).error().at("mqtt broker");
  if (state->closed) co_return Error{Errc::unavailable, "closed by us"};
  state->link = *link;
  state->tasks.spawn(write_output(*link, state->options.write_limit), "mqtt.write");
  const Error found = co_await read_input(state, *link, limit);
  // What the writer or the ticker saw first explains what the reader sees.
  const Error why = (*link)->why.value_or(found);
  lasted = (*link)->lasted;
  state->end_link(*link, why);
  co_return why;
}

net::Task<Error> Connection::State::read_input(std::shared_ptr<State> state, std::shared_ptr<Link> link,
                                               net::Deadline limit) {
  Bytes buffer(kReadAtOnce);
  std::vector<SessionEvent> events;
  while (true) {
    const bool accepted = link->session.is_accepted();
    const auto deadline = accepted ? net::Deadline::never() : limit;
    auto got = co_await link->stream->read_some(buffer, deadline);
    if (got) acknowledge_at_once(*link->stream);
    if (!got && got.error().code == Errc::expired) co_return Error{Errc::expired, "the broker does not answer CONNECT"};
    if (!got) co_return std::move(got).error();
    if (*got == 0)
      co_return Error{Errc::unavailable, accepted ? "the broker closed the connection"
                                                  : "the broker closed the connection before CONNACK"};
    auto taken = link->session.on_bytes(ByteView(buffer).first(*got), events);
    state->deliver(link, events);
    events.clear();
    if (!taken) co_return std::move(taken).error();
    if (state->closed) co_return Error{Errc::unavailable, "closed by us"};
    if (!link->session.has_output()) continue;
    link->output.set();
    auto written =
        co_await wait_until_written(link, kMaxOwed + state->options.limits.max_unsent, net::Deadline::never());
    if (!written) co_return std::move(written).error();
  }
}

net::Task<Result<void>> Connection::State::subscribe(std::shared_ptr<State> state, TopicFilter filter,
                                                     net::Deadline deadline) {
  CO_TRY_VOID(state->remember(filter));
  CO_TRY(auto waiter, state->request_subscription(filter));
  co_return co_await wait_for_answer(std::move(waiter), deadline);
}

net::Task<Result<void>> Connection::State::unsubscribe(std::shared_ptr<State> state, TopicFilter filter,
                                                       net::Deadline deadline) {
  std::erase(state->subscriptions, filter);
  CO_TRY_VOID(state->check_connected());
  auto link = state->link;
  CO_TRY(const auto id, link->session.unsubscribe(filter));
  auto waiter = std::make_shared<Waiter>(state->executor);
  Awaited awaited{.waiter = waiter, .filter = {}};
  link->awaited.insert_or_assign(id, std::move(awaited));
  link->output.set();
  co_return co_await wait_for_answer(std::move(waiter), deadline);
}

net::Task<Result<void>> Connection::State::publish(std::shared_ptr<State> state, Topic topic, Bytes payload,
                                                   PublishOptions options, net::Deadline deadline) {
  CO_TRY_VOID(state->check_connected());
  auto link = state->link;
  CO_TRY(const auto id, link->session.publish(topic, payload, options));
  link->output.set();
  if (options.qos == Qos::at_most_once) co_return Result<void>{};
  Bytes().swap(payload);
  auto waiter = std::make_shared<Waiter>(state->executor);
  Awaited awaited{.waiter = waiter, .filter = {}};
  link->awaited.insert_or_assign(id, std::move(awaited));
  co_return co_await wait_for_answer(std::move(waiter), deadline);
}

net::Task<Result<void>> Connection::State::until_connected(std::shared_ptr<State> state, net::Deadline deadline) {
  while (!state->closed && !state->is_connected()) {
    CO_TRY_VOID(co_await state->connected.wait(deadline));
  }
  if (state->closed) co_return fail(Errc::unavailable, "the connection to the broker was closed");
  co_return Result<void>{};
}

net::Task<void> Connection::State::disconnect(std::shared_ptr<State> state) {
  state->handlers.reset();
  if (state->is_connected()) {
    auto link = state->link;
    link->session.disconnect();
    link->output.set();
    static_cast<void>(co_await wait_until_written(link, 0, kGoodbyeLimit));
  }
  state->close();
  co_await state->tasks.stop();
}

Result<std::unique_ptr<Connection>> Connection::open(net::Executor executor, Random& random, ConnectionOptions options,
                                                     ConnectionHandlers handlers) {
  TRY_VOID(check_options(options));
  auto state = std::make_shared<State>(executor, random, std::move(options), std::move(handlers));
  state->tasks.spawn(State::keep_connected(state), "mqtt.connection");
  return std::unique_ptr<Connection>(new Connection(std::move(state)));
}

Connection::~Connection() {
  close();
}

net::Task<Result<void>> Connection::subscribe(TopicFilter filter, net::Deadline deadline) {
  return State::subscribe(state_, std::move(filter), deadline);
}

Result<void> Connection::keep_subscribed(const TopicFilter& filter) {
  TRY_VOID(state_->remember(filter));
  if (!state_->is_connected()) return {};
  TRY_VOID(state_->request_subscription(filter));
  return {};
}

net::Task<Result<void>> Connection::unsubscribe(TopicFilter filter, net::Deadline deadline) {
  return State::unsubscribe(state_, std::move(filter), deadline);
}

net::Task<Result<void>> Connection::publish(Topic topic, Bytes payload, PublishOptions options,
                                            net::Deadline deadline) {
  return State::publish(state_, std::move(topic), std::move(payload), options, deadline);
}

Result<void> Connection::post(const Topic& topic, ByteView payload, const PublishOptions& options) {
  TRY_VOID(state_->check_connected());
  TRY_VOID(state_->link->session.publish(topic, payload, options));
  state_->link->output.set();
  return {};
}

net::Task<Result<void>> Connection::until_connected(net::Deadline deadline) {
  return State::until_connected(state_, deadline);
}

bool Connection::is_connected() const {
  return state_->is_connected();
}

std::uint64_t Connection::dropped() const {
  return state_->dropped + (state_->link ? state_->link->session.dropped() : 0);
}

void Connection::close() {
  state_->close();
}

net::Task<void> Connection::disconnect() {
  return State::disconnect(state_);
}

}  // namespace sallyport::mqtt
