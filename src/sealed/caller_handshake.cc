// How a caller opens sessions (docs/protocol/sealed-rpc.md §4).
#include <algorithm>

#include "sealed/detail/caller_state.h"

namespace sallyport::sealed {
namespace {

// A node keeps four sessions of a caller that were opened and not used (§8).
constexpr std::size_t kMostHandshakes = 3;
// After so many without an answer the hint without a clock is used: ours may be wrong.
constexpr int kTriesByClock = 2;
constexpr std::size_t kMostChain = 65'535;
constexpr std::size_t kMostSignature = 255;

Bytes joined(const std::vector<Bytes>& chain) {
  Bytes out;
  for (const Bytes& certificate : chain) append(out, certificate);
  return out;
}

}  // namespace

Caller::State::Handshake* Caller::State::begin_handshake(Actions& out) {
  AgreementKey ephemeral = AgreementKey::generate(random_);
  Inbox inbox{};
  if (const auto* key = std::get_if<KeyCredential>(&credential_)) {
    inbox = derive_inbox(key->key.expose(), ephemeral.public_key());
  } else {
    const auto shared = ephemeral.agree(std::get<CertificateCredential>(credential_).bundle.prekey);
    if (!shared) return nullptr;
    inbox = derive_inbox(shared->expose(), ephemeral.public_key());
  }
  auto handshake = std::make_unique<Handshake>();
  handshake->number = ++numbers_;
  handshake->topic = reply_topic(prefix_, inbox);
  handshake->ephemeral = std::move(ephemeral);
  out.emplace_back(Subscribe{.topic = handshake->topic});
  handshakes_.push_back(std::move(handshake));
  return handshakes_.back().get();
}

void Caller::State::ensure_handshake(Actions& out, Now now) {
  if (!connected_ || std::ranges::any_of(handshakes_, [](const auto& one) { return one->is_in_turn(); })) return;
  handshake_tries_ = 0;
  if (begin_handshake(out) != nullptr) next_handshake_ = now.monotonic + wait_before(0);
}

void Caller::State::start_stored(const CallId& id, Actions& out) {
  Handshake* const handshake = begin_handshake(out);
  if (handshake == nullptr) return;
  handshake->is_stored = true;
  handshake->rider = id;
}

void Caller::State::restart_stored(Actions& out) {
  if (!connected_) return;
  for (const auto& [id, call] : calls_.all()) {
    if (!call.is_stored()) continue;
    const auto is_its = [&](const auto& entry) { return entry.second.id == id; };
    const bool is_under_way =
        std::ranges::any_of(handshakes_, [&](const auto& one) { return one->rider == id; }) ||
        std::ranges::any_of(sessions_, [&](const auto& one) { return std::ranges::any_of(one->sent, is_its); });
    if (!is_under_way) start_stored(id, out);
  }
}

UnixTime Caller::State::handshake_time(Now now) const {
  if (!clock_known_) return UnixTime(0);
  if (!trust_node_clock_) return now.civil;
  return node_clock_->time + std::chrono::floor<seconds>(now.monotonic - node_clock_->at);
}

Result<Bytes> Caller::State::make_init(Handshake& handshake, const KeyCredential& credential, ByteView body, Now now) {
  const UnixTime time = handshake_time(now);
  const bool timed = clock_known_ && !handshake.is_stored && handshake_tries_ < kTriesByClock;
  const Hint hint = timed ? hint_at(credential.key, time) : hint_without_clock(credential.key);
  handshake.noise.emplace(
      NoiseInitiator::nnpsk0(init_prologue(topic_, node_, hint), credential.key, *std::move(handshake.ephemeral)));
  Bytes message{static_cast<std::uint8_t>(MessageType::init)};
  append(message, hint);
  Bytes payload = encode_init_payload(time, body);
  append(message, handshake.noise->write(payload));
  wipe(payload);
  return message;
}

Result<Bytes> Caller::State::make_init_cert(Handshake& handshake, const CertificateCredential& credential,
                                            ByteView body, Now now) {
  const UnixTime time = handshake_time(now);
  const Bytes chain = joined(credential.chain);
  auto noise = NoiseInitiator::nk(init_cert_prologue(topic_, node_, credential.bundle.prekey_id),
                                  credential.bundle.prekey, *std::move(handshake.ephemeral));
  handshake.ephemeral.reset();
  if (!noise) return fail(Errc::unauthorized, "rpc caller: a prekey of small order");
  TRY(const auto signature, credential.key->sign(caller_signing_input(noise->hash(), time, chain)));
  if (chain.size() > kMostChain || signature.size() > kMostSignature)
    return fail(Errc::conflict, "rpc caller: chain or signature longer than INIT-CERT can carry");
  handshake.noise.emplace(*std::move(noise));
  Bytes message{static_cast<std::uint8_t>(MessageType::init_cert)};
  append(message, Writer().u32(credential.bundle.prekey_id).view());
  Bytes payload = encode_certified_payload(chain, signature, time, body);
  append(message, handshake.noise->write(payload));
  wipe(payload);
  return message;
}

Result<Bytes> Caller::State::make_message(Handshake& handshake, ByteView body, Now now) {
  if (const auto* key = std::get_if<KeyCredential>(&credential_)) return make_init(handshake, *key, body, now);
  return make_init_cert(handshake, std::get<CertificateCredential>(credential_), body, now);
}

// A call that may be executed on the strength of a handshake alone, and fits into it.
Caller::State::Call* Caller::State::find_rider(const Handshake& handshake, Now now) {
  if (handshake.is_stored) return handshake.rider ? calls_.find(*handshake.rider) : nullptr;
  if (!clock_known_) return nullptr;
  const auto* certified = std::get_if<CertificateCredential>(&credential_);
  const std::size_t room = kMaxMessageBytes / 2 - (certified == nullptr ? 0 : joined(certified->chain).size());
  const auto may_ride = [&](const auto& entry) {
    const Call& call = *entry.second;
    return call.options.idempotent && call.kind == RequestKind::call && call.json.size() <= room &&
           deadline_of(call, now);
  };
  const auto first = std::ranges::find_if(calls_.waiting(), may_ride);
  return first == calls_.waiting().end() ? nullptr : first->second;
}

void Caller::State::send_handshake(Handshake& handshake, Actions& out, Now now) {
  if (handshake.was_sent()) {
    // A stored call's, once more: the node takes the first that arrives.
    if (handshake.is_stored) out.emplace_back(Publish{.topic = topic_, .payload = handshake.message});
    return;
  }
  Call* const rider = find_rider(handshake, now);
  RequestBody body;
  if (rider != nullptr) {
    rider->deadline = deadline_of(*rider, now);
    body.kind = rider->kind;
    body.id = rider->id;
    body.deadline = UnixTime(clamp_time(rider->deadline.value_or(UnixTime(0))));
    body.json = rider->json;
  }
  Bytes plaintext = encode_request_body(body);
  auto message = make_message(handshake, plaintext, now);
  wipe(plaintext);
  const std::uint64_t number = handshake.number;
  if (!message) {
    std::erase_if(handshakes_, [&](const auto& one) { return one->number == number; });
    return;
  }
  handshake.tail = tail_of(*message);
  handshake.sent_at = now.monotonic;
  if (handshake.is_stored) handshake.message = *message;
  if (rider != nullptr) {
    handshake.rider = rider->id;
    calls_.end_wait(*rider);
    ++rider->unanswered;
    rider->next_resend = now.monotonic + wait_before(rider->resends) * 2;
  }
  out.emplace_back(Publish{.topic = topic_, .payload = *std::move(message)});
}

void Caller::State::drop_handshake(std::size_t index, Actions& out) {
  const auto rider = handshakes_[index]->rider;
  out.emplace_back(Unsubscribe{.topic = handshakes_[index]->topic});
  handshakes_.erase(handshakes_.begin() + static_cast<std::ptrdiff_t>(index));
  if (Call* const call = rider ? calls_.find(*rider) : nullptr) calls_.make_wait(*call);
}

void Caller::State::tick_handshakes(Actions& out, Now now) {
  const auto in_turn = [](const auto& one) { return one->is_in_turn(); };
  const auto first = std::ranges::find_if(handshakes_, in_turn);
  if (!connected_ || first == handshakes_.end() || now.monotonic < next_handshake_) return;
  if (std::ranges::all_of(calls_.all(), [](const auto& entry) { return entry.second.is_stored(); })) return;
  const auto count = static_cast<std::size_t>(std::ranges::count_if(handshakes_, in_turn));
  if (count >= kMostHandshakes) drop_handshake(static_cast<std::size_t>(first - handshakes_.begin()), out);
  // Its call rides in the next one: a node that has it already says so.
  for (const auto& handshake : handshakes_) {
    if (handshake->is_stored || !handshake->rider) continue;
    if (Call* const call = calls_.find(*handshake->rider)) calls_.make_wait(*call);
    handshake->rider.reset();
  }
  ++counts_.resent;
  begin_handshake(out);
  next_handshake_ = now.monotonic + wait_before(++handshake_tries_);
}

void Caller::State::tick_sessions(Actions& out, Now now) {
  const auto is_over = [&](const Session& session) {
    if (session.until) return now.monotonic >= *session.until;
    return session.is_subscribed && !is_usable(session, now);
  };
  for (std::size_t i = 0; i < sessions_.size();) {
    Session& session = *sessions_[i];
    if (!is_over(session)) {
      ++i;
      continue;
    }
    while (!session.sent.empty()) unawait(session, session.sent.begin()->first);
    out.emplace_back(Unsubscribe{.topic = session.topic});
    sessions_.erase(sessions_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

Caller::State::Session& Caller::State::open_session(const Handshake& handshake, const NoiseSecrets& secrets,
                                                    Actions& out, Now now) {
  if (!sessions_.empty() && !sessions_.back()->until) {
    Session& old = *sessions_.back();
    old.until = now.monotonic + limits_.old_session;
    // A node that knows it no longer answers nothing in it.
    for (auto& [id, call] : calls_.all()) {
      if (old.is_silent && call.last_session == old.number) calls_.make_wait(call);
    }
  }
  sessions_.push_back(std::make_unique<Session>(Session{.number = handshake.number,
                                                        .topic = handshake.topic,
                                                        .session = CallerSession(derive_session_keys(secrets)),
                                                        .opened = now.monotonic,
                                                        .last_heard = now.monotonic}));
  Session& session = *sessions_.back();
  ++counts_.sessions;
  handshake_tries_ = 0;
  const std::uint64_t number = handshake.number;
  const bool stored = handshake.is_stored;
  // The others that were sent meanwhile are not needed; a stored call's own is.
  for (std::size_t i = 0; i < handshakes_.size();) {
    const Handshake& other = *handshakes_[i];
    if (other.number == number) {
      handshakes_.erase(handshakes_.begin() + static_cast<std::ptrdiff_t>(i));
    } else if (!stored && other.is_in_turn()) {
      drop_handshake(i, out);
    } else {
      ++i;
    }
  }
  return session;
}

void Caller::State::on_accept(const std::string& topic, ByteView message, Actions& out, Now now) {
  const auto found = std::ranges::find_if(
      handshakes_, [&](const auto& handshake) { return handshake->topic == topic && handshake->was_sent(); });
  auto finished = found == handshakes_.end() || message.size() < kAcceptBytes
                      ? Result<NoiseInitiator::Finished>(fail(Errc::not_found, "accept: of no handshake"))
                      : (*found)->noise->read(message.subspan(1));
  auto body = finished ? parse_reply_body(finished->payload.expose())
                       : Result<ReplyBody>(fail(Errc::malformed, "accept: does not open"));
  if (!body) {
    ++counts_.dropped;
    return;
  }
  const std::optional<CallId> rider = (*found)->rider;
  const MessageTail tail = (*found)->tail;
  if (body->status == ReplyStatus::retry) learn_time(body->node_time, now);
  Session& session = open_session(**found, finished->secrets, out, now);
  if (rider && calls_.contains(*rider)) {
    session.sent.emplace(kInitRequest, Sent{.id = *rider, .tail = tail});
    await(session, kInitRequest, 0, ReplyTags::kMost);
    handle(session, kInitRequest, *body, out, now);
  }
  pump(out, now);
}

}  // namespace sallyport::sealed
