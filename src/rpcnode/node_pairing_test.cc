// Pairing by the key `default`, as callers meet it (ADR 0031).
#include "rpcnode/detail/test_node_story.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;
using story::kName;
using story::NodeStory;

TEST_F(NodeStory, WhoComesWithThePairingKeyIsLetInOnceAndItEnds) {
  const sealed::ApiKey pairing = open_pairing({"look"});
  call_with(pairing);
  EXPECT_EQ(code_of(call("look")), sealed::RpcCode::forbidden) << "it pairs and does nothing else";
  EXPECT_EQ(code_of(call("keys.list")), sealed::RpcCode::forbidden);
  const auto made = call("pair", Json::Object{{"id", "ann"}});
  ASSERT_TRUE(made && made->result) << (made ? made->error->message : made.error().detail);
  const auto key = sealed::parse_api_key(*made->result->text_at("key"));
  ASSERT_TRUE(key);
  node_->on_tick();
  call_with(*key);
  EXPECT_TRUE(call("look")->result);
  EXPECT_EQ(code_of(call("count")), sealed::RpcCode::forbidden);
  call_with(pairing);
  EXPECT_FALSE(call("pair", Json::Object{{"id", "eve"}}, {.timeout = milliseconds(800)})) << "no longer answered";
  EXPECT_NE(audit().find("\"method\":\"pair\""), std::string::npos);
}

TEST_F(NodeStory, NobodyPairsWithAnotherKey) {
  open_pairing({"look"});
  for (const char* pattern : {"*", "pair"}) {
    call_with(make_key(pattern == std::string_view("*") ? "ann" : "bob", {pattern}));
    const auto refused = call("pair", Json::Object{{"id", "eve"}});
    ASSERT_TRUE(refused);
    EXPECT_TRUE(refused->error) << pattern;
  }
}

TEST_F(NodeStory, OnePairingInABatchIsAllThatItGives) {
  call_with(open_pairing({"look"}));
  const auto reply = run(caller_->send(
      sealed::draw_call_id(clock_.now(), random_),
      R"([{"jsonrpc":"2.0","id":1,"method":"pair","params":{"id":"a"}},{"jsonrpc":"2.0","id":2,"method":"pair","params":{"id":"b"}}])",
      {}));
  ASSERT_TRUE(reply);
  EXPECT_NE(reply->json.find("spk1_a_"), std::string::npos);
  EXPECT_EQ(reply->json.find("spk1_b_"), std::string::npos);
}

TEST_F(NodeStory, WhatIsNoPairingTakesNoUse) {
  call_with(open_pairing({"look"}));
  for (const Json& params :
       {Json(nullptr), Json(Json::Object{}), Json(Json::Object{{"id", "A"}}),
        Json(Json::Object{{"id", "a"}, {"who", "device:abcdefghij"}}), Json(Json::Object{{"who", "device:*"}}),
        Json(Json::Object{{"id", "a"}, {"allow", "*"}})}) {
    const auto refused = call("pair", params);
    ASSERT_TRUE(refused) << params.write();
    EXPECT_TRUE(refused->error) << params.write();
  }
  EXPECT_TRUE(call("pair", Json::Object{{"id", "ann"}})->result);
}

TEST_F(NodeStory, ACertificateThatWasPairedIsKnown) {
  const sealed::Principal device("device:abcdefghij");
  EXPECT_FALSE(node_->knows(device));
  call_with(open_pairing({"look"}));
  ASSERT_TRUE(call("pair", Json::Object{{"who", device.get()}})->result);
  EXPECT_TRUE(node_->knows(device));
  EXPECT_FALSE(node_->knows(sealed::Principal("device:bbbbbbbbbb")));
  auto keys = NodeKeys::open(folder_ / "keys.json", kName);
  ASSERT_TRUE(keys->remove_paired(device.get(), clock_.now()));
  node_->on_tick();
  EXPECT_FALSE(node_->knows(device));
}

}  // namespace
}  // namespace sallyport::rpcnode
