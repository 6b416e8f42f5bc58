// sallyport-agent rpc …: the node of this device, its keys and its audit trail.
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "agent/node_process.h"
#include "base/log.h"
#include "codec/json_text.h"
#include "commands.h"
#include "keystore/file.h"
#include "keystore/state_folder.h"
#include "net/heap.h"
#include "net/io.h"
#include "net/privileges.h"
#include "net/run.h"
#include "option_error.h"
#include "rpcnode/audit_trail.h"
#include "rpcnode/node_keys.h"
#include "rpcnode/node_program.h"

namespace sallyport::agent_cli {
namespace {

constexpr keystore::StateFormat kRpcFormat{.kind = "rpc", .version = 1, .made_by = "sallyport-agent rpc init"};
constexpr milliseconds kLeaveLimit{10'000};
constexpr std::size_t kMaxKeyText = 4'096;

Try<rpcnode::NodeSettings> read_settings(const std::filesystem::path& folder) {
  auto settings = rpcnode::load_settings(folder / rpcnode::kSettingsFile);
  if (settings) return *std::move(settings);
  if (settings.error().code == Errc::not_found)
    return std::unexpected(Failure(
        {Errc::not_found,
         fmt::format("{}: no {} in it; `sallyport-agent rpc init` makes one", folder.native(), rpcnode::kSettingsFile)},
        ExitStatus::state));
  return std::unexpected(Failure(std::move(settings).error(), ExitStatus::state));
}

Try<rpcnode::NodeKeys> open_keys(const std::filesystem::path& folder) {
  auto settings = read_settings(folder);
  if (!settings) return std::unexpected(std::move(settings).error());
  auto keys = rpcnode::NodeKeys::open(folder / "keys.json", settings->node);
  if (!keys) return std::unexpected(Failure(std::move(keys).error(), ExitStatus::state));
  return *std::move(keys);
}

// The agent that started this process; null where nobody did.
Result<std::unique_ptr<rpcnode::AgentLink>> agent_above(net::Executor executor) {
  const std::string variable(agent::kNodeChannelVariable);
  const char* const text = std::getenv(variable.c_str());  // NOLINT(concurrency-mt-unsafe): one thread
  if (text == nullptr) return nullptr;
  int number = -1;
  const std::string_view digits(text);
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (fault != std::errc() || end != digits.data() + digits.size() || number <= STDERR_FILENO)
    return failf(Errc::malformed, "{}: want the number of a socket", variable);
  return rpcnode::AgentLink::adopt(std::move(executor), net::Descriptor(number));
}

net::Task<void> end_with(rpcnode::AgentLink& agent, net::Io& io) {
  co_await agent.ended();
  log::info("rpc.agent-gone");
  io.stop();
}

std::string settings_text(const RpcInitOptions& options) {
  return fmt::format(
      "# What this node is called, where it listens and what it can do. docs/operate/rpc.md explains every line.\n"
      "node = \"{}\"\n{}\n"
      "[[broker]]\nurl = \"{}\"\n{}\n"
      "# [[method]]\n# name = \"pump.start\"\n# command = [\"/usr/local/bin/pump\", \"start\"]  # params on its input, "
      "result on its output\n# limit = \"10s\"\n\n"
      "# [[method]]\n# name = \"plc.read\"\n# http = \"http://127.0.0.1:8080/read\"\n# idempotent = true\n",
      options.node, options.prefix.empty() ? "" : fmt::format("prefix = \"{}\"\n", options.prefix), options.broker,
      options.ca.empty() ? "" : fmt::format("ca = \"{}\"\n", std::filesystem::absolute(options.ca).native()));
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : " ") + text;
  return out.empty() ? "-" : out;
}

void print_key(const sealed::ApiKey& key, bool as_json) {
  const SecretBytes text = sealed::to_text(key);
  if (as_json) {
    const codec::Json told(codec::Json::Object{{"id", key.id.get()}, {"key", std::string(as_text(text.expose()))}});
    fmt::print("{}\n", codec::for_terminal(told.write()));
    return;
  }
  fmt::print("{}\n", as_text(text.expose()));
  if (::isatty(STDERR_FILENO) == 1)
    fmt::print(stderr, "This is the only time that it is shown: the node keeps what opens this node alone.\n");
}

Result<sealed::ApiKey> read_key_file(const std::filesystem::path& file) {
  TRY(const SecretBytes text, keystore::read_secret_file(file, kMaxKeyText));
  std::string_view line = as_text(text.expose());
  if (line.ends_with('\n')) line.remove_suffix(1);
  return sealed::parse_api_key(line);
}

std::string describe_key(const rpcnode::NodeKeyRecord& record) {
  if (record.pairing)
    return fmt::format("{:<16} pairs: {} more, {}until {} · who pairs may call {}", record.id.get(),
                       record.pairing->uses, record.pairing->shared ? "certificates alone, " : "",
                       to_iso8601(record.expires.value_or(UnixTime())), joined(record.rules.allow));
  return fmt::format("{:<16} allow {} · deny {} · items {} · {} calls a minute · {}{}", record.id.get(),
                     joined(record.rules.allow), joined(record.rules.deny),
                     record.rules.items.empty() ? "any" : joined(record.rules.items), record.calls_per_minute,
                     record.expires ? "until " + to_iso8601(*record.expires) : "no end",
                     record.secrets.size() > 1 ? " · rotating" : "");
}

// What rpc.toml would be refused for, in the words of the command line.
Result<void> check_options(const RpcInitOptions& options) {
  TRY_VOID(cli::of_option("--node", sealed::parse_node_name(options.node)));
  TRY_VOID(cli::of_option("--prefix", sealed::parse_topic_prefix(options.prefix)));
  TRY(const auto url, cli::of_option("--broker", rpcnode::parse_broker_url(options.broker)));
  if (url.tls != options.ca.empty()) return {};
  return failf(Errc::malformed, "--ca: {}",
               url.tls ? "is missing: mqtts:// needs the broker's CA" : "is for mqtts:// alone");
}

}  // namespace

Outcome rpc_init(const RpcInitOptions& options, Environment&) {
  if (auto checked = check_options(options); !checked)
    return std::unexpected(Failure(std::move(checked).error(), ExitStatus::usage));
  const std::string text = settings_text(options);
  // What would be refused at the start is refused here.
  if (auto parsed = rpcnode::parse_settings(text, rpcnode::kSettingsFile, options.state); !parsed)
    return std::unexpected(Failure(std::move(parsed).error(), ExitStatus::usage));
  auto folder = keystore::StateFolder::create(options.state, kRpcFormat);
  if (!folder) return std::unexpected(Failure(std::move(folder).error(), ExitStatus::state));
  TRY_VOID(keystore::create_file(folder->file(rpcnode::kSettingsFile), as_bytes(text), keystore::kSecretMode));
  fmt::print("{} is the node '{}'. Next: `sallyport-agent rpc key-add`, and `sallyport-agent rpc run`.\n",
             options.state.native(), options.node);
  return {};
}

Outcome rpc_run(const RpcRunOptions& options, Environment& environment) {
  const std::filesystem::path& folder = options.state;
  if (options.run_as != 0) {
    TRY_VOID(net::drop_privileges({.uid = options.run_as, .gid = options.run_as}));
  } else {
    TRY_VOID(net::forbid_new_privileges());
  }
  auto settings = read_settings(folder);
  if (!settings) return std::unexpected(std::move(settings).error());
  TRY_VOID(net::limit_memory(settings->memory_limit));
  auto state = keystore::StateFolder::open(folder, kRpcFormat);
  if (!state) return std::unexpected(Failure(std::move(state).error(), ExitStatus::state));
  const std::string name = settings->node.get();
  net::Io io;
  net::TaskGroup tasks(io.executor());
  TRY(const auto agent, agent_above(io.executor()));
  auto program = rpcnode::NodeProgram::open(tasks, environment.clock, environment.random, folder, *std::move(settings),
                                            agent.get());
  if (!program) return std::unexpected(Failure(std::move(program).error(), ExitStatus::state));
  io.on_termination([&io] { io.stop(); });
  if (agent) tasks.spawn(end_with(*agent, io), "rpc.agent-end");
  tasks.spawn(net::keep_heap_small(), "rpc.heap");
  log::info("rpc.running", {{"pid", ::getpid()}, {"node", name}, {"topic", (*program)->node().topic()}});
  io.run();
  io.restart();
  net::run(io, (*program)->finish(kLeaveLimit));
  log::info("rpc.ended");
  io.restart();
  net::run(io, tasks.stop());
  return {};
}

Outcome rpc_key_add(const RpcKeyOptions& options, Environment& environment) {
  auto keys = open_keys(options.state);
  if (!keys) return std::unexpected(std::move(keys).error());
  rpcnode::NewKey chosen;
  auto id = cli::of_option("--id", sealed::parse_key_id(options.id));
  if (!id) return std::unexpected(Failure(std::move(id).error(), ExitStatus::usage));
  chosen.id = *std::move(id);
  chosen.comment = options.comment;
  chosen.rules = {
      .allow = options.allow, .deny = options.deny, .items = options.items, .deny_items = options.deny_items};
  chosen.calls_per_minute = options.calls_per_minute;
  const UnixTime now = environment.clock.now();
  if (options.days > 0) chosen.expires = now + options.days * kDay;
  if (!options.import_file.empty()) {
    TRY(const auto key, read_key_file(options.import_file));
    TRY_VOID(keys->take(std::move(chosen), key, now));
    fmt::print("key '{}' is taken\n", key.id.get());
    return {};
  }
  TRY(const auto key, keys->add(std::move(chosen), now, environment.random));
  print_key(key, options.json);
  return {};
}

Outcome rpc_key_list(const std::filesystem::path& folder, bool as_json) {
  auto keys = open_keys(folder);
  if (!keys) return std::unexpected(std::move(keys).error());
  if (as_json) {
    codec::Json::Array all;
    for (const auto& record : keys->list()) all.push_back(rpcnode::key_json(record));
    for (const auto& caller : keys->paired()) all.push_back(rpcnode::paired_json(caller));
    fmt::print("{}\n", codec::for_terminal(codec::Json(std::move(all)).write()));
    return {};
  }
  if (keys->list().empty() && keys->paired().empty()) {
    fmt::print("no key: nobody can call this node. `sallyport-agent rpc key-add --id NAME --allow test` makes one.\n");
    return {};
  }
  for (const auto& record : keys->list()) fmt::print("{}\n", describe_key(record));
  for (const auto& caller : keys->paired())
    fmt::print("{:<16} paired {} · allow {}\n", caller.who, to_iso8601(caller.since), joined(caller.rules.allow));
  return {};
}

Outcome rpc_pairing_open(const RpcPairingOptions& options, Environment& environment) {
  auto keys = open_keys(options.state);
  if (!keys) return std::unexpected(std::move(keys).error());
  rpcnode::NewPairing chosen{
      .rules = {.allow = options.allow, .deny = options.deny, .items = options.items, .deny_items = options.deny_items},
      .calls_per_minute = options.calls_per_minute,
      .life = minutes(options.minutes),
      .uses = options.uses};
  const UnixTime now = environment.clock.now();
  if (options.import_file.empty()) {
    TRY(const auto key, keys->open_pairing(std::move(chosen), now, environment.random));
    print_key(key, false);
    return {};
  }
  TRY(const auto key, read_key_file(options.import_file));
  TRY_VOID(keys->open_shared_pairing(std::move(chosen), key, now));
  fmt::print("certificates pair by it for {} minutes\n", options.minutes);
  return {};
}

Outcome rpc_paired_remove(const RpcPairingOptions& options, Environment& environment) {
  auto keys = open_keys(options.state);
  if (!keys) return std::unexpected(std::move(keys).error());
  TRY_VOID(keys->remove_paired(options.who, environment.clock.now()));
  fmt::print("{} is let in no longer; a node that runs knows it within a second\n", options.who);
  return {};
}

Outcome rpc_key_rotate(const RpcKeyOptions& options, Environment& environment) {
  auto keys = open_keys(options.state);
  if (!keys) return std::unexpected(std::move(keys).error());
  TRY(const auto id, cli::of_option("--id", sealed::parse_key_id(options.id)));
  TRY(const auto key, keys->rotate(id, hours(options.overlap_hours), environment.clock.now(), environment.random));
  print_key(key, options.json);
  return {};
}

Outcome rpc_key_remove(const RpcKeyOptions& options, Environment& environment) {
  auto keys = open_keys(options.state);
  if (!keys) return std::unexpected(std::move(keys).error());
  TRY(const auto id, cli::of_option("--id", sealed::parse_key_id(options.id)));
  TRY_VOID(keys->remove(id, environment.clock.now()));
  fmt::print("key '{}' is removed; a node that runs ends its sessions within a second\n", id.get());
  return {};
}

Outcome rpc_audit_verify(const std::filesystem::path& folder) {
  TRY(const auto head, rpcnode::check_audit_trail(folder));
  fmt::print("{} lines, unaltered\n", head.lines);
  return {};
}

}  // namespace sallyport::agent_cli
