#include "rpcnode/caller_request.h"

#include <gtest/gtest.h>

#include "crypto/system_random.h"

namespace sallyport::rpcnode {
namespace {

const std::string kCall = "0190b1c2-7a5e-7c3d-8f00-112233445566";

Result<CallerRequest> parse(std::string_view text) {
  return parse_caller_request(as_bytes(text));
}

TEST(CallerRequest, EveryActIsRead) {
  EXPECT_TRUE(std::holds_alternative<NodesRequest>(*parse(R"({"act":"nodes"})")));
  EXPECT_EQ(std::get<MethodsRequest>(*parse(R"({"act":"methods","node":"pump-1"})")).node.get(), "pump-1");
  EXPECT_EQ(std::get<RunRequest>(*parse(R"({"act":"run","by":"ann","id":")" + kCall + "\"}")).by, "ann");
  EXPECT_EQ(sealed::to_text(std::get<LookRequest>(*parse(R"({"act":"look","by":"ann","id":")" + kCall + "\"}")).id),
            kCall);
  EXPECT_EQ(std::get<ForgetRequest>(*parse(R"({"act":"forget","node":"pump-1","purpose":"keys"})")).purpose,
            KeyPurpose::keys);
  EXPECT_EQ(std::get<ListKeysRequest>(*parse(R"({"act":"keys","node":"pump-1"})")).node.get(), "pump-1");
}

TEST(CallerRequest, ACallIsReadWithItsChoices) {
  const auto read = parse(R"({"act":"begin","by":"ann","node":"pump-1","method":"pump.start","params":"{\"speed\":3}",)"
                          R"("idempotent":true,"timeout_ms":5000,"key":"plant-a","id":")" +
                          kCall + "\"}");
  ASSERT_TRUE(read) << read.error().detail;
  const auto& call = std::get<BeginRequest>(*read);
  EXPECT_EQ(call.method, "pump.start");
  EXPECT_EQ(call.params.write(), R"({"speed":3})");
  EXPECT_TRUE(call.idempotent);
  EXPECT_EQ(call.timeout, milliseconds(5'000));
  EXPECT_EQ(sealed::to_text(*call.id), kCall);
  EXPECT_EQ(call.key->get(), "plant-a");
  const auto least = parse(R"({"act":"begin","by":"ann","node":"pump-1","method":"test"})");
  ASSERT_TRUE(least);
  EXPECT_TRUE(std::get<BeginRequest>(*least).params.is_null());
  EXPECT_EQ(std::get<BeginRequest>(*least).timeout, kDefaultCallTimeout);
}

TEST(CallerRequest, AKeyIsReadFromTheLineThatWasShown) {
  crypto::SystemRandom random;
  const auto key = sealed::draw_api_key(sealed::KeyId("plant-a"), random);
  const std::string line(as_text(sealed::to_text(key).expose()));
  const auto read = parse(R"({"act":"keep","by":"ann","node":"pump-1","purpose":"calls","key":")" + line + "\"}");
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_TRUE(std::get<KeepRequest>(*read).key.secret.equals(key.secret.expose()));
  std::string mistyped = line;
  mistyped[line.size() / 2] = mistyped[line.size() / 2] == 'a' ? 'b' : 'a';
  const auto refused =
      parse(R"({"act":"keep","by":"ann","node":"pump-1","purpose":"calls","key":")" + mistyped + "\"}");
  ASSERT_FALSE(refused);
  EXPECT_FALSE(refused.error().detail.contains(mistyped.substr(10, 12))) << "nothing of it may be told";
}

TEST(CallerRequest, ChangesOfKeysBecomeCallsOfTheNodesMethods) {
  const auto added = parse(R"({"act":"add","node":"pump-1","id":"b","rules":{"allow":["test"]}})");
  ASSERT_TRUE(added) << added.error().detail;
  EXPECT_EQ(std::get<ManageRequest>(*added).method, "keys.add");
  EXPECT_EQ(std::get<ManageRequest>(*added).params.write(), R"({"allow":["test"],"id":"b"})");
  const auto rotated = parse(R"({"act":"rotate","node":"pump-1","id":"b","overlap_s":60})");
  EXPECT_EQ(std::get<ManageRequest>(*rotated).params.write(), R"({"id":"b","overlap_s":60})");
  EXPECT_EQ(std::get<ManageRequest>(*parse(R"({"act":"remove","node":"pump-1","id":"b"})")).method, "keys.remove");
}

void expect_refused(std::string_view text) {
  const auto refused = parse(text);
  ASSERT_FALSE(refused) << text;
  EXPECT_EQ(refused.error().code, Errc::malformed) << text;
  EXPECT_TRUE(refused.error().detail.starts_with("invalid-request: ")) << refused.error().detail;
}

