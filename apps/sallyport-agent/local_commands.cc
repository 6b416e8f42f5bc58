#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <iterator>

#include "agent/agent.h"
#include "agent/device_password.h"
#include "agent/telemetry.h"
#include "codec/json.h"
#include "codec/json_text.h"
#include "commands.h"
#include "keystore/file.h"
#include "net/run.h"
#include "option_error.h"

namespace sallyport::agent_cli {
namespace {

constexpr std::size_t kMaxInput = 1U << 20U;

Result<std::string> read_standard_input() {
  std::string text(std::istreambuf_iterator<char>(std::cin), {});
  if (text.size() > kMaxInput) return failf(Errc::overloaded, "standard input: more than {} bytes", kMaxInput);
  return text;
}

// The JSON lines that the agent takes.
Result<std::string> lines_of(const SendOptions& options) {
  if (!options.value) return read_standard_input();
  TRY(auto value, cli::of_option("JSON", codec::parse_json(*options.value)));
  codec::Json::Object line{{"value", std::move(value)}};
  if (options.topic) line["topic"] = *options.topic;
  return codec::Json(std::move(line)).write() + "\n";
}

net::Task<Result<void>> upload(agent::Agent& agent, milliseconds limit) {
  co_return co_await agent.upload_once(limit);
}

// A person has to say yes.
Result<void> ask_for_reset(std::string_view serial_id) {
  if (::isatty(STDIN_FILENO) == 0) {
    return fail(Errc::unauthorized,
                "reset: forgets the device's certificates, claim code, password, the keys of its node and unsent "
                "telemetry; want --yes");
  }
  fmt::print(stderr,
             "Forget the certificates, claim code, password, the keys of its node and unsent telemetry of {}? Its "
             "owner must then re-open "
             "it. [yes/no] ",
             serial_id);
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "yes") return {};
  return fail(Errc::unauthorized, "reset: not confirmed, nothing was done");
}

Outcome send_without_agent(const SendOptions& options, std::string lines, Environment& environment) {
  auto opened = open_state(options.state);
  if (!opened) return std::unexpected(std::move(opened).error());
  agent::AgentState& state = *opened;
  auto queue = open_queue(state, environment.random);
  if (!queue) return std::unexpected(std::move(queue).error());
  TRY(auto stream, telemetry::parse_stream_name(options.stream));
  const telemetry::SampleTime now{seconds(environment.clock.now().since_epoch())};
  TRY(auto samples, agent::parse_telemetry_lines(lines, now));
  TRY_VOID((*queue)->append_and_wait(std::move(stream), std::move(samples)));
  if (!options.once) return {};
  net::Io io;
  agent::Agent agent(io.executor(), environment.clock, environment.random, state, **queue);
  auto done = net::run(io, upload(agent, seconds(options.limit_s)));
  if (!done) return fail(Errc::internal, "send: was interrupted");
  TRY_VOID(*std::move(done));
  return {};
}

}  // namespace

Outcome status(const std::filesystem::path& folder, bool as_json) {
  auto report = ask_agent(folder, "GET", "/status");
  if (!report && report.error().code == Errc::not_found) {
    auto opened = open_state(folder);
    if (!opened) return std::unexpected(std::move(opened).error());
    agent::AgentState& state = *opened;
    report = agent::report_of_folder(state);
  }
  if (!report) return std::unexpected(std::move(report).error());
  if (as_json) {
    fmt::print("{}\n", codec::for_terminal(*report));
    return {};
  }
  TRY(const std::string text, agent::format_report_text(*report));
  fmt::print("{}", text);
  return {};
}

Outcome claim_code(const std::filesystem::path& folder) {
  TRY(const std::string code, ask_agent(folder, "GET", "/claim-code"));
  fmt::print("{}\n", code);
  return {};
}

Outcome password(const std::filesystem::path& folder) {
  // Read without the folder's lock: a running agent never changes the device secret.
  TRY(const auto settings, agent::load_settings(folder / "agent.toml"));
  TRY(const auto secret, keystore::read_secret_file(folder / "device-secret", 1'024));
  const bool replaced = std::filesystem::exists(folder / agent::kPasswordFile);
  if (replaced) std::fputs("the default password was replaced; sallyport-agent reset brings it back\n", stderr);
  fmt::print("{}\n", agent::default_password(secret, settings.serial_id));
  return {};
}

Outcome switch_remote_access(const std::filesystem::path& folder, bool on) {
  const codec::Json body(codec::Json::Object{{"on", on}});
  auto told = ask_agent(folder, "POST", "/remote-access", body.write());
  if (told) return {};
  if (told.error().code != Errc::not_found) return std::unexpected(std::move(told).error());
  auto opened = open_state(folder);
  if (!opened) return std::unexpected(std::move(opened).error());
  agent::AgentState& state = *opened;
  TRY_VOID(state.set_remote_access(on));
  return {};
}

Outcome switch_service(const std::filesystem::path& folder, const std::string& name, bool open) {
  TRY(const ServiceName service, cli::of_option("NAME", parse_service_name(name)));
  const codec::Json body(codec::Json::Object{{"open", open}});
  auto told = ask_agent(folder, "POST", "/services/" + service.get(), body.write());
  if (told) return {};
  if (told.error().code != Errc::not_found) return std::unexpected(std::move(told).error());
  auto opened = open_state(folder);
  if (!opened) return std::unexpected(std::move(opened).error());
  TRY_VOID(agent::switch_service_of_folder(*opened, service, open));
  return {};
}

Outcome send(const SendOptions& options, Environment& environment) {
  TRY(std::string lines, lines_of(options));
  TRY(const auto stream, cli::of_option("--stream", telemetry::parse_stream_name(options.stream)));
  auto taken = ask_agent(options.state, "POST", "/telemetry/" + stream.get(), lines);
  if (taken) return {};
  if (taken.error().code != Errc::not_found) return std::unexpected(std::move(taken).error());
  return send_without_agent(options, std::move(lines), environment);
}

Outcome reset(const std::filesystem::path& folder, bool confirmed) {
  auto opened = open_state(folder);
  if (!opened) return std::unexpected(std::move(opened).error());
  agent::AgentState& state = *opened;
  if (!confirmed) TRY_VOID(ask_for_reset(state.settings().serial_id.get()));
  TRY_VOID(state.reset());
  fmt::print(
      "{} is as the factory left it, and nobody's. When the agent runs it asks for a certificate with a new key, is "
      "refused, and shows the fingerprint of that key (sallyport-agent status). Its owner, or for a device that nobody "
      "owns the operator of the installation, lets it in with\n\n  sallyport device reopen {}/{} --key FINGERPRINT\n",
      state.settings().serial_id.get(), state.settings().site.get(), state.settings().serial_id.get());
  return {};
}

}  // namespace sallyport::agent_cli
