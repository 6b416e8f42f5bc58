// Thousands of calls through a broker that drops, repeats, reorders, replays, retains, moves and flips, with restarts
// of both sides. Whatever it does, no call is executed twice and no answer is another's.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>

#include "sealed/caller.h"
#include "sealed/responder.h"

namespace sallyport::sealed {
namespace {

constexpr std::size_t kCallers = 3;
constexpr std::size_t kHistory = 400;
constexpr std::size_t kEnded = 100;
constexpr std::string_view kMarker = "plaintext-marker";

struct Simulation {
  struct Flying {
    std::string topic;
    Bytes payload;
  };
  struct Client {
    KeyId id;
    ApiKey key;
    std::unique_ptr<Caller> caller;
    std::set<std::string> inboxes;
    std::set<CallId> open;
  };

  Simulation(std::uint64_t seed, int percent_evil, const ResponderLimits& of_node = {}, bool ids_again = false)
      : random(seed), evil(percent_evil), limits(of_node), uses_ids_again(ids_again) {
    for (std::size_t i = 0; i < kCallers; ++i) {
      const KeyId id("caller-" + std::to_string(i));
      clients.push_back(Client{.id = id, .key = draw_api_key(id, random)});
    }
    start_node();
    for (Client& client : clients) start_caller(client);
  }

  Now now() const {
    return {.civil = UnixTime(1'800'000'000 + elapsed / 1'000), .monotonic = Instant(milliseconds(elapsed))};
  }
  bool chance(std::uint64_t of_thousand) { return random.below(1'000) < of_thousand; }

  void start_node() {
    running.clear();
    runs_of_this_life.clear();
    node = std::make_unique<Responder>(name, TopicPrefix("p"), random, now().civil, limits);
    for (const Client& client : clients) node->add_key(client.id, derive_node_key(client.key.secret, name));
    node->set_idempotent([](std::string_view json) { return json.starts_with("get"); });
  }
  void start_caller(Client& client) {
    client.open.clear();
    client.inboxes.clear();
    client.caller = std::make_unique<Caller>(name, TopicPrefix("p"),
                                             KeyCredential{derive_node_key(client.key.secret, name)}, random);
  }

  void fly(Publish publish) {
    EXPECT_EQ(as_text(publish.payload).find(kMarker), std::string_view::npos);
    Flying message{.topic = std::move(publish.topic), .payload = std::move(publish.payload)};
    if (history.size() < kHistory) {
      history.push_back(message);
    } else {
      history[random.below(kHistory)] = message;
    }
    flying.push_back(std::move(message));
  }
  void take(Client& client, std::vector<CallerAction> actions) {
    for (CallerAction& action : actions) {
      if (auto* subscribe = std::get_if<Subscribe>(&action)) {
        client.inboxes.insert(subscribe->topic);
        take(client, client.caller->on_subscribed(subscribe->topic, now()));
      } else if (auto* unsubscribe = std::get_if<Unsubscribe>(&action)) {
        client.inboxes.erase(unsubscribe->topic);
      } else if (auto* publish = std::get_if<Publish>(&action)) {
        fly(std::move(*publish));
      } else if (auto* answer = std::get_if<Answer>(&action)) {
        EXPECT_EQ(client.open.erase(answer->id), 1U) << "an answer to nothing, or a second one";
        remember_ended(answer->id);
        if (!answer->reply) continue;
        if (answer->reply->status == ReplyStatus::done) {
          EXPECT_TRUE(answer->reply->json.ends_with(to_text(answer->id))) << "another's answer";
          ++done;
        }
      }
    }
  }
  void take(std::vector<ResponderAction> actions) {
    for (ResponderAction& action : actions) {
      if (auto* publish = std::get_if<Publish>(&action)) fly(std::move(*publish));
      if (auto* execute = std::get_if<Execute>(&action)) run(std::move(*execute));
    }
  }
  // As the application must: a durable mark before what is not idempotent.
  void run(Execute execute) {
    const bool durable = !execute.json.starts_with("get");
    if (durable && !marks.insert(execute.id).second) {
      take(node->finish(execute.execution, {.status = ReplyStatus::outcome_unknown}, now().civil));
      return;
    }
    if (durable) EXPECT_EQ(++runs[execute.id], 1) << "executed twice";
    const bool once = !again.contains(execute.id);
    if (once) EXPECT_EQ(++runs_of_this_life[execute.id], 1) << "executed twice in one life of the node";
    running.push_back(std::move(execute));
  }
  void remember_ended(const CallId& id) {
    if (ended.size() < kEnded) return ended.push_back(id);
    ended[random.below(kEnded)] = id;
  }
  // A call under the id of one that is over, and one that nobody asks for any more.
  void use_an_id_again(Client& client) {
    if (!ended.empty() && chance(100)) {
      const CallId id = ended[random.below(ended.size())];
      if (!client.open.insert(id).second) return;
      again.insert(id);
      take(client, client.caller->call(id, "get " + std::string(kMarker), milliseconds(30'000 + random.below(60'000)),
                                       {.idempotent = true}, now()));
    }
    if (!client.open.empty() && chance(100)) {
      const auto left = std::next(client.open.begin(), static_cast<std::ptrdiff_t>(random.below(client.open.size())));
      client.caller->forget(*left);
      client.open.erase(left);
    }
  }
  void finish_some() {
    // Some run long.
    if (uses_ids_again && running.size() > 1 && chance(500)) std::swap(running.front(), running.back());
    while (!running.empty() && chance(600)) {
      const Execute execute = std::move(running.front());
      running.pop_front();
      if (chance(100)) take(node->progress(execute.execution, "half of it", now().civil));
      ReplyBody answer;
      answer.json = std::string(kMarker) + to_text(execute.id);
      take(node->finish(execute.execution, answer, now().civil));
    }
  }

  void deliver(const Flying& message, bool retained) {
    if (message.topic == node->topic()) {
      take(node->on_message(message.payload, retained, now().civil));
      return;
    }
    for (Client& client : clients) {
      if (client.inboxes.contains(message.topic))
        take(client, client.caller->on_message(message.topic, message.payload, retained, now()));
    }
  }
  std::string any_topic() {
    const Client& client = clients[random.below(kCallers)];
    if (client.inboxes.empty() || chance(300)) return node->topic();
    return *std::next(client.inboxes.begin(), static_cast<std::ptrdiff_t>(random.below(client.inboxes.size())));
  }
  void do_evil() {
    if (history.empty()) return;
    Flying message = history[random.below(history.size())];
    switch (random.below(6)) {
      case 0:
        return deliver(message, false);  // replay
      case 1:
        return deliver(message, true);  // retain
      case 2:
        message.topic = any_topic();
        return deliver(message, false);
      case 3:
        message.payload[random.below(message.payload.size())] ^= static_cast<std::uint8_t>(1U << random.below(8));
        return deliver(message, false);
      case 4:
        message.payload.resize(random.below(message.payload.size() + 20));
        return deliver(message, false);
      default:
        if (!flying.empty()) flying.erase(flying.begin() + static_cast<std::ptrdiff_t>(random.below(flying.size())));
    }
  }
  void step() {
    for (Client& client : clients) {
      if (is_ending || client.open.size() > 40 || !chance(700)) continue;
      if (uses_ids_again) use_an_id_again(client);
      const CallId id = draw_call_id(now().civil, random);
      client.open.insert(id);
      ++calls;
      const bool safe = chance(400);
      take(client, client.caller->call(id, (safe ? "get " : "set ") + std::string(kMarker),
                                       milliseconds(2'000 + random.below(20'000)), {.idempotent = safe}, now()));
    }
    for (std::uint64_t i = random.below(16); i > 0 && !flying.empty(); --i) {
      // Mostly in order.
      const std::size_t index = chance(static_cast<std::uint64_t>(evil) * 5) ? random.below(flying.size()) : 0;
      const Flying message = flying[index];
      flying.erase(flying.begin() + static_cast<std::ptrdiff_t>(index));
      deliver(message, false);
    }
    if (random.below(100) < static_cast<std::uint64_t>(evil)) do_evil();
    finish_some();
    elapsed += static_cast<std::int64_t>(random.below(60));
    if (chance(100)) {
      for (Client& client : clients) take(client, client.caller->on_tick(now()));
      node->on_tick(now().civil);
    }
  }
  void restart_something() {
    if (chance(500)) return start_node();
    Client& client = clients[random.below(kCallers)];
    if (chance(500)) return start_caller(client);
    client.inboxes.clear();
    take(client, client.caller->on_disconnected(now()));
    take(client, client.caller->on_connected(now()));
  }
  void expect_bounds() const {
    EXPECT_LE(node->sessions(), 16 * kCallers);
    for (const Client& client : clients) {
      EXPECT_LE(client.caller->pending(), 256U);
      EXPECT_LE(client.inboxes.size(), 16U);
    }
  }

