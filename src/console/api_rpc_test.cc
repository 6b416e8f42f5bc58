// Nodes and calls: what reaches the authority and the role caller, in which order, and what of it is kept out.
#include "console/detail/test_console.h"

namespace sallyport::console {
namespace {

const std::string kNode = "/api/v1/rpc/nodes/pump-1";
const std::string kCallId = "0190b1c2-7a5e-7c3d-8f00-112233445566";
const std::string kBegun = R"({"key":"plant-a","id":")" + kCallId + "\"}";
const std::string kSecretLine = "spk1_plant-b_SECRETSECRETSECRETSECRETSECRETSECRETSECRETS_CHECK";

struct RpcRoute {
  std::string path;
  std::string body;
  std::string role;  // the least
  bool is_dangerous = false;
};
const std::vector<RpcRoute> kRpcActs = {
    {kNode + "/calls", R"({"method":"pump.start"})", "operator", false},
    {kNode + "/kept-keys", R"({"purpose":"calls","key":"spk1_a_b_c"})", "owner", true},
    {kNode + "/kept-keys/calls/forget", "{}", "owner", true},
    {kNode + "/keys", R"({"id":"b","allow":["test"]})", "owner", true},
    {kNode + "/keys/b/rotate", R"({"overlap_s":60})", "owner", true},
    {kNode + "/keys/b/remove", R"({"confirm":"b"})", "owner", true}};
const std::vector<std::pair<std::string, std::string>> kRpcReads = {{"/api/v1/rpc/nodes", "viewer"},
                                                                    {kNode + "/methods", "operator"},
                                                                    {"/api/v1/rpc/calls/" + kCallId, "operator"},
                                                                    {kNode + "/keys", "owner"}};

class RpcConsoleTest : public ConsoleTest {
 protected:
  void SetUp() override {
    authority.users.insert({{"otto", {"operator", "", authority.users.at("root").password_hash}},
                            {"vito", {"viewer", "", authority.users.at("root").password_hash}}});
    ConsoleTest::SetUp();
    caller_answers = {{"begin", kBegun},
                      {"run", R"({"outcome":"answered","duration_ms":12})"},
                      {"check", R"({"id":"plant-a"})"},
                      {"keep", R"({"id":"plant-a"})"},
                      {"add", R"({"key":")" + kSecretLine + "\"}"}};
  }
  std::string stepped_up(const std::string& login) {
    const std::string cookie = authority.add_session(login);
    EXPECT_EQ(send(post("/api/v1/session/step-up", R"({"password":"correct horse battery"})", cookie)).status, 204U);
    authority.asked.clear();
    return cookie;
  }
  void wait_until(const std::function<bool()>& condition) {
    const net::Deadline limit(kSoon);
    while (!condition() && !limit.passed()) {
      io.restart();
      io.run_for(milliseconds(5));
    }
    EXPECT_TRUE(condition());
  }
  std::vector<std::string> methods_asked() const {
    std::vector<std::string> out;
    for (const auto& each : authority.asked) out.push_back(each.method);
    return out;
  }
};

TEST_F(RpcConsoleTest, ACallIsCheckedThenNotedThenSentThenNotedAgain) {
  const auto response = send(post(kNode + "/calls", R"({"method":"pump.start","params":"{\"pin\":\"4711\"}"})",
                                  authority.add_session("otto")));
  ASSERT_EQ(response.status, 202U) << as_text(response.body);
  EXPECT_EQ(json_of(response).text_at("id").value(), kCallId);
  EXPECT_EQ(json_of(response).text_at("key").value(), "plant-a");
  wait_until([&] { return authority.asked.size() == 2; });
  EXPECT_EQ(methods_asked(), (std::vector<std::string>{"rpc.called", "rpc.ended"}));
  EXPECT_EQ(authority.asked[0].actor, "otto");
  EXPECT_EQ(
      authority.asked[1].parameters,
      R"({"call":")" + kCallId + R"(","duration_ms":12,"method":"pump.start","node":"pump-1","outcome":"answered"})");
  for (const auto& each : authority.asked) EXPECT_FALSE(each.parameters.contains("4711")) << "params are in no log";
  ASSERT_EQ(caller_questions.size(), 2U);
  EXPECT_EQ(caller_questions[0],
            R"({"act":"begin","by":"otto","method":"pump.start","node":"pump-1","params":"{\"pin\":\"4711\"}"})");
  EXPECT_EQ(caller_questions[1], R"({"act":"run","by":"otto","id":")" + kCallId + "\"}");
}

