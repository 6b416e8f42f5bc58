// A node with callers, for this layer's tests alone.
#pragma once

#include <unistd.h>

#include <gtest/gtest.h>

#include "keystore/file.h"
#include "net/run.h"
#include "net/timer.h"
#include "rpcnode/caller_task.h"
#include "rpcnode/node.h"

namespace sallyport::rpcnode::story {

using codec::Json;

inline const sealed::NodeName kName("pump-1");

// A node and callers in one process: what one publishes the others get, unless the test is in between.
class NodeStory : public testing::Test {
 protected:
  NodeStory() {
    char pattern[] = "/tmp/rpc-node-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    start();
  }
  ~NodeStory() override {
    node_.reset();
    io_.restart();
    net::run(io_, tasks_.stop());
    std::filesystem::remove_all(folder_);
  }

  void start() {
    auto files = open_node_files(folder_, kName, clock_.now(), tasks_);
    ASSERT_TRUE(files) << files.error().detail;
    node_ = std::make_unique<Node>(tasks_, clock_, random_, kName, sealed::TopicPrefix(), *std::move(files),
                                   [this](const std::string& topic, const Bytes& payload) {
                                     answers_.push_back(payload);
                                     if (caller_) caller_->on_message(topic, payload, false);
                                   });
    add("slow", false, [this](MethodCall) -> net::Task<MethodResult> { return wait_for_gate(gate_); });
    add("count", false, [this](MethodCall) -> net::Task<MethodResult> { return count(counted_); });
    add("look", true, [](MethodCall call) -> net::Task<MethodResult> { return echo(std::move(call)); });
    add("tell", true, [](MethodCall call) -> net::Task<MethodResult> { return tell(std::move(call)); });
  }
  void add(std::string name, bool idempotent, std::function<net::Task<MethodResult>(MethodCall)> run) {
    Method method{.description = "of the test", .idempotent = idempotent};
    method.run = std::move(run);
    ASSERT_TRUE(node_->add_method(std::move(name), std::move(method)));
  }
  static net::Task<MethodResult> wait_for_gate(net::Event& gate) {
    static_cast<void>(co_await gate.wait(seconds(20)));
    co_return Json("late");
  }
  static net::Task<MethodResult> count(int& counted) { co_return Json(++counted); }
  static net::Task<MethodResult> echo(MethodCall call) { co_return call.params; }
  static net::Task<MethodResult> tell(MethodCall call) {
    call.progress(Json("half"));
    co_return Json("whole");
  }

  // A key that allows `patterns`, by way of the file, as another process would make it.
  sealed::ApiKey make_key(std::string_view id, std::vector<std::string> patterns, std::uint32_t per_minute = 600) {
    auto keys = NodeKeys::open(folder_ / "keys.json", kName);
    auto key = keys->add({.id = *sealed::parse_key_id(id),
                          .comment = "",
                          .rules = {.allow = std::move(patterns), .deny = {}, .items = {}, .deny_items = {}},
                          .calls_per_minute = per_minute,
                          .expires = std::nullopt},
                         clock_.now(), random_);
    EXPECT_TRUE(key);
    node_->on_tick();
    return *std::move(key);
  }
  sealed::ApiKey open_pairing(std::vector<std::string> patterns) {
    auto keys = NodeKeys::open(folder_ / "keys.json", kName);
    auto key = keys->open_pairing({.rules = {.allow = std::move(patterns), .deny = {}, .items = {}, .deny_items = {}}},
                                  clock_.now(), random_);
    EXPECT_TRUE(key);
    node_->on_tick();
    return *std::move(key);
  }
  void call_with(const sealed::ApiKey& key) {
    caller_ = std::make_unique<CallerTask>(
        tasks_, clock_, random_, kName, sealed::TopicPrefix(),
        sealed::KeyCredential{.key = sealed::derive_node_key(key.secret, kName)},
        CallerTransport{.subscribe = [this](const std::string& topic) { granted_.push_back(topic); },
                        .unsubscribe = [](const std::string&) {},
                        .publish = [this](const std::string&, const Bytes& payload) { sent_.push_back(payload); }});
    caller_->on_connected();
  }
  // Carries what waits until nothing is left.
  static net::Task<void> carry(NodeStory& story) {
    while (story.carries_) {
      while (!story.granted_.empty() || !story.sent_.empty()) {
        auto granted = std::exchange(story.granted_, {});
        for (const std::string& topic : granted) story.caller_->on_subscribed(topic);
        auto sent = std::exchange(story.sent_, {});
        for (const Bytes& payload : sent) {
          story.seen_.push_back(payload);
          story.node_->on_message(payload, false);
        }
      }
      co_await net::sleep_for(milliseconds(1));
    }
  }
  template <class T>
  T run(net::Task<T> task) {
    carries_ = true;
    net::TaskGroup carrying(io_.executor());
    carrying.spawn(carry(*this), "carry");
    io_.restart();
    auto result = net::run(io_, std::move(task));
    carries_ = false;
    io_.restart();
    net::run(io_, carrying.until_empty());
    return *std::move(result);
  }
  Result<sealed::RpcOutcome> call(std::string method, Json params = nullptr, CallChoices choices = {}) {
    return run(caller_->call(std::move(method), std::move(params), std::move(choices)));
  }
  sealed::RpcCode code_of(const Result<sealed::RpcOutcome>& outcome) {
    return outcome && outcome->error ? outcome->error->code : sealed::RpcCode(0);
  }
  Result<sealed::ReplyBody> send(sealed::CallId id, std::string_view method, CallChoices choices = {}) {
    return run(caller_->send(id, sealed::rpc_request(Json(1), method, Json(nullptr)), std::move(choices)));
  }

  // What a stored call came to, asked for until it has ended.
  Result<sealed::ReplyBody> result_of(const sealed::CallId& id) {
    constexpr int kMostQuestions = 1'000;
    auto answer = run(caller_->ask_result(id, seconds(10)));
    for (int i = 1; i < kMostQuestions && !answer && answer.error().code == Errc::not_yet; ++i)
      answer = run(caller_->ask_result(id, seconds(10)));
    return answer;
  }
  std::string audit() {
    io_.restart();
    io_.run_for(milliseconds(50));
    return std::string(as_text(*keystore::read_file(folder_ / "audit.jsonl", kMaxAuditFile)));
  }

  std::filesystem::path folder_;
  net::Io io_;
  net::TaskGroup tasks_{io_.executor()};
  ManualClock clock_{UnixTime(1'800'000'000)};
  SeededRandom random_{3};
  net::Event gate_{io_.executor()};
  int counted_ = 0;
  bool carries_ = false;
  std::unique_ptr<Node> node_;
  std::unique_ptr<CallerTask> caller_;
  std::vector<std::string> granted_;
  std::vector<Bytes> sent_, seen_, answers_;
};

}  // namespace sallyport::rpcnode::story