TEST(CallerRequest, WhatIsNoActIsRefused) {
  for (const char* text : {"",
                           "{",
                           "[]",
                           "null",
                           "\"nodes\"",
                           "{}",
                           R"({"act":1})",
                           R"({"act":""})",
                           R"({"act":"Nodes"})",
                           R"({"act":"call"})",
                           R"({"act":"nodes","node":"pump-1"})",
                           R"({"act":"nodes","act":"nodes"})",
                           R"({"act":"methods"})",
                           R"({"act":"methods","node":1})",
                           R"({"act":"methods","node":""})",
                           R"({"act":"methods","node":"pump 1"})",
                           R"({"act":"methods","node":"../keys"})",
                           R"({"act":"methods","node":"a/b"})",
                           R"({"act":"methods","node":"+"})",
                           R"({"act":"keys","node":"#"})"}) {
    expect_refused(text);
  }
}

TEST(CallerRequest, ACallThatIsNoneIsRefused) {
  const auto with = [](std::string_view more) {
    return R"({"act":"begin","by":"ann","node":"pump-1","method":"test")" + std::string(more) + "}";
  };
  for (const char* more : {R"(,"params":{})", R"(,"params":"")", R"(,"params":"3")", R"(,"params":"{")",
                           R"(,"params":"\"x\"")", R"(,"params":"{\"a\":1,\"a\":2}")", R"(,"timeout_ms":499)",
                           R"(,"timeout_ms":540001)", R"(,"timeout_ms":"10")", R"(,"timeout_ms":-1)",
                           R"(,"idempotent":"yes")", R"(,"id":"1")", R"(,"id":"0190B1C2-7A5E-7C3D-8F00-112233445566")",
                           R"(,"stored":true)", R"(,"key":"x")", R"(,"id":"0190b1c2-7a5e-7c3d-8f00-112233445566")",
                           R"(,"id":"0190b1c2-7a5e-7c3d-8f00-112233445566","key":"X y")",
                           R"(,"id":"0190b1c2-7a5e-7c3d-8f00-112233445566","key":7)"}) {
    expect_refused(with(more));
  }
  for (const char* text :
       {R"({"act":"begin","node":"pump-1","method":"test"})",
        R"({"act":"begin","by":"","node":"pump-1","method":"test"})", R"({"act":"begin","by":"ann","method":"test"})",
        R"({"act":"begin","by":"ann","node":"pump-1"})", R"({"act":"begin","by":"ann","node":"pump-1","method":""})",
        R"({"act":"begin","by":"ann","node":"pump-1","method":"rm -rf"})"}) {
    expect_refused(text);
  }
  expect_refused(R"({"act":"begin","by":"ann","node":"pump-1","method":"test","params":"[)" +
                 std::string(kMaxCallParams, ' ') + "]\"}");
  expect_refused(R"({"act":"begin","by":")" + std::string(kMaxLogin + 1, 'a') +
                 R"(","node":"pump-1","method":"test"})");
}

TEST(CallerRequest, MethodsThatManageKeysAreNeverCalledAsOthers) {
  for (const char* method : {"keys.list", "keys.add", "keys.rotate", "keys.remove", "keys.anything"})
    expect_refused(R"({"act":"begin","by":"ann","node":"pump-1","method":")" + std::string(method) + "\"}");
}

TEST(CallerRequest, KeysThatAreNoneAreRefused) {
  for (const char* text :
       {R"({"act":"keep","by":"ann","node":"pump-1","purpose":"all","key":"spk1_a_b_c"})",
        R"({"act":"keep","by":"ann","node":"pump-1","purpose":"calls","key":""})",
        R"({"act":"keep","by":"ann","node":"pump-1","purpose":"calls"})",
        R"({"act":"keep","node":"pump-1","purpose":"calls","key":"x"})", R"({"act":"forget","node":"pump-1"})",
        R"({"act":"add","node":"pump-1","id":"B","rules":{}})", R"({"act":"add","node":"pump-1","id":"b"})",
        R"({"act":"add","node":"pump-1","id":"b","rules":[]})",
        R"({"act":"add","node":"pump-1","id":"b","rules":{"id":"c"}})",
        R"({"act":"add","node":"pump-1","id":"b","rules":{"secret":"x"}})",
        R"({"act":"rotate","node":"pump-1","id":"b"})", R"({"act":"rotate","node":"pump-1","id":"b","overlap_s":-1})",
        R"({"act":"rotate","node":"pump-1","id":"b","overlap_s":7776001})", R"({"act":"remove","node":"pump-1"})",
        R"({"act":"remove","node":"pump-1","id":"b","confirm":"b"})"}) {
    expect_refused(text);
  }
}

TEST(CallerRequest, MoreThanARequestIsRefusedUnread) {
  expect_refused(R"({"act":"nodes","x":")" + std::string(kMaxCallerRequest, 'x') + "\"}");
  expect_refused(R"({"act":"methods","node":)" + std::string(10, '[') + std::string(10, ']') + "}");
}

}  // namespace
}  // namespace sallyport::rpcnode