TEST_F(RpcConsoleTest, WhatTheAuthorityDoesNotNoteIsNotSent) {
  authority.refusal = Error{Errc::unauthorized, "forbidden: not you"};
  const auto refused = send(post(kNode + "/calls", R"({"method":"pump.start"})", authority.add_session("otto")));
  EXPECT_EQ(problem_of(refused), "forbidden");
  io.restart();
  io.run_for(milliseconds(20));
  ASSERT_EQ(caller_questions.size(), 1U) << "begun, and never run";
}

TEST_F(RpcConsoleTest, WhatTheCallerRefusesIsNotNoted) {
  caller_answers.insert_or_assign("begin", fail(Errc::conflict, "rpc-key-missing: no key for calls is kept"));
  const auto refused = send(post(kNode + "/calls", R"({"method":"pump.start"})", authority.add_session("otto")));
  EXPECT_EQ(problem_of(refused), "rpc-key-missing");
  EXPECT_EQ(refused.status, 409U);
  EXPECT_TRUE(authority.asked.empty());
}

TEST_F(RpcConsoleTest, OfHowACallEndedNothingIsNotedButAWordAndANumber) {
  for (const char* lie : {R"({"outcome":"<script>","duration_ms":-5})", "[[[[[[[[", R"({"outcome":7})", "",
                          R"({"outcome":"answered ","duration_ms":"x"})"}) {
    authority.asked.clear();
    caller_answers.insert_or_assign("run", std::string(lie));
    ASSERT_EQ(send(post(kNode + "/calls", R"({"method":"test"})", authority.add_session("otto"))).status, 202U);
    wait_until([&] { return authority.asked.size() == 2; });
    EXPECT_TRUE(authority.asked[1].parameters.contains(R"("outcome":"unknown")")) << lie;
    EXPECT_TRUE(authority.asked[1].parameters.contains(R"("duration_ms":0)")) << lie;
  }
  authority.asked.clear();
  caller_answers.insert_or_assign("run", fail(Errc::unavailable, "gone"));
  ASSERT_EQ(send(post(kNode + "/calls", R"({"method":"test"})", authority.add_session("otto"))).status, 202U);
  wait_until([&] { return authority.asked.size() == 2; });
  EXPECT_TRUE(authority.asked[1].parameters.contains(R"("outcome":"unknown")"));
}

TEST_F(RpcConsoleTest, AnotherSiteCanCauseNoneOfTheActs) {
  const std::string cookie = authority.add_session("root");
  for (const RpcRoute& act : kRpcActs) {
    auto form = post(act.path, act.body, cookie);
    form.headers.set("Content-Type", "text/plain");
    EXPECT_EQ(problem_of(send(form)), "unsupported-media-type") << act.path;
    for (const char* origin : {"https://evil.example", "null", "https://console.example"}) {
      auto foreign = post(act.path, act.body, cookie);
      foreign.headers.set("Origin", origin);
      EXPECT_EQ(problem_of(send(foreign)), "origin-mismatch") << act.path << origin;
    }
    auto without = post(act.path, act.body, cookie);
    without.headers.remove("Origin");
    EXPECT_EQ(problem_of(send(without)), "origin-mismatch") << act.path;
    auto guessed = post(act.path, act.body, cookie);
    guessed.headers.set("X-CSRF-Token", std::string(64, 'd'));
    EXPECT_EQ(problem_of(send(guessed)), "csrf-mismatch") << act.path;
    auto missing = post(act.path, act.body, cookie);
    missing.headers.remove("X-CSRF-Token");
    EXPECT_EQ(problem_of(send(missing)), "csrf-mismatch") << act.path;
    EXPECT_EQ(problem_of(send(post(act.path, act.body))), "unauthenticated") << act.path;
  }
  EXPECT_TRUE(authority.asked.empty());
  EXPECT_TRUE(caller_questions.empty());
}

