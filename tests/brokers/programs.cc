#include "programs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sallyport::brokers_test {

namespace {
constexpr int kProgramLimitMs = 10'000;
}

Folder::Folder() {
  path_ = (std::filesystem::temp_directory_path() / "sallyport-brokers-XXXXXX").string();
  EXPECT_NE(::mkdtemp(path_.data()), nullptr);
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void Folder::write(const std::string& file, const std::string& text) const {
  std::ofstream(path(file), std::ios::binary) << text;
}

std::string Folder::read(const std::string& file) const {
  std::ostringstream out;
  out << std::ifstream(path(file), std::ios::binary).rdbuf();
  EXPECT_FALSE(out.str().empty()) << file;
  return out.str();
}

Program::Program(const std::vector<std::string>& command) {
  std::array<int, 2> ends{-1, -1};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  output_ = net::Descriptor(ends[0]);
  const net::Descriptor theirs(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), 2);
  std::vector<std::string> words = command;
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  // mosquitto lies in /usr/sbin, which a user's PATH may lack.
  const char* path = ::getenv("PATH");
  if (path == nullptr || std::string(path).find("/usr/sbin") == std::string::npos)
    ::setenv("PATH", (std::string(path == nullptr ? "" : path) + ":/usr/sbin:/usr/bin:/bin").c_str(), 1);
  const int fault = ::posix_spawnp(&pid_, arguments.front(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(fault, 0) << command.front();
  if (fault != 0) pid_ = -1;
}

Program::~Program() {
  kill();
}

void Program::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

bool Program::read_more() {
  pollfd ready{.fd = output_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&ready, 1, kProgramLimitMs) != 1) {
    ADD_FAILURE() << "a program prints nothing and does not end\n" << printed_;
    kill();
    return false;
  }
  std::array<char, 4'096> buffer{};
  const ssize_t got = ::read(output_.get(), buffer.data(), buffer.size());
  if (got <= 0) return false;
  printed_.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

bool Program::wait_for(const std::string& words) {
  while (printed_.find(words) == std::string::npos) {
    if (read_more()) continue;
    ADD_FAILURE() << "not printed: " << words << "\n" << printed_;
    return false;
  }
  return true;
}

std::string Program::finish() {
  while (read_more()) {
  }
  int status = 0;
  if (pid_ >= 0) {
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << printed_;
  }
  return printed_;
}

std::string run_program(const std::vector<std::string>& command) {
  return Program(command).finish();
}

std::string free_port() {
  const net::Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(socket.get(), generic, size), 0);
  EXPECT_EQ(::getsockname(socket.get(), generic, &size), 0);
  return std::to_string(ntohs(address.sin_port));
}

}  // namespace sallyport::brokers_test
