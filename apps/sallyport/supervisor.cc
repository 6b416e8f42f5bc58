#include "supervisor.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "net/descriptor.h"

namespace sallyport::cli {
namespace {

constexpr const char* kSupervisorVariable = "SALLYPORT_SUPERVISOR";

struct Running {
  const ChildProcess* what = nullptr;
  pid_t pid = -1;                // -1: not running
  std::vector<pid_t> leaving{};  // replaced, and not gone yet
  Instant started{};
  Instant start_at{};  // when it is to be started again
  milliseconds pause = kFirstRestart;
};

std::string listen_variable(const ChildProcess& child) {
  std::string out;
  for (const auto& [name, descriptor] : child.inherited) {
    if (!out.empty()) out += ',';
    out += name + "=" + std::to_string(descriptor);
  }
  return out;
}

// Where this program was started from, whatever is there now.
const std::string& started_program() {
  static const std::string path = [] {
    std::error_code error;
    const auto target = std::filesystem::read_symlink("/proc/self/exe", error);
    return error ? std::string("/proc/self/exe") : target.string();
  }();
  return path;
}

// Runs in the child between fork and exec: only what is safe there.
[[noreturn]] void become(const ChildProcess& child, const char* program, char* const* arguments,
                         char* const* environment) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const auto& [name, descriptor] : child.inherited) ::fcntl(descriptor, F_SETFD, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
  ::execve(program, arguments, environment);
  ::execve("/proc/self/exe", arguments, environment);
  ::_exit(127);
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> child_environment(const ChildProcess& child) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (!text.starts_with("SALLYPORT_LISTEN=") && !text.starts_with(kSupervisorVariable)) out.emplace_back(text);
  }
  out.push_back("SALLYPORT_LISTEN=" + listen_variable(child));
  out.push_back(std::string(kSupervisorVariable) + "=" + std::to_string(::getpid()));
  return out;
}

void start(Running& running, const Clock& clock) {
  std::vector<std::string> words = {"sallyport"};
  words.insert(words.end(), running.what->arguments.begin(), running.what->arguments.end());
  if (!running.leaving.empty()) words.push_back(running.what->succeeds_by);
  const std::string& program = started_program();
  std::vector<std::string> variables = child_environment(*running.what);
  const std::vector<char*> arguments = pointers(words);
  const std::vector<char*> environment = pointers(variables);
  const pid_t pid = ::fork();
  if (pid == 0) become(*running.what, program.c_str(), arguments.data(), environment.data());
  running.started = clock.monotonic();
  if (pid < 0) {
    log::error("supervisor.not-started", {{"child", running.what->name}, {"error", std::strerror(errno)}});
    running.start_at = running.started + kLongestRestart;
    return;
  }
  running.pid = pid;
  log::info("supervisor.started", {{"child", running.what->name}, {"pid", pid}});
}