TEST_F(RpcConsoleTest, EveryRouteHasItsLeastRole) {
  const std::map<std::string, std::vector<std::string>> smaller = {
      {"viewer", {}}, {"operator", {"vito"}}, {"owner", {"vito", "otto"}}};
  for (const auto& [path, role] : kRpcReads) {
    for (const std::string& login : smaller.at(role))
      EXPECT_EQ(problem_of(send(get(path, authority.add_session(login)))), "forbidden") << path << login;
    EXPECT_EQ(send(get(path)).status, 401U) << path;
  }
  for (const RpcRoute& act : kRpcActs) {
    for (const std::string& login : smaller.at(act.role))
      EXPECT_EQ(problem_of(send(post(act.path, act.body, authority.add_session(login)))), "forbidden") << act.path;
  }
  EXPECT_TRUE(caller_questions.empty());
}

TEST_F(RpcConsoleTest, PeopleOfOneTenantSeeNothingOfIt) {
  const std::string olga = stepped_up("olga");
  for (const auto& [path, role] : kRpcReads) EXPECT_EQ(problem_of(send(get(path, olga))), "forbidden") << path;
  for (const RpcRoute& act : kRpcActs)
    EXPECT_EQ(problem_of(send(post(act.path, act.body, olga))), "forbidden") << act.path;
  EXPECT_TRUE(caller_questions.empty());
  EXPECT_TRUE(authority.asked.empty());
}

TEST_F(RpcConsoleTest, KeysAskForThePasswordAgainAndCallsDoNot) {
  const std::string cookie = authority.add_session("root");
  for (const RpcRoute& act : kRpcActs) {
    const auto response = send(post(act.path, act.body, cookie));
    if (act.is_dangerous) {
      EXPECT_EQ(problem_of(response), "step-up-required") << act.path;
    } else {
      EXPECT_EQ(response.status, 202U) << act.path;
    }
  }
}

TEST_F(RpcConsoleTest, ASecretPassesOnceAndIsInNoLog) {
  const auto response =
      send(post(kNode + "/keys", R"({"id":"plant-b","allow":["test"],"comment":"x"})", stepped_up("root")));
  ASSERT_EQ(response.status, 201U) << as_text(response.body);
  EXPECT_EQ(json_of(response).text_at("key").value(), kSecretLine);
  EXPECT_EQ(response.headers.get("Cache-Control"), "no-store");
  EXPECT_EQ(methods_asked(), (std::vector<std::string>{"rpc.called", "rpc.ended"}));
  for (const auto& each : authority.asked) EXPECT_FALSE(each.parameters.contains("SECRET")) << each.parameters;
  EXPECT_EQ(caller_questions.back(),
            R"({"act":"add","id":"plant-b","node":"pump-1","rules":{"allow":["test"],"comment":"x"}})");
}

TEST_F(RpcConsoleTest, AKeyIsReadThenNotedByItsIdThenKept) {
  const std::string order = R"({"purpose":"calls","key":")" + kSecretLine + "\"}";
  EXPECT_EQ(send(post(kNode + "/kept-keys", order, stepped_up("root"))).status, 200U);
  EXPECT_EQ(authority.asked.back().parameters, R"({"key":"plant-a","node":"pump-1","purpose":"calls"})");
  ASSERT_EQ(caller_questions.size(), 2U);
  const std::string rest = R"(,"by":"root","key":")" + kSecretLine + R"(","node":"pump-1","purpose":"calls"})";
  EXPECT_EQ(caller_questions[0], R"({"act":"check")" + rest);
  EXPECT_EQ(caller_questions[1], R"({"act":"keep")" + rest);
}