  SeededRandom random;
  int evil;
  ResponderLimits limits;
  bool uses_ids_again;
  NodeName name{"node"};
  std::int64_t elapsed = 0;
  std::vector<Client> clients;
  std::unique_ptr<Responder> node;
  std::deque<Flying> flying;
  std::vector<Flying> history;
  std::deque<Execute> running;
  std::set<CallId> marks;  // on disk: these outlive the node
  std::map<CallId, int> runs;
  std::map<CallId, int> runs_of_this_life;
  std::vector<CallId> ended;
  std::set<CallId> again;  // may run again, since they are safe and their first deadline is over
  bool is_ending = false;  // no new calls
  std::size_t calls = 0;
  std::size_t done = 0;
};

void simulate(std::uint64_t seed, int percent_evil, std::size_t calls, double at_least_done,
              const ResponderLimits& limits = {}, bool ids_again = false) {
  Simulation simulation(seed, percent_evil, limits, ids_again);
  while (simulation.calls < calls) {
    simulation.step();
    if (simulation.random.below(3'000) < static_cast<std::uint64_t>(percent_evil) / 10) {
      simulation.restart_something();
      simulation.expect_bounds();
    }
  }
  simulation.is_ending = true;
  for (int i = 0; i < 800; ++i) simulation.step();
  simulation.expect_bounds();
  EXPECT_GT(static_cast<double>(simulation.done), at_least_done * static_cast<double>(simulation.calls));
}

TEST(SealedSimulation, AnHonestBrokerCarriesEveryCall) {
  simulate(1, 0, 3'000, 0.97);
}

TEST(SealedSimulation, AnEvilBrokerMakesNothingRunTwice) {
  for (std::uint64_t seed = 10; seed < 16; ++seed) simulate(seed, 30, 1'500, 0.5);
}

TEST(SealedSimulation, AWorseBrokerMakesNothingRunTwiceEither) {
  for (std::uint64_t seed = 20; seed < 24; ++seed) simulate(seed, 90, 500, 0.05);
}

TEST(SealedSimulation, IdsThatAreUsedAgainWhereRoomIsShortRunNothingTwiceEither) {
  const ResponderLimits limits{.results_per_principal = 70};
  for (std::uint64_t seed = 30; seed < 36; ++seed) simulate(seed, 20, 3'000, 0.3, limits, true);
}

}  // namespace
}  // namespace sallyport::sealed