void ended(Running& running, int status, const Clock& clock) {
  const Instant now = clock.monotonic();
  const bool settled = now - running.started >= kSettledAfter;
  running.pause = settled ? kFirstRestart : std::min(running.pause * 2, kLongestRestart);
  running.start_at = now + (settled ? kFirstRestart : running.pause / 2);
  running.pid = -1;
  log::warn("supervisor.child-ended", {{"child", running.what->name},
                                       {"status", WIFEXITED(status) ? WEXITSTATUS(status) : -1},
                                       {"signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0}});
}

class Supervisor {
 public:
  Supervisor(const std::vector<ChildProcess>& children, const Clock& clock) : clock_(clock) {
    for (const ChildProcess& child : children) running_.push_back(Running{.what = &child});
  }

  Result<void> run() {
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&wanted, number);
    if (sigprocmask(SIG_BLOCK, &wanted, nullptr) != 0)
      return fail(Errc::internal, "supervisor: signals cannot be blocked");
    signals_ = net::Descriptor(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_.is_open()) return failf(Errc::internal, "supervisor: signalfd: {}", std::strerror(errno));
    started_program();
    for (Running& child : running_) start(child, clock_);
    while (!stopping_) {
      wait_for_signal(next_start());
      reap();
      if (stopping_) break;
      start_what_is_due();
      replace_what_is_due();
    }
    stop_all();
    return {};
  }

 private:
  milliseconds next_start() const {
    milliseconds wait = is_replacing() ? kReplaceInterval / 10 : kLongestRestart;
    for (const Running& child : running_) {
      if (child.pid >= 0) continue;
      wait = std::min(wait, std::chrono::duration_cast<milliseconds>(child.start_at - clock_.monotonic()));
    }
    return std::max(wait, milliseconds(1));
  }

  void wait_for_signal(milliseconds limit) {
    pollfd entry{.fd = signals_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&entry, 1, static_cast<int>(limit.count())) <= 0) return;
    signalfd_siginfo signal{};
    while (::read(signals_.get(), &signal, sizeof(signal)) == static_cast<ssize_t>(sizeof(signal))) {
      if (signal.ssi_signo == SIGTERM || signal.ssi_signo == SIGINT) stopping_ = true;
      if (signal.ssi_signo == SIGHUP) begin_replacing();
    }
  }

  void reap() {
    int status = 0;
    for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0; pid = ::waitpid(-1, &status, WNOHANG)) {
      for (Running& child : running_) {
        if (child.pid == pid) {
          if (is_replacing() && newest_ == &child) stop_replacing(child);
          ended(child, status, clock_);
        }
        if (std::erase(child.leaving, pid) != 0)
          log::info("supervisor.child-left", {{"child", child.what->name}, {"pid", pid}});
      }
    }
  }

  // ---- replacing

  bool is_replacing() const { return next_ != kNobody; }

  void begin_replacing() {
    if (is_replacing() || clock_.monotonic() < replace_again_at_) return log::warn("supervisor.replaced-just-now");
    log::info("supervisor.replacing", {{"program", started_program()}});
    next_ = 0;
    replace_at_ = clock_.monotonic();
  }

  void replace_what_is_due() {
    if (!is_replacing() || clock_.monotonic() < replace_at_) return;
    while (next_ < running_.size() && running_[next_].what->succeeds_by.empty()) ++next_;
    if (next_ == running_.size()) {
      next_ = kNobody;
      replace_again_at_ = clock_.monotonic() + kReplaceAgain;
      newest_ = nullptr;
      return log::info("supervisor.replaced");
    }
    Running& child = running_[next_++];
    if (child.pid < 0) return;  // is about to be started anyway
    child.leaving.push_back(std::exchange(child.pid, -1));
    start(child, clock_);
    newest_ = &child;
    replace_at_ = clock_.monotonic() + kReplaceInterval;
  }

  void stop_replacing(const Running& child) {
    log::error("supervisor.replacing-stopped", {{"child", child.what->name}});
    next_ = kNobody;
    newest_ = nullptr;
  }

  void start_what_is_due() {
    for (Running& child : running_) {
      if (child.pid < 0 && child.start_at <= clock_.monotonic()) start(child, clock_);
    }
  }

  bool anybody_runs() const {
    return std::ranges::any_of(running_, [](const Running& child) { return child.pid >= 0 || !child.leaving.empty(); });
  }

  void signal_all(int number) {
    for (auto child = running_.rbegin(); child != running_.rend(); ++child) {
      if (child->pid >= 0) ::kill(child->pid, number);
      for (const pid_t pid : child->leaving) ::kill(pid, number);
    }
  }

  void stop_all() {
    signal_all(SIGTERM);
    const Instant limit = clock_.monotonic() + kStopLimit;
    while (anybody_runs() && clock_.monotonic() < limit) {
      wait_for_signal(milliseconds(50));
      reap();
    }
    signal_all(SIGKILL);
    while (anybody_runs()) {
      wait_for_signal(milliseconds(50));
      reap();
    }
    log::info("supervisor.ended");
  }

  const Clock& clock_;
  std::vector<Running> running_;
  net::Descriptor signals_;
  static constexpr std::size_t kNobody = SIZE_MAX;
  std::size_t next_ = kNobody;       // of running_, to be replaced
  const Running* newest_ = nullptr;  // what was replaced last
  Instant replace_at_{};
  Instant replace_again_at_{};
  bool stopping_ = false;
};

}  // namespace

Result<void> supervise(const std::vector<ChildProcess>& children, const Clock& clock) {
  return Supervisor(children, clock).run();
}

void end_with_supervisor() {
  const char* supervisor = std::getenv(kSupervisorVariable);  // NOLINT(concurrency-mt-unsafe): before any thread
  if (supervisor == nullptr) return;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
  if (std::to_string(::getppid()) != supervisor) ::_exit(0);
}

}  // namespace sallyport::cli
