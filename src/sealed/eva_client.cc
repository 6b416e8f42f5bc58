#include "sealed/eva_client.h"

namespace sallyport::sealed::eva {

using codec::Json;

namespace {

Packing packing_of(Format format) {
  return format == Format::binary_zlib ? Packing::zlib : Packing::plain;
}

std::string timeout_text(bool was_raised) {
  return was_raised ? "no answer in time; 500 came, sealed by nobody" : "no answer in time";
}

}  // namespace

Client::Client(ClientSettings settings, Key key, Random& random)
    : settings_(std::move(settings)), key_(std::move(key)), random_(random) {}

Bytes Client::seal(const CallId& call_id, const RequestId& id, const Body& body, UnixTime now) {
  const auto iv = random_.array<crypto::kCbcBlockBytes>();
  if (settings_.format == Format::text) return to_bytes(seal_text_request(key_, call_id, body, now, iv));
  return seal_binary_request(key_, packing_of(settings_.format), id, body, iv);
}

Result<Json> Client::open(ByteView payload, UnixTime now) const {
  if (settings_.format == Format::text) return open_text_response(as_text(payload), key_, now, settings_.limits);
  return open_binary_response(payload, key_, packing_of(settings_.format), settings_.limits);
}

Result<Started> Client::call(const Controller& target, std::string method, Json::Object params, Moment now,
                             std::optional<milliseconds> timeout) {
  if (pending_.size() >= settings_.under_way) {
    return failf(Errc::overloaded, "eva client: {} calls under way, want fewer", pending_.size());
  }
  const RequestId id = draw_request_id(now.civil, random_);
  const CallId call_id = call_id_of(id);
  const std::string id_text = to_uuid_text(id);
  const Body body =
      Body::of_call({.method = std::move(method), .params = std::move(params), .id = Json(id_text)}, key_.expose());
  Started out{
      .call = call_id,
      .reply_topic = response_topic(settings_.space, target, call_id),
      .request = {.topic = request_topic(settings_.space, target), .payload = seal(call_id, id, body, now.civil)},
      .deadline = now.steady + timeout.value_or(settings_.timeout)};
  if (out.request.payload.size() > settings_.limits.message) {
    return failf(Errc::overloaded, "eva client: request of {} bytes, want at most {}", out.request.payload.size(),
                 settings_.limits.message);
  }
  pending_.emplace(out.reply_topic, Pending{.call = call_id, .id = id_text, .deadline = out.deadline});
  return out;
}

std::optional<Finished> Client::on_message(std::string_view topic, ByteView payload, bool retained, Moment now) {
  const auto found = pending_.find(topic);
  if (found == pending_.end() || retained) {
    ++(retained ? counts_.retained : counts_.elsewhere);
    return std::nullopt;
  }
  Pending& pending = found->second;
  const auto body = open(payload, now.civil);
  if (!body) {
    pending.was_raised = pending.was_raised || is_unsealed_failure(payload);
    ++counts_.unopened;
    return std::nullopt;
  }
  auto answer = parse_answer(*body);
  if (!answer || !(answer->id == Json(pending.id))) {
    ++counts_.another;
    return std::nullopt;
  }
  Finished out{.call = pending.call, .reply_topic = found->first, .outcome = std::move(answer->outcome)};
  pending_.erase(found);
  return out;
}

std::vector<Finished> Client::on_tick(Instant now) {
  std::vector<Finished> out;
  std::erase_if(pending_, [&](const auto& entry) {
    const auto& [topic, pending] = entry;
    if (pending.deadline > now) return false;
    out.push_back({.call = pending.call,
                   .reply_topic = topic,
                   .outcome = std::unexpected(Failure{Code::server_timeout, timeout_text(pending.was_raised)})});
    return true;
  });
  return out;
}

std::optional<Instant> Client::next_tick() const {
  std::optional<Instant> out;
  for (const auto& [topic, pending] : pending_) out = std::min(out.value_or(pending.deadline), pending.deadline);
  return out;
}

std::vector<Finished> Client::on_disconnect() {
  std::vector<Finished> out;
  for (const auto& [topic, pending] : pending_) {
    out.push_back(
        {.call = pending.call,
         .reply_topic = topic,
         .outcome = std::unexpected(Failure{Code::server_error, "the connection was lost before an answer"})});
  }
  pending_.clear();
  return out;
}

bool Client::cancel(const CallId& call) {
  return std::erase_if(pending_, [&](const auto& entry) { return entry.second.call == call; }) > 0;
}

}  // namespace sallyport::sealed::eva