TEST_F(RpcConsoleTest, AKeyThatCannotBeNotedIsNotKeptAndTheOneBeforeStays) {
  const std::string cookie = stepped_up("root");
  const std::string order = R"({"purpose":"calls","key":")" + kSecretLine + "\"}";
  ASSERT_EQ(send(post(kNode + "/kept-keys", order, cookie)).status, 200U);
  caller_questions.clear();
  authority.refusal = Error{Errc::unavailable, "no"};
  EXPECT_EQ(problem_of(send(post(kNode + "/kept-keys", order, cookie))), "unavailable");
  ASSERT_EQ(caller_questions.size(), 1U) << "neither kept nor forgotten";
  EXPECT_TRUE(caller_questions[0].starts_with(R"({"act":"check")"));
  authority.refusal = Error{Errc::unavailable, "no"};
  EXPECT_EQ(problem_of(send(post(kNode + "/kept-keys/calls/forget", "{}", cookie))), "unavailable");
  EXPECT_EQ(caller_questions.size(), 1U) << "and not forgotten unnoted either";
}

TEST_F(RpcConsoleTest, AKeyThatTheCallerCannotReadIsNotNoted) {
  caller_answers.insert_or_assign("check", fail(Errc::malformed, "invalid-request: key: is none"));
  const std::string order = R"({"purpose":"calls","key":"spk1_x"})";
  EXPECT_EQ(problem_of(send(post(kNode + "/kept-keys", order, stepped_up("root")))), "invalid-request");
  EXPECT_TRUE(authority.asked.empty());
  EXPECT_EQ(caller_questions.size(), 1U);
}

TEST_F(RpcConsoleTest, ARemovalWantsTheKeysIdTyped) {
  const std::string cookie = stepped_up("root");
  EXPECT_EQ(problem_of(send(post(kNode + "/keys/b/remove", R"({"confirm":"c"})", cookie))), "confirmation-mismatch");
  EXPECT_TRUE(caller_questions.empty());
  EXPECT_EQ(send(post(kNode + "/keys/b/remove", R"({"confirm":"b"})", cookie)).status, 204U);
  caller_answers.insert_or_assign("remove", fail(Errc::expired, "rpc-no-answer: no answer within 10 s"));
  const auto silent = send(post(kNode + "/keys/b/remove", R"({"confirm":"b"})", cookie));
  EXPECT_EQ(problem_of(silent), "rpc-no-answer");
  EXPECT_EQ(silent.status, 504U);
  EXPECT_TRUE(authority.asked.back().parameters.contains(R"("outcome":"unknown")"));
}

