// What the agent's command line offers. Each function is one command: it does its work, prints what was asked for, and
// returns an error that main turns into a sentence and an exit status.
#pragma once

#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/state.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "telemetry/queue.h"

namespace sallyport::agent_cli {

inline constexpr std::string_view kDefaultState = "/var/lib/sallyport-agent";

// docs/operate/agent.md. DO NOT CHANGE: scripts read them.
enum class ExitStatus : std::uint8_t { ok = 0, failed = 1, usage = 2, state = 3, refused = 4, unreachable = 5 };

// An error and the status to end with.
struct Failure {
  Error error;
  ExitStatus status;
  // The status that follows from the category alone.
  Failure(Error cause);  // NOLINT(google-explicit-constructor): an Error is a Failure, so that TRY works in commands
  Failure(Error cause, ExitStatus chosen) : error(std::move(cause)), status(chosen) {}
};

template <class T>
struct [[nodiscard]] Try : std::expected<T, Failure> {
  using std::expected<T, Failure>::expected;
};
using Outcome = Try<void>;
// What was chosen on the command line; set by the callback of a command.
using Chosen = std::function<Outcome()>;

// Opens the state folder, with the proxy of the environment (HTTPS_PROXY, else ALL_PROXY, NO_PROXY and their lower-case
// forms, which win) where agent.toml names none. A wrong agent.toml is ExitStatus::failed, anything else that is wrong
// with the folder ExitStatus::state.
Try<agent::AgentState> open_state(const std::filesystem::path& folder);
// Whether the folder is of a version that this program knows. Good where there is none.
Outcome check_version(const std::filesystem::path& folder);
Try<std::unique_ptr<telemetry::TelemetryQueue>> open_queue(const agent::AgentState& state, Random& random);

struct Environment {
  const Clock& clock;
  Random& random;
};

struct InitOptions {
  std::filesystem::path state;
  std::optional<std::filesystem::path> certificate;  // alone: install what the factory signed
  std::string serial_id, site, zone;
  std::filesystem::path root_certificate, csr_out;
  std::optional<std::string> relay_address, http_address, second_status, proxy, proxy_credentials_file, relay_fallback,
      relay_websocket, telemetry_listen, direct_listen;
  std::vector<std::string> services;  // NAME=KIND:HOST:PORT
  bool remote_access = false;
  bool trusted_clock = true;
  tunnel::LoginRule proxy_login = tunnel::LoginRule::any;
};
Outcome init(const InitOptions& options, Environment& environment);

struct RunOptions {
  std::filesystem::path state;
  bool node = true;  // false: no node, whatever agent.toml says
};
Outcome run(const RunOptions& options, Environment& environment);
Outcome switch_service(const std::filesystem::path& state, const std::string& name, bool open);
Outcome status(const std::filesystem::path& state, bool as_json);
Outcome claim_code(const std::filesystem::path& state);
Outcome password(const std::filesystem::path& state);
Outcome reset(const std::filesystem::path& state, bool confirmed);
Outcome doctor(const std::filesystem::path& state, Environment& environment);
Outcome switch_remote_access(const std::filesystem::path& state, bool on);

// What a stock OpenVPN client asks about its server (openvpn(8): --tls-verify); `peer_cert` and `digest` are from its
// environment.
struct OpenvpnOptions {
  std::filesystem::path state;
  std::string name;   // that the server's certificate must have
  std::string depth;  // as OpenVPN gives it
  std::string peer_cert;
  std::string digest;
};
Outcome openvpn_verify(const OpenvpnOptions& options, Environment& environment);

struct SendOptions {
  std::filesystem::path state;
  std::string stream;
  std::optional<std::string> topic;
  std::optional<std::string> value;  // JSON; absent: JSON lines from standard input
  bool once = false;                 // without a running agent: connect, check, send, end
  unsigned limit_s = 120;            // for once
};
Outcome send(const SendOptions& options, Environment& environment);

// The node of this device, in a folder of its own (docs/operate/rpc.md).
inline constexpr std::string_view kDefaultRpcState = "/var/lib/sallyport-agent/rpc";

struct RpcInitOptions {
  std::filesystem::path state;
  std::string node, prefix, broker, ca;
};
Outcome rpc_init(const RpcInitOptions& options, Environment& environment);
struct RpcRunOptions {
  std::filesystem::path state;
  unsigned run_as = 0;  // numeric user; 0: stays who it is
};
Outcome rpc_run(const RpcRunOptions& options, Environment& environment);

struct RpcKeyOptions {
  std::filesystem::path state;
  std::string id, comment;
  std::vector<std::string> allow, deny, items, deny_items;
  unsigned calls_per_minute = 600;
  unsigned days = 0;           // until it ends; 0: no end
  unsigned overlap_hours = 0;  // that the secret before stays good
  std::string import_file;     // a key that was made elsewhere
  bool json = false;
};
Outcome rpc_key_add(const RpcKeyOptions& options, Environment& environment);
Outcome rpc_key_list(const std::filesystem::path& state, bool as_json);
Outcome rpc_key_rotate(const RpcKeyOptions& options, Environment& environment);
Outcome rpc_key_remove(const RpcKeyOptions& options, Environment& environment);
struct RpcPairingOptions {
  std::filesystem::path state;
  std::vector<std::string> allow, deny, items, deny_items;  // of whom it lets in
  unsigned calls_per_minute = 600;
  unsigned minutes = 30;    // until it ends
  unsigned uses = 1;        // callers that it lets in
  std::string import_file;  // a key that others have too; lets in certificates alone
  std::string who;          // a certificate that was let in
};
Outcome rpc_pairing_open(const RpcPairingOptions& options, Environment& environment);
Outcome rpc_paired_remove(const RpcPairingOptions& options, Environment& environment);
Outcome rpc_audit_verify(const std::filesystem::path& state);

inline constexpr milliseconds kAskLimit{10'000};
// Asks the running agent over run/agent.sock and returns the body of its answer. Errc::not_found when none runs; the
// agent's own refusal is Errc::conflict with its sentence.
Result<std::string> ask_agent(const std::filesystem::path& state, const std::string& method, const std::string& target,
                              std::string body = {}, milliseconds limit = kAskLimit);

}  // namespace sallyport::agent_cli
