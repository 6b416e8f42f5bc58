#include "rpcnode/caller_role.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include "keystore/file.h"
#include "net/connect.h"
#include "net/rpc.h"
#include "net/run.h"
#include "net/timer.h"
#include "rpcnode/detail/test_devices.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;

constexpr milliseconds kPatience{10'000};
const std::string kUnknownCall = "0190b1c2-7a5e-7c3d-8f00-112233445566";

// The role with a broker that is not there: nobody listens at a port that was taken and given back.
class CallerRoleTest : public testing::Test {
 protected:
  CallerRoleTest() {
    std::string pattern = testing::TempDir() + "caller-role-XXXXXX";
    folder = ::mkdtemp(pattern.data());
    auto taken = net::Listener::tcp(io.executor(), {"127.0.0.1", 0});
    EXPECT_TRUE(taken);
    broker.address = (*taken)->address();
  }
  ~CallerRoleTest() override {
    end();
    std::filesystem::remove_all(folder);
  }

  void end() {
    io.restart();
    net::run(io, tasks->stop());
    role.reset();
  }
  // Anew, as after a restart.
  void open(std::set<uid_t> askers = {::getuid()}) {
    end();
    tasks = std::make_unique<net::TaskGroup>(io.executor());
    auto opened = CallerRole::open(*tasks, clock, random,
                                   {.way = {.prefix = {}, .brokers = {broker}},
                                    .folder = folder,
                                    .roots = {devices.root()},
                                    .zone = TestDevices::zone(),
                                    .askers = std::move(askers)});
    ASSERT_TRUE(opened) << opened.error().detail;
    role = *std::move(opened);
  }
  Result<Bytes> ask(std::string_view text) {
    io.restart();
    auto answer = net::run(io, role->answer(to_bytes(text)));
    EXPECT_TRUE(answer);
    return *std::move(answer);
  }
  Json json(std::string_view text) {
    const auto answer = ask(text);
    EXPECT_TRUE(answer) << text << ": " << (answer ? "" : answer.error().detail);
    return answer ? codec::parse_json(as_text(*answer)).value_or(Json()) : Json();
  }
  std::string refusal(std::string_view text) {
    const auto answer = ask(text);
    EXPECT_FALSE(answer) << text;
    return answer ? std::string() : answer.error().detail;
  }
  std::string line_of(const std::string& id) {
    return std::string(as_text(sealed::to_text(sealed::draw_api_key(sealed::KeyId(id), random)).expose()));
  }
  void keep(const std::string& node, const std::string& purpose, const std::string& id = "plant-a") {
    const Json answer = json(fmt::format(R"({{"act":"keep","by":"ann","node":"{}","purpose":"{}","key":"{}"}})", node,
                                         purpose, line_of(id)));
    EXPECT_EQ(answer.text_at("id").value_or(""), id);
  }

  net::Io io;
  std::unique_ptr<net::TaskGroup> tasks = std::make_unique<net::TaskGroup>(io.executor());
  ManualClock clock{kTestNow};
  crypto::SystemRandom random;
  TestDevices devices;
  BrokerSettings broker;
  std::filesystem::path folder;
  std::unique_ptr<CallerRole> role;
};

TEST_F(CallerRoleTest, ListsNodesForWhichAKeyIsKeptAndNeverTheKey) {
  open();
  EXPECT_EQ(json(R"({"act":"nodes"})").at("nodes")->array()->size(), 0U);
  const std::string line = line_of("plant-a");
  json(R"({"act":"keep","by":"ann","node":"pump-1","purpose":"calls","key":")" + line + "\"}");
  keep("pump-1", "keys", "admin");
  const auto answer = ask(R"({"act":"nodes"})");
  ASSERT_TRUE(answer);
  EXPECT_FALSE(as_text(*answer).contains(line.substr(13, 20))) << "nothing of a key";
  const auto listed = codec::parse_json(as_text(*answer));
  EXPECT_TRUE(listed->boolean_at("configured").value());
  const Json node = listed->at("nodes")->array()->front();
  EXPECT_EQ(node.text_at("name").value(), "pump-1");
  EXPECT_EQ(node.text_at("verdict").value(), "untold");
  EXPECT_EQ(node.at("calls_key")->text_at("id").value(), "plant-a");
  EXPECT_EQ(node.at("keys_key")->text_at("by").value(), "ann");
}