TEST_F(RpcConsoleTest, RefusesMembersThatItDoesNotKnow) {
  const std::string cookie = stepped_up("root");
  for (const auto& [path, body] : std::vector<std::pair<std::string, std::string>>{
           {kNode + "/calls", R"({})"},
           {kNode + "/calls", R"({"method":"test","by":"ann"})"},
           {kNode + "/calls", R"({"method":"test","act":"keep"})"},
           {kNode + "/calls", R"({"method":"test","node":"pump-2"})"},
           {kNode + "/calls", R"({"method":"test","params":{}})"},
           {kNode + "/calls", R"({"method":"test","timeout_ms":540001})"},
           {kNode + "/calls", R"({"method":"test","id":"1"})"},
           {kNode + "/calls", R"({"method":"test","key":""})"},
           {kNode + "/calls", R"({"method":"test","key":["plant-a"]})"},
           {kNode + "/kept-keys", R"({"purpose":"calls"})"},
           {kNode + "/keys", R"({"id":"b"})"},
           {kNode + "/keys", R"({"id":"b","allow":"test"})"},
           {kNode + "/keys", R"({"id":"b","allow":[]})"},
           {kNode + "/keys", R"({"id":"b","allow":[1]})"},
           {kNode + "/keys", R"({"id":"b","allow":["test"],"secret":"x"})"},
           {kNode + "/keys/b/rotate", R"({"overlap_s":7776001})"},
           {kNode + "/keys/b/rotate", R"({"overlap_s":"60"})"}}) {
    EXPECT_EQ(problem_of(send(post(path, body, cookie))), "invalid-request") << path << body;
  }
  std::string many = R"({"id":"b","allow":["test")";
  for (int i = 0; i < 64; ++i) many += R"(,"x")";
  EXPECT_EQ(problem_of(send(post(kNode + "/keys", many + "]}", cookie))), "invalid-request");
  EXPECT_TRUE(caller_questions.empty());
}

TEST_F(RpcConsoleTest, WhatTheCallerSaysPassesAsItIs) {
  caller_answers.insert_or_assign("nodes", std::string("not even JSON <script>"));
  const auto response = send(get("/api/v1/rpc/nodes", authority.add_session("vito")));
  EXPECT_EQ(response.status, 200U);
  EXPECT_EQ(as_text(response.body), "not even JSON <script>");
  EXPECT_EQ(response.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(response.headers.get("X-Content-Type-Options"), "nosniff");
}

TEST_F(RpcConsoleTest, PagesAreToldThatSomethingMovedAndNeverWhat) {
  const std::string cookie = authority.add_session("vito");
  send(get("/api/v1/rpc/nodes", cookie));
  auto stream = connect();
  ASSERT_TRUE(stream);
  http::Request watching = get("/api/v1/events", cookie);
  const std::string head = fmt::format(
      "GET /api/v1/events HTTP/1.1\r\nHost: console.example:8443\r\nCookie: {}={}\r\n\r\n", kCookie, cookie);
  ASSERT_TRUE(net::run(io, (*stream)->write_all(as_bytes(head), kSoon)).has_value());
  ASSERT_TRUE(read_until(**stream, "event: ready").contains("event: ready"));
  ASSERT_NE(caller_peer, nullptr);
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(caller_peer->send_event(to_bytes(std::string_view("event: alarm\ndata: evil\n\n"))));
  const std::string told = read_until(**stream, "event: rpc\ndata: {}\n\n");
  EXPECT_TRUE(told.contains("event: rpc\ndata: {}\n\n")) << told;
  EXPECT_FALSE(told.contains("evil"));
  const auto second = told.find("event: rpc", told.find("event: rpc") + 1);
  EXPECT_EQ(second, std::string::npos) << "a flood is told once";
}

class WithoutCallerTest : public RpcConsoleTest {
 protected:
  WithoutCallerTest() { has_caller = false; }
};

TEST_F(WithoutCallerTest, TheListSaysSoAndEverythingElseIsRefused) {
  const auto response = send(get("/api/v1/rpc/nodes", authority.add_session("vito")));
  ASSERT_EQ(response.status, 200U);
  EXPECT_FALSE(json_of(response).boolean_at("configured").value());
  EXPECT_EQ(problem_of(send(get("/api/v1/rpc/nodes", authority.add_session("olga")))), "forbidden");
  const std::string cookie = stepped_up("root");
  for (const RpcRoute& act : kRpcActs)
    EXPECT_EQ(problem_of(send(post(act.path, act.body, cookie))), "rpc-off") << act.path;
  EXPECT_EQ(problem_of(send(get(kNode + "/methods", cookie))), "rpc-off");
  EXPECT_TRUE(caller_questions.empty());
}

}  // namespace
}  // namespace sallyport::console
