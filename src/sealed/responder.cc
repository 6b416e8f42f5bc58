#include "sealed/responder.h"

#include <algorithm>

#include "sealed/detail/responder_state.h"
#include "sealed/json_rpc.h"

namespace sallyport::sealed {
namespace {

constexpr seconds kTryAgainAfter{1};

ReplyBody answer_of(ReplyStatus status) {
  ReplyBody out;
  out.status = status;
  return out;
}

ReplyBody answer_at(ReplyStatus status, UnixTime now) {
  ReplyBody out;
  out.status = status;
  out.node_time = UnixTime(clamp_time(now));
  return out;
}

ReplyBody overloaded_answer() {
  ReplyBody out;
  out.status = ReplyStatus::overloaded;
  out.after = kTryAgainAfter;
  return out;
}

// What INIT asks comes before all that DATA asks in its session.
bool is_later(const ReplyTo& a, const ReplyTo& b) {
  return a.generation != b.generation ? a.generation > b.generation : a.request + 1 > b.request + 1;
}

// Status, and what an ACCEPT adds, in which the answer may be repeated.
bool fits_message(std::string_view json) {
  return json.size() + 1 + kAcceptBytes <= kMaxMessageBytes;
}

}  // namespace

Responder::State::State(NodeName node, TopicPrefix prefix, Random& random, UnixTime started,
                        const ResponderLimits& limits)
    : node_(std::move(node)),
      prefix_(std::move(prefix)),
      random_(random),
      limits_(limits),
      topic_(request_topic(prefix_, node_)),
      context_(topic_, node_),
      seen_(limits.seen_handshakes, started, limits.clock_window),
      sessions_(limits),
      results_(limits, random, [this](const ReplyTo& to) {
        const SessionTable::Open* const open = sessions_.find(to);
        // In a session that is gone nothing more is asked; its caller may yet ask in another.
        if (open == nullptr || !open->session) return true;
        const std::uint64_t begun = to.request == kInitRequest ? 0 : to.request + 1;
        return open->session->next() <= begun + kWindow;
      }) {}

Responder::State::Actions Responder::State::on_data(ByteView message, UnixTime now) {
  if (message.size() < kDataBytes) {
    ++counts_.dropped_malformed;
    return {};
  }
  SessionTable::Found found = sessions_.find(read_tag(message), now);
  if (found.open == nullptr) {
    ++counts_.dropped_unknown;
    return {};
  }
  Bytes plaintext(message.size() - kDataBytes);
  if (!found.open->session->open(context_, static_cast<std::uint32_t>(found.to.request), message, plaintext)) {
    ++counts_.dropped_forged;
    return {};
  }
  ++counts_.requests;
  sessions_.touch(*found.open);
  found.to.tail = tail_of(message);
  auto body = parse_request_body(plaintext);
  wipe(plaintext);
  if (!body) {
    ++counts_.dropped_malformed;
    return {};
  }
  Decision decision = decide(found.open->principal, found.to, *std::move(body), {}, now);
  Actions out;
  if (decision.answer) out = reply(found.to, *decision.answer);
  if (decision.action) out.push_back(*std::move(decision.action));
  return out;
}

Responder::State::Decision Responder::State::decide(const Principal& principal, const ReplyTo& to, RequestBody body,
                                                    Carriage carriage, UnixTime now) {
  switch (body.kind) {
    case RequestKind::nothing:
      return {.answer = carriage.is_fresh ? answer_of(ReplyStatus::done) : answer_at(ReplyStatus::retry, now)};
    case RequestKind::call:
    case RequestKind::stored_call:
      return decide_call(principal, to, std::move(body), carriage, now);
    case RequestKind::ask_result:
      break;
  }
  const auto execution = results_.start_question(principal, to);
  if (!execution) {
    ++counts_.overloaded;
    return {.answer = overloaded_answer()};
  }
  return {.action = AskResult{.execution = *execution, .principal = principal, .id = body.id}};
}

Responder::State::Decision Responder::State::repeat(const Results::Found& found, const ReplyTo& to) {
  ++counts_.repeated;
  if (found.known == Results::Known::spent) return {.answer = answer_of(ReplyStatus::outcome_unknown)};
  // A request that the broker held back does not take the answer from a later one.
  if (is_later(to, found.record->to)) {
    found.record->to = to;
    // A REPLY that says that it runs is a chunk of its own; ACCEPT is none.
    if (to.request != kInitRequest) ++found.record->to.chunk;
  }
  if (found.record->answer) return {.answer = *found.record->answer};
  return {.answer = answer_of(ReplyStatus::progress)};
}

bool Responder::State::is_in_time(const RequestBody& body, UnixTime now) const {
  if (now > body.deadline) return false;
  if (body.kind == RequestKind::stored_call) return body.deadline <= now + limits_.stored_deadline;
  return body.deadline <= now + limits_.deadline && results_.is_after_forgotten(body.deadline);
}

Responder::State::Decision Responder::State::decide_call(const Principal& principal, const ReplyTo& to,
                                                         RequestBody body, Carriage carriage, UnixTime now) {
  const Results::Found known = results_.find(principal, body.id);
  if (known.known != Results::Known::unknown) return repeat(known, to);
  if (!is_in_time(body, now)) {
    ++counts_.expired;
    return {.answer = answer_at(ReplyStatus::expired, now)};
  }
  const bool stored = body.kind == RequestKind::stored_call;
  if (carriage.by_handshake && !stored) {
    const bool may_ride = carriage.is_fresh && is_idempotent_ && is_idempotent_(body.json);
    if (!may_ride) {
      ++counts_.retried;
      return {.answer = answer_at(ReplyStatus::retry, now)};
    }
  }
  CallRecord* const record = results_.start(principal, body.id, body.deadline, stored, to);
  if (record == nullptr) {
    ++counts_.overloaded;
    return {.answer = overloaded_answer()};
  }
  ++counts_.executed;
  return {.action = Execute{.execution = record->execution,
                            .principal = principal,
                            .id = body.id,
                            .deadline = body.deadline,
                            .stored = stored,
                            .json = std::move(body.json)}};
}

Responder::State::Actions Responder::State::reply(ReplyTo& to, const ReplyBody& body) {
  SessionTable::Open* const open = sessions_.find(to);
  if (open == nullptr || !open->session) return {};
  Bytes plaintext = encode_reply_body(body);
  Publish publish{.topic = open->inbox_topic,
                  .payload = open->session->seal_reply(context_, to.request, to.chunk++, to.tail, plaintext)};
  wipe(plaintext);
  Actions out;
  out.emplace_back(std::move(publish));
  return out;
}

Responder::Responder(NodeName node, TopicPrefix prefix, Random& random, UnixTime started, ResponderLimits limits)
    : state_(std::make_unique<State>(std::move(node), std::move(prefix), random, started, limits)) {}
Responder::~Responder() = default;
Responder::Responder(Responder&&) noexcept = default;
Responder& Responder::operator=(Responder&&) noexcept = default;

void Responder::set_idempotent(IsIdempotent is_idempotent) {
  state_->is_idempotent_ = std::move(is_idempotent);
}

void Responder::set_judge(JudgeCertificate judge) {
  state_->judge_ = std::move(judge);
}

void Responder::add_key(const KeyId& id, NodeKey key) {
  state_->keys_.add(id, std::move(key));
}

void Responder::remove_key(const KeyId& id) {
  state_->keys_.remove(id);
  end_sessions(key_principal(id));
}

void Responder::end_sessions(const Principal& principal) {
  state_->sessions_.close_of(principal);
}

std::optional<Bundle> Responder::renew_prekey(UnixTime now, std::uint64_t sequence) {
  return state_->prekeys_.renew(state_->node_, now, sequence, state_->random_);
}

const std::string& Responder::topic() const {
  return state_->topic_;
}

std::vector<ResponderAction> Responder::on_message(ByteView message, bool retained, UnixTime now) {
  State& state = *state_;
  if (retained) {
    ++state.counts_.dropped_retained;
    return {};
  }
  state.results_.forget(now);
  if (!message.empty() && message.size() <= kMaxMessageBytes) {
    switch (static_cast<MessageType>(message[0])) {
      case MessageType::init:
        return state.on_init(message, now);
      case MessageType::init_cert:
        return state.on_init_cert(message, now);
      case MessageType::data:
        return state.on_data(message, now);
      case MessageType::accept:
      case MessageType::reply:
        break;
    }
  }
  ++state.counts_.dropped_malformed;
  return {};
}

std::vector<ResponderAction> Responder::finish(std::uint64_t execution, ReplyBody answer, UnixTime now) {
  ReplyTo* const running = state_->results_.running(execution);
  if (running == nullptr) return {};
  SALLYPORT_CHECK(is_final(answer.status));
  if (!fits_message(answer.json))
    answer.json = rpc_error(nullptr, RpcCode::too_large, "the answer is longer than a message").write();
  if (answer.status == ReplyStatus::expired) answer.node_time = UnixTime(clamp_time(now));
  ReplyTo to = *running;
  state_->results_.finish(execution, answer);
  return state_->reply(to, answer);
}

std::vector<ResponderAction> Responder::progress(std::uint64_t execution, std::string json, UnixTime /*now*/) {
  ReplyTo* const to = state_->results_.running(execution);
  if (to == nullptr || to->chunk + 1 >= state_->limits_.chunks || !fits_message(json)) return {};
  ReplyBody body;
  body.status = ReplyStatus::progress;
  body.json = std::move(json);
  return state_->reply(*to, body);
}

void Responder::on_tick(UnixTime now) {
  state_->results_.forget(now);
  state_->sessions_.close_old(now);
}

const ResponderCounts& Responder::counts() const {
  return state_->counts_;
}

std::size_t Responder::sessions() const {
  return state_->sessions_.size();
}

}  // namespace sallyport::sealed
