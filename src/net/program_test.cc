#include "net/program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <gtest/gtest.h>

#include "net/descriptor.h"

namespace sallyport::net {
namespace {

ProgramOrder shell(std::string script) {
  return {.words = {"/bin/sh", "-c", std::move(script)}, .environment = {}, .descriptors = {}, .default_signals = {}};
}

int status_of(const std::expected<pid_t, int>& child) {
  EXPECT_TRUE(child);
  int status = -1;
  EXPECT_EQ(::waitpid(child.value_or(-1), &status, 0), child.value_or(-2));
  return status;
}

class Pipes : public ::testing::Test {
 protected:
  Pipes() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    reader = Descriptor(ends[0]);
    writer = Descriptor(ends[1]);
  }
  std::string all() {
    writer = Descriptor();
    std::string out;
    std::array<char, 256> buffer;
    for (ssize_t got = 0; (got = ::read(reader.get(), buffer.data(), buffer.size())) > 0;)
      out.append(buffer.data(), static_cast<std::size_t>(got));
    return out;
  }
  Descriptor reader, writer;
};

TEST_F(Pipes, OfItAreThereUnderTheNumberThatWasSaidAndTheEnvironmentIsAllThatWasGiven) {
  auto order = shell("/usr/bin/env >&7");
  order.environment = {"ONE=1"};
  order.descriptors = {{.descriptor = writer.get(), .number = 7}};
  EXPECT_EQ(status_of(start_program(std::move(order))), 0);
  const std::string seen = all();
  EXPECT_NE(seen.find("ONE=1\n"), std::string::npos) << seen;
  EXPECT_EQ(seen.find("HOME="), std::string::npos) << seen;
}

TEST_F(Pipes, ThatNobodyGaveAreNotThere) {
  const std::string number = std::to_string(writer.get());
  EXPECT_NE(status_of(start_program(shell("{ echo x >&" + number + "; } 2>/dev/null"))), 0);
  EXPECT_EQ(all(), "");
}

TEST(Program, ThatIsNotThereOrNotToBeRunIsAnErrno) {
  auto order = shell("");
  order.words = {"/nonexistent/program"};
  EXPECT_EQ(start_program(order).error(), ENOENT);
  order.words = {"sh"};
  EXPECT_EQ(start_program(order).error(), ENOENT) << "looked for along PATH";
  order.words = {"/"};
  EXPECT_EQ(start_program(order).error(), EACCES);
}

TEST(Program, HasTheSignalsThatWereNamedAsTheyAreByDefault) {
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  const std::string script = "kill -PIPE $$; exit 0";
  EXPECT_EQ(status_of(start_program(shell(script))), 0) << "ignored here, and there";
  auto order = shell(script);
  order.default_signals = {SIGPIPE};
  const int status = status_of(start_program(std::move(order)));
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE) << status;
  ::signal(SIGPIPE, before);
}

TEST(Program, HasAGroupOfItsOwnWhereItIsAskedFor) {
  for (const bool own : {false, true}) {
    auto order = shell("read line");
    order.own_group = own;
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const Descriptor reader(ends[0]);
    Descriptor writer(ends[1]);
    order.descriptors = {{.descriptor = reader.get(), .number = STDIN_FILENO}};
    const auto child = start_program(std::move(order));
    ASSERT_TRUE(child);
    EXPECT_EQ(::getpgid(*child), own ? *child : ::getpgrp());
    writer = Descriptor();
    status_of(child);
  }
}

}  // namespace
}  // namespace sallyport::net
