// For this layer's tests alone: a node and a caller with a broker between them that does what the test says.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "crypto/key.h"
#include "sealed/caller.h"
#include "sealed/responder.h"

namespace sallyport::sealed::testing {

inline constexpr UnixTime kWorldStart{1'800'000'000};

struct WireMessage {
  std::string topic;
  Bytes payload;
};

// One node that answers what it executes at once, unless `holds`; one caller; everything published in `wire`.
class World {
 public:
  explicit World(std::uint64_t seed = 1, ResponderLimits limits = {}, CallerLimits caller_limits = {})
      : random(seed), limits(limits), caller_limits(caller_limits), key(draw_api_key(KeyId("pump"), random)) {
    start_node();
    advance(seconds(1'000));
    start_caller(KeyCredential{node_key()});
  }

  NodeKey node_key() const { return derive_node_key(key.secret, node); }
  Now now() const { return {.civil = civil + skew, .monotonic = monotonic}; }
  void advance(milliseconds by) {
    fraction += by;
    monotonic += by;
    civil = civil + std::chrono::duration_cast<seconds>(fraction);
    fraction %= seconds(1);
  }
  void start_node() {
    responder = std::make_unique<Responder>(node, prefix, random, civil, limits);
    responder->add_key(KeyId("pump"), node_key());
    responder->set_idempotent([](std::string_view json) { return json.find("get") != std::string_view::npos; });
  }
  void start_caller(Credential credential) {
    caller = std::make_unique<Caller>(node, prefix, std::move(credential), random, caller_limits);
  }

  CallId call(std::string json = "set", CallOptions options = {}, milliseconds timeout = seconds(20)) {
    const CallId id = draw_call_id(civil, random);
    take(caller->call(id, std::move(json), timeout, options, now()));
    return id;
  }
  // The same, delivered until nothing is under way.
  CallId call_and_run(std::string json = "set", CallOptions options = {}, milliseconds timeout = seconds(20)) {
    const CallId id = call(std::move(json), options, timeout);
    run();
    return id;
  }
  void tick(milliseconds by = milliseconds(250)) {
    advance(by);
    take(caller->on_tick(now()));
    responder->on_tick(civil);
    run();
  }

  void take(std::vector<CallerAction> actions) {
    for (CallerAction& action : actions) {
      if (auto* subscribe = std::get_if<Subscribe>(&action)) {
        subscribed.push_back(subscribe->topic);
        take(caller->on_subscribed(subscribe->topic, now()));
      } else if (const auto* unsubscribe = std::get_if<Unsubscribe>(&action)) {
        std::erase(subscribed, unsubscribe->topic);
      } else if (auto* publish = std::get_if<Publish>(&action)) {
        post(std::move(*publish));
      } else if (auto* answer = std::get_if<Answer>(&action)) {
        EXPECT_FALSE(answers.contains(answer->id)) << "a second answer";
        answers.insert_or_assign(answer->id, std::move(answer->reply));
      } else if (auto* told = std::get_if<Progress>(&action)) {
        progress.push_back(std::move(*told));
      }
    }
  }
  void take(std::vector<ResponderAction> actions) {
    for (ResponderAction& action : actions) {
      if (auto* publish = std::get_if<Publish>(&action)) {
        post(std::move(*publish));
      } else if (auto* asked_for = std::get_if<AskResult>(&action)) {
        asked.push_back(*asked_for);
      } else if (auto* execute = std::get_if<Execute>(&action)) {
        ++runs[{execute->principal.get(), execute->id}];
        executed.push_back(*execute);
        if (!holds) finish(*execute);
      }
    }
  }
  void finish(const Execute& execute) {
    ReplyBody answer;
    answer.json = "ran " + execute.json + " for " + to_text(execute.id);
    if (execute.stored) answer = {.status = ReplyStatus::accepted};
    take(responder->finish(execute.execution, answer, civil));
  }
  void post(Publish publish) {
    WireMessage message{.topic = std::move(publish.topic), .payload = std::move(publish.payload)};
    wire.push_back(message);
    if (!drops || !drops(message)) queue.push_back(std::move(message));
  }
  void deliver(const WireMessage& message, bool retained = false) {
    if (message.topic == responder->topic()) {
      take(responder->on_message(message.payload, retained, civil));
    } else {
      take(caller->on_message(message.topic, message.payload, retained, now()));
    }
  }
  void run() {
    for (int i = 0; i < 10'000 && !queue.empty(); ++i) {
      const WireMessage message = std::move(queue.front());
      queue.pop_front();
      deliver(message);
    }
    EXPECT_TRUE(queue.empty());
  }
  void to_node(Bytes payload) { take(responder->on_message(payload, false, civil)); }

  // The last message of a type that was published.
  WireMessage last(std::uint8_t type) const {
    for (auto message = wire.rbegin(); message != wire.rend(); ++message) {
      if (message->payload.at(0) == type) return *message;
    }
    ADD_FAILURE() << "no message of type " << int{type};
    return {};
  }
  std::size_t count(std::uint8_t type) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(wire, [&](const WireMessage& message) { return message.payload.at(0) == type; }));
  }
  bool was_done(const CallId& id) const {
    const auto found = answers.find(id);
    return found != answers.end() && found->second && found->second->status == ReplyStatus::done &&
           found->second->json.ends_with(to_text(id));
  }
  int times_run(const CallId& id, const std::string& principal = "key:pump") const {
    const auto found = runs.find({principal, id});
    return found == runs.end() ? 0 : found->second;
  }
  const ResponderCounts& counts() const { return responder->counts(); }

  SeededRandom random;
  ResponderLimits limits;
  CallerLimits caller_limits;
  NodeName node{"pump-7"};
  TopicPrefix prefix{"plant"};
  ApiKey key;
  UnixTime civil = kWorldStart;
  seconds skew{0};  // of the caller's clock
  Instant monotonic{};
  milliseconds fraction{0};
  bool holds = false;
  std::function<bool(const WireMessage&)> drops;
  std::vector<WireMessage> wire;
  std::deque<WireMessage> queue;
  std::vector<std::string> subscribed;
  std::map<CallId, Result<ReplyBody>> answers;
  std::vector<Progress> progress;
  std::vector<Execute> executed;
  std::vector<AskResult> asked;
  std::map<std::pair<std::string, CallId>, int> runs;
  std::unique_ptr<Responder> responder;
  std::unique_ptr<Caller> caller;
};

}  // namespace sallyport::sealed::testing
