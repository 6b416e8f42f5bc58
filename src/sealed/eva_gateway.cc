#include "sealed/eva_gateway.h"

#include "sealed/detail/eva_seen.h"

namespace sallyport::sealed::eva {

using codec::Json;

namespace {

// Calls that a key may still make.
class CallBudget {
 public:
  explicit CallBudget(Rate rate) : rate_(rate), left_(static_cast<double>(rate.burst)) {}

  // Takes `count`, or nothing when there are not so many.
  bool take(std::size_t count, Instant now) {
    if (last_) left_ += rate_.per_second * std::chrono::duration<double>(now - *last_).count();
    left_ = std::min(left_, static_cast<double>(rate_.burst));
    last_ = now;
    if (left_ < static_cast<double>(count)) return false;
    left_ -= static_cast<double>(count);
    return true;
  }

 private:
  Rate rate_;
  double left_;
  std::optional<Instant> last_;
};

bool names_key(const Json::Object& params, const Key& key) {
  const auto found = params.find("k");
  if (found == params.end()) return false;
  const auto text = found->second.text();
  return text && key.is(*text);
}

}  // namespace

struct Gateway::Held {
  GatewayKey given;
  std::shared_ptr<Seen> seen;
  CallBudget budget;
  std::size_t under_way = 0;
};

// A request that one of our keys has sealed.
struct Gateway::Opened {
  SharedKey key;
  CallId call_id;
  std::optional<Packing> packing;  // none: text
  std::vector<Mark> marks;
  std::optional<UnixTime> made;  // none: it states no time
  Json body;
};

Gateway::Gateway(GatewaySettings settings, UnixTime taken_until, Random& random)
    : settings_(std::move(settings)),
      request_topic_(request_topic(settings_.space, settings_.self)),
      not_after_(taken_until),
      random_(random) {}

Gateway::~Gateway() = default;

Result<void> Gateway::add_key(GatewayKey key) {
  auto& keys = keys_[key.key.id().get()];
  if (keys.size() >= kMostKeysOfOneId) {
    return failf(Errc::conflict, "eva gateway: {} keys of this id, want at most {}", keys.size() + 1, kMostKeysOfOneId);
  }
  auto& seen = seen_[key.key.id().get()];
  if (!seen) seen = std::make_shared<Seen>(settings_.remembered);
  const Rate rate = key.rate;
  keys.push_back(
      std::make_shared<Held>(Held{.given = std::move(key), .seen = seen, .budget = CallBudget(rate), .under_way = 0}));
  return {};
}

void Gateway::remove_keys(const KeyId& id) {
  keys_.erase(id.get());
}

Publish Gateway::announce() const {
  return {.topic = discovery_topic(settings_.space), .payload = to_bytes(to_text(settings_.self))};
}

std::vector<Gateway::SharedKey> Gateway::keys_for(std::string_view id, UnixTime now) {
  const auto found = keys_.find(id);
  if (found == keys_.end()) {
    ++counts_.unknown_key;
    return {};
  }
  std::vector<SharedKey> out = found->second;
  std::erase_if(out, [&](const SharedKey& key) { return now >= key->given.legacy_until; });
  if (out.empty()) ++counts_.switched_off;
  return out;
}

std::optional<Gateway::Opened> Gateway::open(ByteView payload, UnixTime now) {
  if (payload.empty() || payload.size() > settings_.limits.message) {
    ++counts_.malformed;
    return std::nullopt;
  }
  return payload[0] == 0 ? open_binary(payload, now) : open_text(as_text(payload), now);
}

std::optional<Gateway::Opened> Gateway::open_binary(ByteView payload, UnixTime now) {
  const auto request = parse_binary_request(payload);
  if (!request) {
    ++counts_.malformed;
    return std::nullopt;
  }
  const std::vector<SharedKey> keys = keys_for(request->key_id, now);
  for (const SharedKey& key : keys) {
    auto opened = open_binary_request(*request, key->given.key, settings_.limits);
    if (opened) {
      return Opened{.key = key,
                    .call_id = call_id_of(opened->id),
                    .packing = request->packing,
                    .marks = {mark_of('i', opened->id), mark_of('t', request->tag())},
                    .made = time_of(opened->id),
                    .body = std::move(opened->body)};
    }
    if (opened.error().code != Errc::unauthorized) {
      ++counts_.malformed;
      return std::nullopt;
    }
  }
  if (!keys.empty()) ++counts_.unopened;
  return std::nullopt;
}

std::optional<Gateway::Opened> Gateway::open_text(std::string_view payload, UnixTime now) {
  const auto request = parse_text_request(payload);
  if (!request) {
    ++counts_.malformed;
    return std::nullopt;
  }
  const std::vector<SharedKey> keys = keys_for(request->key_id, now);
  for (const SharedKey& key : keys) {
    auto opened = open_text_request(*request, key->given.key, now, settings_.limits);
    if (opened) {
      return Opened{.key = key,
                    .call_id = std::move(opened->call_id),
                    .packing = std::nullopt,
                    .marks = {mark_of('t', opened->tag)},
                    .made = opened->made,
                    .body = std::move(opened->body)};
    }
    if (opened.error().code != Errc::unauthorized) {
      ++(opened.error().code == Errc::expired ? counts_.stale : counts_.malformed);
      return std::nullopt;
    }
  }
  if (!keys.empty()) ++counts_.unopened;
  return std::nullopt;
}

// Whether it is of this minute and did not come before, and then remembers it.
bool Gateway::is_new(Opened& opened, UnixTime now) {
  Held& key = *opened.key;
  std::optional<UnixTime> keep_until;
  if (opened.made) {
    const seconds age = now - *opened.made;
    if (age > kTokenLife || age < -kTokenLife || *opened.made <= not_after_) {
      ++counts_.stale;
      return false;
    }
    keep_until = *opened.made + kTokenLife + seconds(1);
  } else if (key.given.only_fresh) {
    ++counts_.stale;
    return false;
  }
  if (std::ranges::any_of(opened.marks, [&](const Mark& mark) { return key.seen->has(mark); })) {
    ++counts_.repeated;
    return false;
  }
  for (const Mark& mark : opened.marks) {
    if (key.seen->add(mark, keep_until, now)) continue;
    ++counts_.no_room;
    return false;
  }
  if (opened.made) latest_ = std::max(latest_, *opened.made);
  return true;
}

bool Gateway::has_room(Held& key, std::size_t calls, Instant now) {
  return under_way_.size() < settings_.under_way && key.under_way < settings_.under_way_of_one_key &&
         key.budget.take(calls, now);
}

GatewayActions Gateway::on_message(std::string_view topic, ByteView payload, bool retained, Moment now) {
  GatewayActions out;
  if (topic != request_topic_ || retained) {
    ++(retained ? counts_.retained : counts_.elsewhere);
    return out;
  }
  std::optional<Opened> opened = open(payload, now.civil);
  if (!opened || !is_new(*opened, now.civil)) return out;
  auto list = parse_calls(opened->body);
  if (!list) {
    ++counts_.malformed;
    return out;
  }
  Held& key = *opened->key;
  const bool has_place = has_room(key, list->calls.size(), now.steady);
  UnderWay message{.key = opened->key,
                   .topic = response_topic(settings_.space, settings_.self, opened->call_id),
                   .packing = opened->packing,
                   .is_batch = list->is_batch,
                   .deadline = now.steady + settings_.timeout};
  for (const Call& call : list->calls) message.ids.push_back(call.id);
  message.outcomes.resize(list->calls.size());
  if (has_place) {
    begin(std::move(message), key, *std::move(list), out, now.civil);
    return out;
  }
  ++counts_.busy;
  for (auto& outcome : message.outcomes) outcome = std::unexpected(Failure{Code::busy, "too many calls"});
  answer(message, out, now.civil);
  return out;
}

void Gateway::begin(UnderWay message, const Held& key, CallList list, GatewayActions& out, UnixTime now) {
  const std::uint64_t number = next_message_++;
  for (std::size_t i = 0; i < list.calls.size(); ++i) {
    Call& call = list.calls[i];
    if (!names_key(call.params, key.given.key)) {
      ++counts_.foreign_key;
      message.outcomes[i] =
          std::unexpected(Failure{Code::forbidden, "the key in the call is not the key that sealed it"});
      continue;
    }
    call.params.erase("k");
    ++counts_.executed;
    ++message.open;
    out.execute.push_back({.number = {.message = number, .place = i},
                           .principal = key.given.key.id(),
                           .method = std::move(call.method),
                           .params = std::move(call.params)});
  }
  if (message.open == 0) {
    answer(message, out, now);
    return;
  }
  if (const SharedKey held = message.key.lock()) ++held->under_way;
  under_way_.emplace(number, std::move(message));
}

// Of calls without an outcome, Code::server_timeout.
void Gateway::answer(const UnderWay& message, GatewayActions& out, UnixTime now) {
  const SharedKey held = message.key.lock();
  if (!held) {
    ++counts_.late;
    return;
  }
  std::vector<Answer> answers;
  for (std::size_t i = 0; i < message.ids.size(); ++i) {
    if (!message.ids[i]) continue;
    answers.push_back(
        {.id = *message.ids[i],
         .outcome = message.outcomes[i].value_or(std::unexpected(Failure{Code::server_timeout, "not done in time"}))});
  }
  const Body body = Body::of_answers(answers, message.is_batch);
  const Key& key = held->given.key;
  const auto iv = random_.array<crypto::kCbcBlockBytes>();
  ++counts_.answered;
  out.publish.push_back({.topic = message.topic,
                         .payload = message.packing ? seal_binary_response(key, *message.packing, body, iv)
                                                    : to_bytes(seal_text_response(key, body, now, iv))});
}

GatewayActions Gateway::on_outcome(const CallNumber& number, Outcome outcome, Moment now) {
  GatewayActions out;
  const auto found = under_way_.find(number.message);
  if (found == under_way_.end() || number.place >= found->second.outcomes.size() ||
      found->second.outcomes[number.place]) {
    ++counts_.late;
    return out;
  }
  UnderWay& message = found->second;
  message.outcomes[number.place] = std::move(outcome);
  if (--message.open > 0) return out;
  if (const SharedKey held = message.key.lock()) --held->under_way;
  answer(message, out, now.civil);
  under_way_.erase(found);
  return out;
}

GatewayActions Gateway::on_tick(Moment now) {
  GatewayActions out;
  while (!under_way_.empty() && under_way_.begin()->second.deadline <= now.steady) {
    const UnderWay& message = under_way_.begin()->second;
    if (const SharedKey held = message.key.lock()) --held->under_way;
    ++counts_.timed_out;
    answer(message, out, now.civil);
    under_way_.erase(under_way_.begin());
  }
  return out;
}

std::optional<Instant> Gateway::next_tick() const {
  if (under_way_.empty()) return std::nullopt;
  return under_way_.begin()->second.deadline;
}

}  // namespace sallyport::sealed::eva
