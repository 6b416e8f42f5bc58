// What the agent's command line offers. Each function is one command: it does its work, prints what was asked for, and
// returns an error that main turns into a sentence and an exit status.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"

namespace sallyport::agent_cli {

inline constexpr std::string_view kDefaultState = "/var/lib/sallyport-agent";

// docs/operate/agent.md. DO NOT CHANGE: scripts read them.
enum class ExitStatus : std::uint8_t { ok = 0, failed = 1, usage = 2, state = 3, refused = 4, unreachable = 5 };

struct Environment {
  const Clock& clock;
  Random& random;
};

struct InitOptions {
  std::filesystem::path state;
  std::optional<std::filesystem::path> certificate;  // alone: install what the factory signed
  std::string serial_id, site, zone;
  std::filesystem::path root_certificate, csr_out;
  std::optional<std::string> relay_address, http_address, proxy, telemetry_listen;
  std::vector<std::string> services;  // NAME=KIND:HOST:PORT
  bool remote_access = false;
  bool trusted_clock = true;
};
Result<void> init(const InitOptions& options, Environment& environment);

Result<void> run(const std::filesystem::path& state, Environment& environment);
Result<void> status(const std::filesystem::path& state, bool as_json);
Result<void> claim_code(const std::filesystem::path& state);
Result<void> password(const std::filesystem::path& state);
Result<void> reset(const std::filesystem::path& state, bool confirmed);
Result<void> doctor(const std::filesystem::path& state, Environment& environment);
Result<void> switch_remote_access(const std::filesystem::path& state, bool on);

struct SendOptions {
  std::filesystem::path state;
  std::string stream;
  std::optional<std::string> topic;
  std::optional<std::string> value;  // JSON; absent: JSON lines from standard input
  bool once = false;                 // without a running agent: connect, check, send, end
  unsigned limit_s = 120;            // for once
};
Result<void> send(const SendOptions& options, Environment& environment);

// Asks the running agent over run/agent.sock and returns the body of its answer. Errc::not_found when none runs; the
// agent's own refusal is Errc::conflict with its sentence.
Result<std::string> ask_agent(const std::filesystem::path& state, const std::string& method, const std::string& target,
                              std::string body = {});

}  // namespace sallyport::agent_cli
