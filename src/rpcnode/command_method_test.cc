#include "rpcnode/command_method.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "net/run.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;

class CommandStory : public testing::Test {
 protected:
  MethodResult run(std::vector<std::string> words, Json params = nullptr, milliseconds limit = seconds(10)) {
    MethodCall call{.principal = "key:ann",
                    .method = "run",
                    .params = std::move(params),
                    .id = {},
                    .deadline = limit,
                    .progress = [this](Json value) { told_.push_back(value.write()); }};
    io_.restart();
    return *net::run(io_, run_command(std::move(words), std::move(call)));
  }
  net::Io io_;
  std::vector<std::string> told_;
};

TEST_F(CommandStory, ParamsAreItsInputAndItsOutputIsTheResult) {
  const auto result = run({"/bin/cat"}, Json::Object{{"a", Json::Array{1, 2}}});
  ASSERT_TRUE(result);
  EXPECT_EQ(*result, Json(Json::Object{{"a", Json::Array{1, 2}}}));
}

TEST_F(CommandStory, AProgramMayWaitForItsInput) {
  // Asks before anything can have been written.
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(run({"/bin/sh", "-c", "exec cat"}, Json(i)));
}

TEST_F(CommandStory, LinesBeforeTheLastAreProgress) {
  const auto result = run({"/bin/sh", "-c", "echo 1; echo two; echo '{\"done\":true}'"});
  ASSERT_TRUE(result);
  EXPECT_EQ(told_, (std::vector<std::string>{"1", "\"two\""}));
  EXPECT_EQ(*result, Json(Json::Object{{"done", true}}));
}

TEST_F(CommandStory, AnotherStatusThanNoughtIsAFailureWithWhatItWrote) {
  const auto result = run({"/bin/sh", "-c", "echo jammed; exit 3"});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, sealed::RpcCode::failed);
  EXPECT_EQ(result.error().data, Json("jammed"));
}

TEST_F(CommandStory, NothingOfOurEnvironmentLeaks) {
  ::setenv("SALLYPORT_TEST_SECRET", "x", 1);
  const auto result = run({"/usr/bin/env"});
  ASSERT_TRUE(result);
  for (const std::string& line : told_) EXPECT_EQ(line.find("SALLYPORT_TEST_SECRET"), std::string::npos);
  EXPECT_NE(std::ranges::find(told_, "\"SALLYPORT_CALLER=key:ann\""), told_.end());
}

TEST_F(CommandStory, ParamsAreNoWordsOfACommandLine) {
  const std::filesystem::path trap = "/tmp/rpc-trap-" + std::to_string(::getpid());
  const auto result =
      run({"/bin/sh", "-c", "cat"}, Json("$(touch " + trap.native() + "); `touch " + trap.native() + "`"));
  ASSERT_TRUE(result);
  EXPECT_FALSE(std::filesystem::exists(trap));
}

TEST_F(CommandStory, AtTheDeadlineTheWholeGroupIsKilled) {
  const auto result = run({"/bin/sh", "-c", "sleep 600 & echo $!; echo; wait"}, nullptr, milliseconds(300));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, sealed::RpcCode::timed_out);
  ASSERT_EQ(told_.size(), 1U);
  // The child's child is gone, or a zombie of whoever adopted it.
  const auto is_gone = [&] {
    std::string state = "Z";
    if (std::ifstream stat("/proc/" + told_.front() + "/stat"); stat)
      for (int field = 0; field < 3; ++field) stat >> state;
    return state == "Z";
  };
  for (const net::Deadline deadline(seconds(10)); !is_gone() && !deadline.passed();) io_.run_for(milliseconds(5));
  EXPECT_TRUE(is_gone());
}

TEST_F(CommandStory, AProgramThatIsNotThereAndOneThatTalksTooMuchAreFaults) {
  EXPECT_EQ(run({"/nowhere/program"}).error().code, sealed::RpcCode::internal_error);
  EXPECT_EQ(run({"/bin/sh", "-c", "yes"}).error().code, sealed::RpcCode::too_large);
}

}  // namespace
}  // namespace sallyport::rpcnode
