// A gateway and a client of EVA ICS v3 that a test drives by lines: a JSON object in, a JSON object out. Time is in the
// lines. The methods are `sum` (of a and b), `echo` and `test`, and are executed at once.

#include <iostream>
#include <optional>
#include <string>

#include "codec/text.h"
#include "crypto/system_random.h"
#include "sealed/eva_client.h"
#include "sealed/eva_gateway.h"
#include "sealed/eva_state.h"

using namespace sallyport;
using namespace sallyport::sealed::eva;
using codec::Json;

namespace {

std::string text_of(const Json& line, std::string_view key) {
  return line.text_at(key).value_or("");
}

Bytes payload_of(const Json& line) {
  return codec::decode_hex(text_of(line, "payload")).value_or(Bytes());
}

Moment moment_of(const Json& line) {
  const std::int64_t now = line.integer_at("now").value_or(0);
  return {.civil = UnixTime(now), .steady = Instant(seconds(now))};
}

Result<Key> read_key(const Json& line) {
  TRY(KeyId id, parse_key_id(text_of(line, "id")));
  return Key::from(std::move(id), text_of(line, "secret"));
}

Json counts_of(const GatewayCounts& counts) {
  return Json::Object{{"elsewhere", counts.elsewhere},
                      {"retained", counts.retained},
                      {"malformed", counts.malformed},
                      {"unknown_key", counts.unknown_key},
                      {"switched_off", counts.switched_off},
                      {"unopened", counts.unopened},
                      {"stale", counts.stale},
                      {"repeated", counts.repeated},
                      {"foreign_key", counts.foreign_key},
                      {"busy", counts.busy},
                      {"executed", counts.executed},
                      {"answered", counts.answered}};
}

Json outcome_json(const Outcome& outcome) {
  if (outcome) return Json::Object{{"result", *outcome}};
  return Json::Object{{"error", Json(Json::Object{{"code", Json(static_cast<int>(outcome.error().code))},
                                                  {"message", Json(outcome.error().message)}})}};
}

Outcome execute(const Execute& call) {
  const Json params(call.params);
  if (call.method == "echo") return params;
  if (call.method == "test") {
    return write_introduction(
        {.self = {.type = ControllerType::uc, .name = "plant1"}, .time = 1.5, .version = "1", .build = 1});
  }
  if (call.method != "sum") return std::unexpected(Failure{Code::method_unknown, "no such method"});
  const auto a = params.integer_at("a");
  const auto b = params.integer_at("b");
  if (!a || !b) return std::unexpected(Failure{Code::invalid_params, "want a and b"});
  return Json(*a + *b);
}

class Peer {
 public:
  Result<Json> answer(const Json& line) {
    const std::string what = text_of(line, "do");
    if (what == "gateway") return make_gateway(line);
    if (what == "client") return make_client(line);
    if (what == "message" && gateway_) return message(line);
    if (what == "call" && client_) return call(line);
    if (what == "reply" && client_) return reply(line);
    if (what == "state") return state(line);
    if (what == "bulk") return bulk(line);
    return fail(Errc::malformed, "peer: nothing that can be done now");
  }

 private:
  Result<Json> make_gateway(const Json& line) {
    TRY(Controller self, parse_controller(text_of(line, "self")));
    TRY(Space space, parse_space(text_of(line, "space")));
    gateway_.emplace(GatewaySettings{.space = std::move(space), .self = std::move(self)},
                     UnixTime(line.integer_at("taken_until").value_or(0)), random_);
    TRY(const Json list, line.at("keys"));
    TRY(const Json::Array keys, list.array());
    for (const Json& entry : keys) {
      TRY(Key key, read_key(entry));
      const UnixTime until(entry.integer_at("until").value_or(kNoExpiry.since_epoch()));
      TRY_VOID(gateway_->add_key({.key = std::move(key),
                                  .legacy_until = until,
                                  .rate = {.burst = 100'000},
                                  .only_fresh = entry.boolean_at("only_fresh").value_or(false)}));
    }
    return Json(Json::Object{{"subscription", Json(gateway_->subscription())},
                             {"announce_topic", Json(gateway_->announce().topic)},
                             {"announce", Json(as_text(gateway_->announce().payload))}});
  }

  Result<Json> make_client(const Json& line) {
    TRY(Space space, parse_space(text_of(line, "space")));
    TRY(Key key, read_key(line));
    const std::string word = text_of(line, "format");
    const Format format = word == "text" ? Format::text : word == "zlib" ? Format::binary_zlib : Format::binary;
    client_.emplace(ClientSettings{.space = std::move(space), .format = format}, std::move(key), random_);
    return Json(Json::Object());
  }

  Result<Json> message(const Json& line) {
    const Moment now = moment_of(line);
    auto actions = gateway_->on_message(text_of(line, "topic"), payload_of(line),
                                        line.boolean_at("retained").value_or(false), now);
    Json::Array executed;
    for (const Execute& call : actions.execute) {
      executed.emplace_back(Json::Object{
          {"principal", Json(call.principal.get())}, {"method", Json(call.method)}, {"params", Json(call.params)}});
      auto answers = gateway_->on_outcome(call.number, execute(call), now);
      for (Publish& publish : answers.publish) actions.publish.push_back(std::move(publish));
    }
    Json::Array published;
    for (const Publish& publish : actions.publish) {
      published.emplace_back(
          Json::Object{{"topic", Json(publish.topic)}, {"payload", Json(codec::encode_hex(publish.payload))}});
    }
    return Json(Json::Object{{"executed", Json(std::move(executed))},
                             {"published", Json(std::move(published))},
                             {"counts", counts_of(gateway_->counts())}});
  }

  Result<Json> call(const Json& line) {
    TRY(const Controller target, parse_controller(text_of(line, "target")));
    TRY(const Json params, line.at("params"));
    TRY(Json::Object members, params.object());
    TRY(const Started started, client_->call(target, text_of(line, "method"), std::move(members), moment_of(line)));
    return Json(Json::Object{{"reply_topic", Json(started.reply_topic)},
                             {"topic", Json(started.request.topic)},
                             {"payload", Json(codec::encode_hex(started.request.payload))}});
  }

  Result<Json> reply(const Json& line) {
    const auto finished = client_->on_message(text_of(line, "topic"), payload_of(line),
                                              line.boolean_at("retained").value_or(false), moment_of(line));
    return Json(Json::Object{{"finished", finished ? outcome_json(finished->outcome) : Json()}});
  }

  // Reads an announcement and writes it anew.
  static Result<Json> state(const Json& line) {
    const Bytes payload = payload_of(line);
    TRY(const auto read, parse_state(as_text(payload)));
    return Json(Json::Object{{"written", read ? Json(write_state(*read)) : Json()}});
  }

  static Result<Json> bulk(const Json& line) {
    TRY(const BulkState read, parse_bulk(payload_of(line)));
    return Json(Json::Object{{"json", Json(write_bulk_json(read))},
                             {"packed", Json(codec::encode_hex(write_bulk_packed(read)))}});
  }

  crypto::SystemRandom random_;
  std::optional<Gateway> gateway_;
  std::optional<Client> client_;
};

}  // namespace

int main() {
  Peer peer;
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto parsed = codec::parse_json(line);
    const auto answer = parsed ? peer.answer(*parsed) : Result<Json>(fail(Errc::malformed, "peer: no JSON"));
    std::cout << (answer ? *answer : Json(Json::Object{{"refused", Json(answer.error().detail)}})).write() << std::endl;
  }
  return 0;
}
