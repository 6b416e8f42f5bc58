#include "sealed/caller.h"

#include <algorithm>

#include "sealed/detail/caller_state.h"

namespace sallyport::sealed {
namespace {

constexpr int kMostDoublings = 3;
// What a body has before its text: kind, call id, deadline.
constexpr std::size_t kCallHead = 21;
// How long the current session is used on when no new one could be opened in its place.
constexpr seconds kRenewalGrace{270};

template <class Duration>
seconds rounded_up(Duration duration) {
  return std::chrono::ceil<seconds>(duration);
}

}  // namespace

Caller::State::State(NodeName node, TopicPrefix prefix, Credential credential, Random& random,
                     const CallerLimits& limits)
    : node_(std::move(node)),
      prefix_(std::move(prefix)),
      credential_(std::move(credential)),
      random_(random),
      limits_(limits),
      topic_(request_topic(prefix_, node_)),
      context_(topic_, node_) {}

Caller::State::Actions Caller::State::start(Call call, milliseconds timeout, Now now) {
  Actions out;
  const auto refuse = [&](Errc code, std::string_view reason) {
    out.emplace_back(Answer{.id = call.id, .reply = fail(code, "rpc call: " + std::string(reason))});
  };
  if (calls_.size() >= limits_.pending) {
    refuse(Errc::overloaded, "too many that wait for an answer");
  } else if (calls_.contains(call.id)) {
    refuse(Errc::conflict, "its id is that of one under way");
  } else if (call.json.size() + kCallHead + kDataBytes > kMaxMessageBytes) {
    refuse(Errc::malformed, "longer than a message");
  } else if (!connected_ && call.options.fail_on_disconnect) {
    refuse(Errc::unavailable, "not connected");
  } else if (call.is_stored() && !knows_time()) {
    refuse(Errc::not_yet,
           "cannot be stored without a clock, since its deadline is part of it; any other call of the "
           "node tells the time");
  } else {
    call.ends = now.monotonic + timeout;
    const Call& added = calls_.add(std::move(call));
    if (added.is_stored() && connected_) start_stored(added.id, out);
    pump(out, now);
  }
  return out;
}

bool Caller::State::knows_time() const {
  return (clock_known_ && !trust_node_clock_) || node_clock_.has_value();
}

std::optional<UnixTime> Caller::State::deadline_of(const Call& call, Now now) const {
  if (call.deadline) return call.deadline;
  if (clock_known_ && !trust_node_clock_) return now.civil + rounded_up(call.ends - now.monotonic);
  if (!node_clock_) return std::nullopt;
  return node_clock_->time + rounded_up(call.ends - node_clock_->at);
}

bool Caller::State::is_usable(const Session& session, Now now) const {
  return session.is_subscribed && !session.until && session.session.requests() + kWindow < kMaxSessionRequests &&
         now.monotonic < session.opened + limits_.session_life + kRenewalGrace;
}

bool Caller::State::is_due_for_renewal(const Session& session, Now now) const {
  return session.session.requests() >= limits_.session_requests ||
         now.monotonic >= session.opened + limits_.session_life || session.is_silent;
}

Caller::State::Session* Caller::State::current(Now now) {
  if (sessions_.empty() || !is_usable(*sessions_.back(), now)) return nullptr;
  return sessions_.back().get();
}

void Caller::State::pump(Actions& out, Now now) {
  if (!connected_ || calls_.waiting().empty()) return;
  Session* const session = current(now);
  const bool resubscribing = !sessions_.empty() && !sessions_.back()->is_subscribed;
  if (session == nullptr) {
    if (!resubscribing) ensure_handshake(out, now);
    return;
  }
  if (is_due_for_renewal(*session, now)) ensure_handshake(out, now);
  const std::size_t most = std::min<std::size_t>(limits_.in_flight, kWindow - 1);
  while (!calls_.waiting().empty() && calls_.in_flight() < most) {
    Call& call = *calls_.waiting().begin()->second;
    if (call.kind != RequestKind::ask_result && !deadline_of(call, now)) {
      ensure_handshake(out, now);
      return;
    }
    send(*session, call, out, now);
  }
}

Caller::State::Call* Caller::State::left_behind(Session& session) {
  const std::uint64_t next = session.session.requests();
  const auto sent = next < kWindow ? session.sent.end() : session.sent.find(next - kWindow);
  if (sent == session.sent.end()) return nullptr;
  Call& call = calls_.at(sent->second.id);
  const bool is_newest = call.last_session == session.number && call.last_request == sent->first;
  unawait(session, sent->first);
  return is_newest ? &call : nullptr;
}

// Before request n is sent, the call of n - 64 is sent again if it is still awaited (§5). Fewer than 64 calls are under
// way, so this ends.
void Caller::State::send(Session& session, Call& call, Actions& out, Now now) {
  for (std::uint32_t i = 0; i < kWindow; ++i) {
    Call* const again = left_behind(session);
    if (again == nullptr || again == &call) break;
    emit(session, *again, out, now);
  }
  emit(session, call, out, now);
}

void Caller::State::emit(Session& session, Call& call, Actions& out, Now now) {
  if (call.kind != RequestKind::ask_result) call.deadline = deadline_of(call, now);
  RequestBody body;
  body.kind = call.kind;
  body.id = call.id;
  if (call.deadline) body.deadline = UnixTime(clamp_time(*call.deadline));
  body.json = call.json;
  Bytes plaintext = encode_request_body(body);
  Bytes message(plaintext.size() + kDataBytes);
  const std::uint64_t request = session.session.requests();
  session.session.seal(context_, plaintext, message);
  wipe(plaintext);
  session.sent.emplace(request, Sent{.id = call.id, .tail = tail_of(message)});
  await(session, request, 0, ReplyTags::kMost);
  if (calls_.end_wait(call)) call.next_resend = now.monotonic + wait_before(call.resends);
  call.last_sent = now.monotonic;
  call.last_session = session.number;
  call.last_request = request;
  ++call.unanswered;
  out.emplace_back(Publish{.topic = topic_, .payload = std::move(message)});
}

milliseconds Caller::State::wait_before(int tries) const {
  return limits_.resend * (1 << std::min(tries, kMostDoublings));
}

void Caller::State::forget_sent(const CallId& id) {
  for (const auto& session : sessions_) {
    std::vector<std::uint64_t> requests;
    for (const auto& [request, sent] : session->sent) {
      if (sent.id == id) requests.push_back(request);
    }
    for (const std::uint64_t request : requests) unawait(*session, request);
  }
  for (const auto& handshake : handshakes_) {
    if (handshake->rider == id && !handshake->is_stored) handshake->rider.reset();
  }
}

// A stored call's own handshake goes with it: it would be sent again at each connect.
void Caller::State::drop_stored(const CallId& id, Actions& out) {
  for (std::size_t i = 0; i < handshakes_.size();) {
    if (handshakes_[i]->is_stored && handshakes_[i]->rider == id) {
      drop_handshake(i, out);
    } else {
      ++i;
    }
  }
}

void Caller::State::end_call(CallId id, Result<ReplyBody> reply, Actions& out) {
  // Where every sending was answered, none is awaited.
  if (calls_.at(id).unanswered > 0) forget_sent(id);
  drop_stored(id, out);
  calls_.erase(id);
  out.emplace_back(Answer{.id = id, .reply = std::move(reply)});
}

void Caller::State::resend(Call& call, Actions& out, Now now) {
  Session* const session = current(now);
  const std::size_t waits = static_cast<std::size_t>(std::min(++call.resends, kMostDoublings));
  call.next_resend = now.monotonic + wait_before(static_cast<int>(waits));
  if (session == nullptr) {
    calls_.make_wait(call);
    return;
  }
  call.misses = call.last_sent >= session->last_heard ? call.misses + 1 : 0;
  session->is_silent = session->is_silent || call.misses > limits_.misses_before_new_session;
  if (session->is_silent) ensure_handshake(out, now);
  ++counts_.resent;
  send(*session, call, out, now);
}

void Caller::State::tick_calls(Actions& out, Now now) {
  std::vector<CallId> over;
  std::vector<CallId> silent;
  for (const auto& [id, call] : calls_.all()) {
    if (now.monotonic >= call.ends) {
      over.push_back(id);
    } else if (!calls_.is_waiting(call) && !call.is_stored() && now.monotonic >= call.next_resend) {
      silent.push_back(id);
    }
  }
  for (const CallId& id : over) end_call(id, fail(Errc::expired, "rpc call: no answer before its deadline"), out);
  if (!connected_) return;
  for (const CallId& id : silent) resend(calls_.at(id), out, now);
}

Caller::Caller(NodeName node, TopicPrefix prefix, Credential credential, Random& random, CallerLimits limits)
    : state_(std::make_unique<State>(std::move(node), std::move(prefix), std::move(credential), random, limits)) {}
Caller::~Caller() = default;
Caller::Caller(Caller&&) noexcept = default;
Caller& Caller::operator=(Caller&&) noexcept = default;

std::vector<CallerAction> Caller::call(CallId id, std::string json, milliseconds timeout, CallOptions options,
                                       Now now) {
  State::Call call;
  call.id = id;
  call.kind = options.stored ? RequestKind::stored_call : RequestKind::call;
  call.json = std::move(json);
  call.options = options;
  return state_->start(std::move(call), timeout, now);
}

std::vector<CallerAction> Caller::ask_result(CallId id, milliseconds timeout, Now now) {
  State::Call call;
  call.id = id;
  call.kind = RequestKind::ask_result;
  return state_->start(std::move(call), timeout, now);
}

void Caller::forget(const CallId& id) {
  state_->forget_sent(id);
  // Its inbox stays subscribed to until the connection ends; nobody listens there any more.
  State::Actions unheard;
  state_->drop_stored(id, unheard);
  state_->calls_.erase(id);
}

void Caller::set_clock(bool known) {
  state_->clock_known_ = known;
}

void Caller::set_credential(Credential credential) {
  State& state = *state_;
  state.credential_ = std::move(credential);
  // What was begun with the old one has its inbox, and would be answered elsewhere.
  std::erase_if(state.handshakes_, [&](const auto& handshake) {
    if (handshake->was_sent()) return false;
    state.stale_topics_.push_back(handshake->topic);
    return true;
  });
}

std::vector<CallerAction> Caller::on_subscribed(const std::string& topic, Now now) {
  State::Actions out;
  for (const auto& session : state_->sessions_) {
    if (session->topic == topic) session->is_subscribed = true;
  }
  for (const auto& handshake : state_->handshakes_) {
    if (handshake->topic != topic) continue;
    state_->send_handshake(*handshake, out, now);
    break;
  }
  state_->pump(out, now);
  return out;
}

std::vector<CallerAction> Caller::on_message(const std::string& topic, ByteView message, bool retained, Now now) {
  State::Actions out;
  if (!retained && !message.empty() && message.size() <= kMaxMessageBytes) {
    if (message[0] == static_cast<std::uint8_t>(MessageType::accept)) {
      state_->on_accept(topic, message, out, now);
      return out;
    }
    if (message[0] == static_cast<std::uint8_t>(MessageType::reply)) {
      state_->on_reply(topic, message, out, now);
      return out;
    }
  }
  ++state_->counts_.dropped;
  return out;
}

std::vector<CallerAction> Caller::on_disconnected(Now /*now*/) {
  State::Actions out;
  State& state = *state_;
  state.connected_ = false;
  state.stale_topics_.clear();
  state.awaited_.clear();
  for (const auto& session : state.sessions_) {
    session->sent.clear();
    session->is_subscribed = false;
  }
  std::erase_if(state.handshakes_, [](const auto& handshake) { return !handshake->is_stored; });
  std::vector<CallId> failed;
  for (auto& [id, call] : state.calls_.all()) {
    state.calls_.make_wait(call);
    if (call.options.fail_on_disconnect) failed.push_back(id);
  }
  for (const CallId& id : failed) state.end_call(id, fail(Errc::unavailable, "rpc call: the connection is lost"), out);
  return out;
}

std::vector<CallerAction> Caller::on_connected(Now now) {
  State::Actions out;
  state_->connected_ = true;
  for (const auto& session : state_->sessions_) out.emplace_back(Subscribe{.topic = session->topic});
  for (const auto& handshake : state_->handshakes_) out.emplace_back(Subscribe{.topic = handshake->topic});
  state_->restart_stored(out);
  state_->pump(out, now);
  return out;
}

std::vector<CallerAction> Caller::on_tick(Now now) {
  State::Actions out;
  for (std::string& topic : std::exchange(state_->stale_topics_, {}))
    out.emplace_back(Unsubscribe{.topic = std::move(topic)});
  state_->tick_sessions(out, now);
  state_->tick_calls(out, now);
  state_->tick_handshakes(out, now);
  state_->restart_stored(out);
  state_->pump(out, now);
  return out;
}

std::size_t Caller::pending() const {
  return state_->calls_.size();
}

const CallerCounts& Caller::counts() const {
  return state_->counts_;
}

}  // namespace sallyport::sealed
