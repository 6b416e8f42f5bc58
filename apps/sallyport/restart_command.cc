// sallyport restart relay: every relay worker makes room for a new one, and nobody is cut off.
#include <csignal>
#include <fstream>
#include <map>
#include <thread>

#include "codec/json.h"
#include "commands.h"
#include "folders.h"
#include "installation_folder.h"
#include "json_output.h"
#include "keystore/file.h"
#include "relay/worker.h"

namespace sallyport::cli {
namespace {

constexpr std::uint64_t kMostSeconds = 3'600;
constexpr milliseconds kLookInterval{100};
constexpr std::size_t kMaxPidFile = 64;

struct Worker {
  std::string slot;
  pid_t pid = 0;
  bool leaves = false;
};

// Of a file whose size nobody knows before it is read; empty for a process that has gone.
std::vector<std::string> read_words(const std::string& path, char separator) {
  std::ifstream file(path);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, separator);) words.push_back(word);
  return words;
}

std::vector<std::string> command_line_of(pid_t pid) {
  return read_words(fmt::format("/proc/{}/cmdline", pid), '\0');
}

std::string name_of(pid_t pid) {
  const auto lines = read_words(fmt::format("/proc/{}/comm", pid), '\n');
  return lines.empty() ? std::string() : lines.front();
}

Result<pid_t> find_supervisor(const InstallationPaths& paths) {
  const auto text = keystore::read_file(paths.supervisor_pid(), kMaxPidFile);
  const pid_t pid = text ? static_cast<pid_t>(std::atoi(std::string(as_text(*text)).c_str())) : 0;
  const auto words = pid > 1 ? command_line_of(pid) : std::vector<std::string>();
  if (words.size() < 2 || words[1] != "up")
    return failf(Errc::unavailable, "{}: nothing runs there; start it by 'sallyport up'", paths.state.string());
  return pid;
}

// The relay workers below the supervisor; those that leave already are among them.
std::vector<Worker> find_workers(pid_t supervisor) {
  std::vector<Worker> workers;
  for (const std::string& child : read_words(fmt::format("/proc/{0}/task/{0}/children", supervisor), ' ')) {
    const pid_t pid = static_cast<pid_t>(std::atoi(child.c_str()));
    const auto words = command_line_of(pid);
    if (words.size() < 3 || words[1] != "serve" || words[2] != "relay") continue;
    const auto slot = std::ranges::find(words, "--slot");
    if (slot != words.end() && slot + 1 != words.end())
      workers.push_back({.slot = *(slot + 1), .pid = pid, .leaves = name_of(pid) == relay::kLeavingName});
  }
  return workers;
}

// By slot, the process that has taken over: it was not there before, and whoever was leaves or has gone.
std::map<std::string, pid_t> find_new(const std::vector<Worker>& before, const std::vector<Worker>& now) {
  std::map<std::string, pid_t> out;
  for (const Worker& worker : now) {
    if (std::ranges::find(before, worker.pid, &Worker::pid) == before.end()) out.emplace(worker.slot, worker.pid);
  }
  for (const Worker& worker : now) {
    const bool was_there = std::ranges::find(before, worker.pid, &Worker::pid) != before.end();
    if (was_there && !worker.leaves) out.erase(worker.slot);
  }
  return out;
}

std::size_t count_slots(const std::vector<Worker>& workers) {
  std::map<std::string, pid_t> slots;
  for (const Worker& worker : workers) slots.emplace(worker.slot, worker.pid);
  return slots.size();
}

void print_replaced(const std::map<std::string, pid_t>& replaced, bool as_json) {
  if (as_json) {
    codec::Json::Array workers;
    for (const auto& [slot, pid] : replaced)
      workers.push_back(codec::Json::Object{{"slot", slot}, {"pid", std::int64_t{pid}}});
    return print_json(codec::Json(codec::Json::Object{{"replaced", std::move(workers)}}));
  }
  for (const auto& [slot, pid] : replaced) fmt::print("relay {}: process {} has taken over\n", slot, pid);
}

Outcome restart_relay(const Arguments& arguments, Environment& environment) {
  const InstallationPaths paths{arguments.path("state")};
  CLI_TRY_VOID(check_state(paths.state, kInstallationFormat));
  TRY(const auto patience, arguments.number("wait", 1, kMostSeconds));
  TRY(const pid_t supervisor, find_supervisor(paths));
  const auto before = find_workers(supervisor);
  if (::kill(supervisor, SIGHUP) != 0)
    return std::unexpected(Failure(
        {Errc::unauthorized, "restart: not allowed to signal the supervisor; run it as root"}, ExitStatus::refused));
  const Instant limit = environment.clock.monotonic() + seconds(patience);
  std::map<std::string, pid_t> replaced;
  while (replaced.size() < count_slots(before) && environment.clock.monotonic() < limit) {
    std::this_thread::sleep_for(kLookInterval);
    replaced = find_new(before, find_workers(supervisor));
  }
  print_replaced(replaced, arguments.flag("json"));
  if (replaced.size() == count_slots(before)) return {};
  return failf(Errc::unavailable,
               "restart: {} of {} relay workers were replaced, the others go on; the log of 'sallyport up' says why",
               replaced.size(), count_slots(before));
}

}  // namespace

std::vector<Command> restart_commands() {
  return {{.words = "restart relay",
           .summary = "replace the relay's workers by the installed program; connections of users go on",
           .example = "sallyport restart relay --state /var/lib/sallyport",
           .options = {state_option(),
                       json_option(),
                       {.name = "wait", .value = "SECONDS", .help = "how long to wait for it", .fallback = "60"}},
           .run = restart_relay}};
}

}  // namespace sallyport::cli