TEST_F(CallerRoleTest, ChecksAKeyThatIsToBeKeptAndKeepsTheOneBefore) {
  open();
  const auto check = [&](const std::string& line) {
    return R"({"act":"check","by":"ann","node":"pump-1","purpose":"calls","key":")" + line + "\"}";
  };
  EXPECT_EQ(json(check(line_of("plant-b"))).write(), R"({"id":"plant-b"})");
  EXPECT_EQ(json(R"({"act":"nodes"})").at("nodes")->array()->size(), 0U) << "nothing is kept";
  keep("pump-1", "calls");
  json(check(line_of("plant-b")));
  const Json node = json(R"({"act":"nodes"})").at("nodes")->array()->front();
  EXPECT_EQ(node.at("calls_key")->text_at("id").value(), "plant-a");
  EXPECT_TRUE(refusal(check("spk1_x")).starts_with("invalid-request: key: "));
}

TEST_F(CallerRoleTest, WhatIsKeptOutlivesItAndWhatIsForgottenDoesNot) {
  open();
  keep("pump-1", "calls");
  keep("pump-2", "calls");
  json(R"({"act":"forget","node":"pump-2","purpose":"calls"})");
  EXPECT_TRUE(refusal(R"({"act":"forget","node":"pump-2","purpose":"calls"})").starts_with("not-found: "));
  open();
  const auto nodes = json(R"({"act":"nodes"})").at("nodes")->array();
  ASSERT_EQ(nodes->size(), 1U);
  EXPECT_EQ(nodes->front().text_at("name").value(), "pump-1");
}

TEST_F(CallerRoleTest, WithoutAKeyNothingIsBegunOrAsked) {
  open();
  keep("pump-1", "calls");
  for (const char* act :
       {R"({"act":"methods","node":"pump-2"})", R"({"act":"keys","node":"pump-1"})",
        R"({"act":"begin","by":"ann","node":"pump-2","method":"test"})",
        R"({"act":"add","node":"pump-1","id":"b","rules":{"allow":["test"]}})",
        R"({"act":"rotate","node":"pump-1","id":"b","overlap_s":0})", R"({"act":"remove","node":"pump-1","id":"b"})"}) {
    EXPECT_TRUE(refusal(act).starts_with("rpc-key-missing: ")) << act;
  }
}

TEST_F(CallerRoleTest, AKeyThatIsKeptHereIsNotRotatedSoThatALostAnswerLocksUsOut) {
  open();
  keep("pump-1", "calls");
  keep("pump-1", "keys", "admin");
  const auto rotate = [&](const std::string& id, seconds overlap) {
    return refusal(fmt::format(R"({{"act":"rotate","node":"pump-1","id":"{}","overlap_s":{}}})", id, overlap.count()));
  };
  for (const char* id : {"admin", "plant-a"}) {
    for (const seconds overlap : {seconds(0), seconds(1), kLeastKeptOverlap - seconds(1)})
      EXPECT_TRUE(rotate(id, overlap).starts_with("invalid-request: overlap_s: ")) << id;
    EXPECT_TRUE(rotate(id, kLeastKeptOverlap).starts_with("unavailable: no broker")) << "it would be sent";
  }
  EXPECT_TRUE(rotate("plant-b", seconds(0)).starts_with("unavailable: no broker")) << "another's key";
}

TEST_F(CallerRoleTest, WithoutABrokerACallIsToldAsNotSent) {
  open();
  keep("pump-1", "calls");
  EXPECT_TRUE(refusal(R"({"act":"methods","node":"pump-1"})").starts_with("unavailable: no broker is connected"));
  const std::string id =
      json(R"({"act":"begin","by":"ann","node":"pump-1","method":"pump.start","params":"{}"})").text_at("id").value();
  const std::string mine = R"("by":"ann","id":")" + id + "\"}";
  EXPECT_EQ(json(R"({"act":"look",)" + mine).text_at("state").value(), "ready");
  const Json ended = json(R"({"act":"run",)" + mine);
  EXPECT_EQ(ended.text_at("outcome").value(), "unsent");
  EXPECT_EQ(json(R"({"act":"look",)" + mine).text_at("outcome").value(), "unsent");
  EXPECT_TRUE(refusal(R"({"act":"run",)" + mine).starts_with("state-conflict: ")) << "sent once";
}

