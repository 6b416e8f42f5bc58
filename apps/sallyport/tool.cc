#include "tool.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "net/descriptor.h"

namespace sallyport::cli {
namespace {

constexpr int kBySignal = 128;

// Reads to the end; keeps what fits.
std::string read_all(int descriptor) {
  std::string out;
  std::array<char, 4'096> chunk{};
  for (;;) {
    const ssize_t got = ::read(descriptor, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return out;
    out.append(chunk.data(), std::min(static_cast<std::size_t>(got), kMaxToolOutput - out.size()));
  }
}

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : kBySignal + WTERMSIG(status);
}

}  // namespace

Result<ToolResult> run_tool(std::vector<std::string> words) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return failf(Errc::internal, "{}: pipe: {}", words[0], std::strerror(errno));
  const net::Descriptor reading(ends[0]);
  net::Descriptor writing(ends[1]);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, writing.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, writing.get(), STDERR_FILENO);
  pid_t pid = -1;
  const int fault = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (fault != 0) return failf(Errc::not_found, "{}: {}", words[0], std::strerror(fault));
  writing = net::Descriptor();
  ToolResult result;
  result.output = read_all(reading.get());
  while (result.output.ends_with('\n')) result.output.pop_back();
  result.status = wait_for(pid);
  return result;
}

}  // namespace sallyport::cli
