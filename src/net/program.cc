#include "net/program.h"

#include <signal.h>
#include <spawn.h>

#include <utility>

namespace sallyport::net {
namespace {

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// What posix_spawn wants to know beside the words.
class Spawning {
 public:
  explicit Spawning(const ProgramOrder& order) {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    for (const auto& given : order.descriptors)
      ::posix_spawn_file_actions_adddup2(&actions, given.descriptor, given.number);
    short flags = 0;
    if (!order.default_signals.empty()) {
      sigset_t none, defaults;
      ::sigemptyset(&none);
      ::sigemptyset(&defaults);
      for (const int number : order.default_signals) ::sigaddset(&defaults, number);
      ::posix_spawnattr_setsigmask(&attributes, &none);
      ::posix_spawnattr_setsigdefault(&attributes, &defaults);
      flags |= POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    }
    if (order.own_group) {
      ::posix_spawnattr_setpgroup(&attributes, 0);
      flags |= POSIX_SPAWN_SETPGROUP;
    }
    ::posix_spawnattr_setflags(&attributes, flags);
  }
  ~Spawning() {
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
  }
  Spawning(const Spawning&) = delete;
  Spawning& operator=(const Spawning&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

}  // namespace

std::expected<pid_t, int> start_program(ProgramOrder order) {
  const std::vector<char*> words = pointers_to(order.words);
  const std::vector<char*> environment = pointers_to(order.environment);
  const Spawning how(order);
  pid_t child = -1;
  const int fault = ::posix_spawn(&child, order.words.front().c_str(), &how.actions, &how.attributes, words.data(),
                                  environment.data());
  if (fault != 0) return std::unexpected(fault);
  return child;
}

}  // namespace sallyport::net