TEST_F(CallerRoleTest, ACallIsSentAndAskedAgainByTheKeyOfItsFirstSendingAlone) {
  open();
  keep("pump-1", "calls");
  const std::string call = R"({"act":"begin","by":"ann","node":"pump-1","method":"pump.start")";
  const Json begun = json(call + "}");
  EXPECT_EQ(begun.text_at("key").value(), "plant-a");
  const std::string id = R"("id":")" + begun.text_at("id").value() + "\"";
  const std::string run = R"({"act":"run","by":"ann",)" + id + "}";
  EXPECT_EQ(json(run).text_at("outcome").value(), "unsent");
  const std::string again = call + R"(,"key":"plant-a",)" + id + "}";
  json(again);
  EXPECT_EQ(json(run).text_at("outcome").value(), "unknown") << "the sending before is not looked at";
  json(again);
  keep("pump-1", "calls", "plant-b");
  EXPECT_EQ(json(run).text_at("outcome").value(), "unknown");
  EXPECT_EQ(json(R"({"act":"look","by":"ann",)" + id + "}").text_at("detail").value(),
            "asked again: another key is kept by now");
  EXPECT_TRUE(refusal(again).starts_with("state-conflict: "));
  open();
  EXPECT_TRUE(refusal(again).starts_with("state-conflict: ")) << "a restart forgets the call, and not its key";
}

TEST_F(CallerRoleTest, CallsOfOthersAreNotThere) {
  open();
  keep("pump-1", "calls");
  const std::string id = json(R"({"act":"begin","by":"ann","node":"pump-1","method":"test"})").text_at("id").value();
  for (const std::string& of : {R"("by":"ben","id":")" + id, R"("by":"ann","id":")" + kUnknownCall}) {
    EXPECT_TRUE(refusal(R"({"act":"look",)" + of + "\"}").starts_with("not-found: ")) << of;
    EXPECT_TRUE(refusal(R"({"act":"run",)" + of + "\"}").starts_with("not-found: ")) << of;
  }
  const std::string again =
      R"({"act":"begin","by":"ben","node":"pump-1","method":"test","key":"plant-a","id":")" + id + "\"}";
  EXPECT_TRUE(refusal(again).starts_with("state-conflict: "));
}

TEST_F(CallerRoleTest, RequestsThatAreNoneAreRefused) {
  open();
  for (const char* text : {"", "{}", R"({"act":"list"})", R"({"act":"nodes","x":1})",
                           R"({"act":"begin","by":"ann","node":"pump-1","method":"keys.add"})"}) {
    EXPECT_TRUE(refusal(text).starts_with("invalid-request: ")) << text;
  }
}

net::Task<Result<Bytes>> ask_over(std::string path, Bytes request) {
  CO_TRY(auto stream, co_await net::connect_unix(std::move(path), kPatience));
  const auto peer = net::RpcPeer::start(std::move(stream), {});
  auto answer = co_await peer->call(std::move(request), kPatience);
  peer->close();
  co_return answer;
}

TEST_F(CallerRoleTest, TheSocketAnswersWhoMayAskAndHangsUpOnOthers) {
  net::ignore_sigpipe();
  for (const bool may : {true, false}) {
    open(may ? std::set<uid_t>{::getuid()} : std::set<uid_t>{::getuid() + 1});
    const std::string path = (folder / "caller.sock").string();
    auto listener = net::Listener::unix_socket(io.executor(), path);
    ASSERT_TRUE(listener);
    tasks->spawn(role->serve(**listener), "askers");
    io.restart();
    const auto answer = net::run(io, ask_over(path, to_bytes(std::string_view(R"({"act":"nodes"})"))));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->has_value(), may) << (*answer ? "" : answer->error().detail);
    (*listener)->close();
    io.restart();
    io.run_for(milliseconds(5));
  }
}

TEST_F(CallerRoleTest, ADamagedFileStopsTheStart) {
  ASSERT_TRUE(keystore::atomic_write_file(folder / "kept-keys.json", as_bytes("{}"), keystore::kSecretMode));
  const auto refused = CallerRole::open(*tasks, clock, random,
                                        {.way = {.prefix = {}, .brokers = {broker}},
                                         .folder = folder,
                                         .roots = {devices.root()},
                                         .zone = TestDevices::zone(),
                                         .askers = {}});
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().detail.contains("kept-keys.json")) << refused.error().detail;
}

}  // namespace
}  // namespace sallyport::rpcnode
