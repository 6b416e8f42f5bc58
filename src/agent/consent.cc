#include "agent/consent.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "net/descriptor.h"
#include "net/io.h"
#include "net/program.h"

namespace sallyport::agent {
namespace {

// Waits for the child; kills it at the limit. Returns whether it exited with status 0.
bool answered_yes(pid_t child) {
  const net::Descriptor watch(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  pollfd ready{.fd = watch.get(), .events = POLLIN, .revents = 0};
  const bool ended = watch.is_open() && ::poll(&ready, 1, static_cast<int>(kConsentLimit.count())) == 1;
  if (!ended) ::kill(child, SIGKILL);
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return false;
  return ended && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Result<void> run_command(std::vector<std::string> command, std::vector<std::string> environment) {
  const auto child = net::start_program(
      {.words = std::move(command), .environment = std::move(environment), .descriptors = {}, .default_signals = {}});
  if (!child) return failf(Errc::unauthorized, "consent: command cannot be run (error {})", child.error());
  if (!answered_yes(*child)) return fail(Errc::unauthorized, "consent: not given");
  return {};
}

}  // namespace

net::Task<Result<void>> ask_consent(std::vector<std::string> command, std::string user, std::string service) {
  if (command.empty()) co_return Result<void>{};
  std::vector<std::string> environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SALLYPORT_USER=" + user,
                                          "SALLYPORT_SERVICE=" + service};
  const auto work = [command = std::move(command), environment = std::move(environment)] {
    return run_command(command, environment);
  };
  co_return co_await net::run_blocking(work);
}

}  // namespace sallyport::agent
