// INIT and INIT-CERT as the node takes them (docs/protocol/sealed-rpc.md §4, §7 rule 1).
#include "sealed/detail/responder_state.h"

namespace sallyport::sealed {
namespace {

constexpr std::string_view kKeyPrincipal = "key:";

}  // namespace

Principal key_principal(const KeyId& id) {
  return Principal(std::string(kKeyPrincipal) + id.get());
}

std::optional<Responder::State::Caller> Responder::State::try_key(const HintedKey& hinted, const InitView& init,
                                                                  NoiseResponder& noise, ByteView message) {
  auto payload = noise.read(init.sealed);
  if (!payload) return std::nullopt;
  Caller out{.principal = key_principal(hinted.known->id), .has_clock = !hinted.without_clock};
  out.payload = *std::move(payload);
  const auto parsed = parse_init_payload(out.payload.expose());
  if (!parsed) return std::nullopt;
  out.inbox = derive_inbox(hinted.known->key.expose(), init.ephemeral);
  out.ephemeral = init.ephemeral;
  out.tail = tail_of(message);
  out.time = parsed->time;
  out.body = parsed->body;
  return out;
}

Responder::State::Actions Responder::State::on_init(ByteView message, UnixTime now) {
  const auto init = parse_init(message);
  if (!init) {
    ++counts_.dropped_malformed;
    return {};
  }
  const auto hinted = keys_.find(init->hint, now);
  if (hinted.empty()) {
    ++counts_.dropped_unknown;
    return {};
  }
  if (seen_.contains(init->ephemeral)) {
    ++counts_.dropped_seen;
    return {};
  }
  const Bytes prologue = init_prologue(topic_, node_, init->hint);
  for (const HintedKey& key : hinted) {
    NoiseResponder noise = NoiseResponder::nnpsk0(prologue, key.known->key, init->ephemeral);
    if (auto caller = try_key(key, *init, noise, message)) return accept(*std::move(caller), std::move(noise), now);
  }
  ++counts_.dropped_forged;
  return {};
}

bool Responder::State::take_certificate_turn(UnixTime now) {
  if (turn_second_ != now) {
    turn_second_ = now;
    turns_ = 0;
  }
  return ++turns_ <= limits_.certificate_handshakes_per_second;
}

std::optional<Responder::State::Caller> Responder::State::verify_certified(NoiseResponder& noise,
                                                                           const InitCertView& init, ByteView message) {
  const crypto::Sha256Digest hash = noise.hash();
  auto payload = noise.read(init.sealed);
  if (!payload || !judge_) return std::nullopt;
  Caller out;
  out.payload = *std::move(payload);
  const auto parsed = parse_certified_payload(out.payload.expose());
  if (!parsed) return std::nullopt;
  const auto chain = split_chain(parsed->chain);
  if (!chain) return std::nullopt;
  auto judged = judge_(*chain, caller_signing_input(hash, parsed->init.time, parsed->chain), parsed->signature);
  // A certificate never makes anybody the owner of an API key.
  if (!judged || judged->principal.get().empty() || judged->principal.get().starts_with(kKeyPrincipal))
    return std::nullopt;
  out.principal = std::move(judged->principal);
  out.until = judged->until;
  out.inbox = derive_inbox(noise.es()->expose(), init.ephemeral);
  out.ephemeral = init.ephemeral;
  out.tail = tail_of(message);
  out.time = parsed->init.time;
  out.body = parsed->init.body;
  return out;
}

Responder::State::Actions Responder::State::on_init_cert(ByteView message, UnixTime now) {
  const auto init = parse_init_cert(message);
  if (!init) {
    ++counts_.dropped_malformed;
    return {};
  }
  const crypto::AgreementKey* const prekey = prekeys_.find(init->prekey_id, now);
  if (prekey == nullptr) {
    ++counts_.dropped_unknown;
    return {};
  }
  if (seen_.contains(init->ephemeral)) {
    ++counts_.dropped_seen;
    return {};
  }
  if (!take_certificate_turn(now)) {
    ++counts_.dropped_rate;
    return {};
  }
  auto noise = NoiseResponder::nk(init_cert_prologue(topic_, node_, init->prekey_id), *prekey, init->ephemeral);
  auto caller = noise ? verify_certified(*noise, *init, message) : std::nullopt;
  if (!caller) {
    ++counts_.dropped_forged;
    return {};
  }
  return accept(*std::move(caller), *std::move(noise), now);
}

Responder::State::Actions Responder::State::accept(Caller caller, NoiseResponder noise, UnixTime now) {
  seen_.insert(caller.ephemeral, now);
  auto body = parse_request_body(caller.body);
  if (!body) {
    ++counts_.dropped_malformed;
    return {};
  }
  if (!noise.agree(crypto::AgreementKey::generate(random_))) {
    ++counts_.dropped_forged;
    return {};
  }
  ReplyTo to = sessions_.reserve(caller.principal, reply_topic(prefix_, caller.inbox), now, caller.until);
  to.tail = caller.tail;
  const Carriage carriage{.by_handshake = true, .is_fresh = caller.has_clock && seen_.is_fresh(caller.time, now)};
  Decision decision = decide(caller.principal, to, *std::move(body), carriage, now);
  // What takes a while is told by REPLY.
  ReplyBody answer;
  answer.status = ReplyStatus::progress;
  if (decision.answer) answer = *std::move(decision.answer);
  Bytes plaintext = encode_reply_body(answer);
  NoiseResponder::Finished finished = noise.write(plaintext);
  wipe(plaintext);
  sessions_.start(to, derive_session_keys(finished.secrets));
  ++counts_.opened;
  ++counts_.requests;
  Bytes message{static_cast<std::uint8_t>(MessageType::accept)};
  append(message, finished.message);
  Actions out;
  out.emplace_back(Publish{.topic = sessions_.find(to)->inbox_topic, .payload = std::move(message)});
  if (decision.action) out.push_back(*std::move(decision.action));
  return out;
}

}  // namespace sallyport::sealed
