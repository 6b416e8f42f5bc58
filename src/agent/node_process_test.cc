// The process of the node: shells that do what a broken node could.
#include "agent/node_process.h"

#include <signal.h>

#include "agent/detail/test_installation.h"

namespace sallyport::agent {
namespace {

constexpr NodePauses kShortPauses{.first = milliseconds(1),
                                  .longest = milliseconds(8),
                                  .settled = milliseconds(3'600'000),
                                  .stop = milliseconds(500)};
constexpr milliseconds kPatience{20'000};

NodeDesk make_desk(const Clock& clock) {
  return {sealed::NodeName("pump-1"),
          clock,
          {.identity = []() -> std::optional<DeviceIdentity> { return std::nullopt; },
           .values = [] { return codec::Json(nullptr); },
           .services = [] { return codec::Json(nullptr); },
           .switch_service = [](const ServiceName&, bool) { return Result<void>{}; }}};
}

class NodeProcessTest : public ::testing::Test {
 protected:
  ~NodeProcessTest() override {
    node.reset();
    io.restart();
    net::run(io, tasks.stop());
  }
  void start(std::vector<std::string> words, NodePauses pauses = kShortPauses) {
    node = std::make_unique<NodeProcess>(tasks, clock, std::move(words), make_desk(clock), pauses);
    node->start();
  }
  void start_shell(std::string script, NodePauses pauses = kShortPauses) {
    start({"/bin/sh", "-c", std::move(script)}, pauses);
  }
  static net::Task<void> wait_until(std::function<bool()> holds) {
    const net::Deadline limit(kPatience);
    while (!holds() && !limit.passed()) co_await net::sleep_for(milliseconds(1));
  }
  bool comes_true(std::function<bool()> holds) {
    io.restart();
    net::run(io, wait_until(holds));
    return holds();
  }
  void stop() {
    io.restart();
    net::run(io, node->stop());
  }
  std::string error() const { return *node->report().text_at("error"); }
  std::string state() const { return *node->report().text_at("state"); }
  static bool is_alive(pid_t process) { return ::kill(process, 0) == 0; }

  net::Io io;
  net::TaskGroup tasks{io.executor()};
  ManualClock clock{testing::kNow};
  testing::Folder folder;
  std::unique_ptr<NodeProcess> node;
};

TEST_F(NodeProcessTest, WhatEndsIsStartedAgain) {
  start_shell("exit 7");
  EXPECT_TRUE(comes_true([&] { return node->starts() >= 4; }));
  EXPECT_NE(error().find("status 7"), std::string::npos) << error();
}

TEST_F(NodeProcessTest, PausesGrowWhileItDoesNotLive) {
  start_shell("exit 1", {.first = milliseconds(1),
                         .longest = milliseconds(3'600'000),
                         .settled = milliseconds(3'600'000),
                         .stop = milliseconds(500)});
  EXPECT_TRUE(comes_true([&] { return node->starts() >= 5; }));
  // The next would come after 16 ms and more, so that the number of starts in any time is its logarithm.
  const auto before = node->starts();
  io.restart();
  io.run_for(milliseconds(60));
  EXPECT_LE(node->starts(), before + 3);
}

TEST_F(NodeProcessTest, AProgramThatIsNotThereIsToldAndTriedAgain) {
  start({"/nonexistent/program"});
  EXPECT_TRUE(comes_true([&] { return error().find("/nonexistent/program") != std::string::npos; }));
  EXPECT_EQ(node->starts(), 0U);
  EXPECT_EQ(state(), "waiting");
}

TEST_F(NodeProcessTest, ItsEnvironmentNamesASocketThatItInherits) {
  start_shell("test \"$SALLYPORT_NODE_CHANNEL\" = 3 && test -S /proc/self/fd/3 && exit 9");
  EXPECT_TRUE(comes_true([&] { return !error().empty(); }));
  EXPECT_NE(error().find("status 9"), std::string::npos) << error();
}

TEST_F(NodeProcessTest, StoppingEndsWhatRuns) {
  start_shell("exec sleep 1000");
  ASSERT_TRUE(comes_true([&] { return node->pid() > 0; }));
  const pid_t process = node->pid();
  EXPECT_EQ(state(), "running");
  stop();
  EXPECT_FALSE(is_alive(process));
  EXPECT_EQ(state(), "ended");
  EXPECT_EQ(node->starts(), 1U);
}

TEST_F(NodeProcessTest, WhoDoesNotEndIsKilled) {
  const auto ready = folder / "ready";
  start_shell("trap '' TERM; : > " + ready.native() + "; while :; do read line < /dev/zero; done 2>/dev/null");
  ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(ready); }));
  const pid_t process = node->pid();
  stop();
  EXPECT_FALSE(is_alive(process));
  EXPECT_NE(error().find("signal 9"), std::string::npos) << error();
}

TEST_F(NodeProcessTest, NobodyIsLeftBehindByAnAgentThatDoesNotStopIt) {
  start_shell("exec sleep 1000");
  ASSERT_TRUE(comes_true([&] { return node->pid() > 0; }));
  const pid_t process = node->pid();
  node.reset();
  io.restart();
  net::run(io, tasks.stop());
  EXPECT_FALSE(is_alive(process));
}

TEST_F(NodeProcessTest, WhoLetsGoOfTheSocketIsEnded) {
  start_shell("exec 3>&-; exec sleep 1000");
  EXPECT_TRUE(comes_true([&] { return node->starts() >= 2; }));
  EXPECT_NE(error().find("signal 15"), std::string::npos) << error();
}

TEST_F(NodeProcessTest, WhoSpeaksNoProtocolIsEnded) {
  start_shell("printf '\\377\\377\\377\\377' >&3; exec sleep 1000");
  EXPECT_TRUE(comes_true([&] { return node->starts() >= 2; }));
}

TEST_F(NodeProcessTest, WhoTellsWhatItHasNotToTellIsEnded) {
  start_shell("printf '\\0\\0\\0\\012\\0\\0\\0\\0\\0\\0\\0\\0\\4\\1' >&3; exec sleep 1000");
  EXPECT_TRUE(comes_true([&] { return node->starts() >= 2; }));
}

TEST_F(NodeProcessTest, WhoFloodsIsEnded) {
  start_shell("while :; do printf '\\0\\0\\0\\012\\0\\0\\0\\0\\0\\0\\0\\1\\1\\1' >&3 2> /dev/null; done");
  EXPECT_TRUE(comes_true([&] { return node->starts() >= 2; }));
  EXPECT_NE(error().find("asked more than it may"), std::string::npos) << error();
}

TEST_F(NodeProcessTest, AfterStoppingNothingIsStarted) {
  start_shell("exit 1");
  ASSERT_TRUE(comes_true([&] { return node->starts() >= 1; }));
  stop();
  const auto before = node->starts();
  io.restart();
  io.run_for(milliseconds(30));
  EXPECT_EQ(node->starts(), before);
}

}  // namespace
}  // namespace sallyport::agent
