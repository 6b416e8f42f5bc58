// The device's program: its command line, tied to the operating system's clock and randomness.
#include <cstdio>
#include <cstdlib>
#include <functional>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "base/log.h"
#include "commands.h"
#include "crypto/system_random.h"
#include "net/run.h"
#include "rpc_command_line.h"
#include "usage_text.h"

namespace {

using namespace sallyport;
using agent_cli::ExitStatus;

using agent_cli::Chosen;

// The parsed values of all commands.
struct Values {
  std::string state{agent_cli::kDefaultState};
  std::string certificate, root_certificate, csr_out, relay_address, http_address, second_status, proxy,
      proxy_credentials_file, relay_fallback, relay_websocket, telemetry_listen, direct_listen;
  std::string name, depth, subject;
  std::string remote_access = "off", clock = "trusted", proxy_login = "any", topic, value, position;
  bool json = false, yes = false, no_rpc = false;
  agent_cli::InitOptions init;
  agent_cli::SendOptions send;
};

std::optional<std::string> given(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

CLI::App* add_command(CLI::App& top, Values& values, const char* name, const char* summary) {
  CLI::App* command = top.add_subcommand(name, summary);
  command->add_option("--state", values.state, "the agent's state folder")->type_name("DIR")->capture_default_str();
  return command;
}

// The rest of what `init` wants, once all options are read.
void take_init_options(Values& values) {
  const bool complete = !values.certificate.empty() ||
                        !(values.init.serial_id.empty() || values.init.site.empty() || values.init.zone.empty() ||
                          values.root_certificate.empty() || values.csr_out.empty());
  if (!complete) {
    throw CLI::ValidationError("init",
                               "want --certificate, or all of --serial-id --site --zone --root-certificate --csr-out");
  }
  agent_cli::InitOptions& init = values.init;
  init.state = values.state;
  if (!values.certificate.empty()) init.certificate = values.certificate;
  init.root_certificate = values.root_certificate;
  init.csr_out = values.csr_out;
  init.relay_address = given(values.relay_address);
  init.http_address = given(values.http_address);
  init.second_status = given(values.second_status);
  init.proxy = given(values.proxy);
  init.proxy_login = agent::find_login_rule(values.proxy_login).value_or(tunnel::LoginRule::any);
  init.proxy_credentials_file = given(values.proxy_credentials_file);
  init.relay_fallback = given(values.relay_fallback);
  init.relay_websocket = given(values.relay_websocket);
  init.telemetry_listen = given(values.telemetry_listen);
  init.direct_listen = given(values.direct_listen);
  init.remote_access = values.remote_access == "on";
  init.trusted_clock = values.clock == "trusted";
}

void add_init(CLI::App& top, Values& values, Chosen& chosen, agent_cli::Environment& environment) {
  CLI::App* command = add_command(top, values, "init", "make the device's key and request, or install its certificate");
  auto* certificate = command->add_option("--certificate", values.certificate, "install what the factory signed");
  const auto first = [&](const char* name, std::string& into, const char* help) {
    command->add_option(name, into, help)->excludes(certificate);
  };
  first("--serial-id", values.init.serial_id, "the factory's id of this device");
  first("--site", values.init.site, "the factory's name");
  first("--zone", values.init.zone, "the DNS suffix of devices");
  first("--root-certificate", values.root_certificate, "the root to trust (PEM)");
  first("--csr-out", values.csr_out, "where to write the certification request");
  first("--relay-address", values.relay_address, "HOST:PORT for TLS; relay.ZONE:443 without it");
  first("--http-address", values.http_address, "HOST:PORT of the status host; status.ZONE:80 without it");
  first("--second-status", values.second_status,
        "HOST:PORT of another status host, which must agree while the clock is not trusted");
  first("--relay-fallback", values.relay_fallback,
        "HOST:PORT to try where the relay's cannot be reached; port 80 of its host without it");
  first("--relay-websocket", values.relay_websocket,
        "HOST:PORT of the relay's plain port, tried last: for networks that let nothing but HTTP pass");
  first("--proxy", values.proxy,
        "on the way out: HOST:PORT, http://USER:PASSWORD@HOST:PORT or socks5://USER:PASSWORD@HOST:PORT");
  first("--proxy-credentials-file", values.proxy_credentials_file, "holds USER:PASSWORD for the proxy");
  command
      ->add_option("--proxy-login", values.proxy_login,
                   "digest: never the password itself; basic: before the proxy asks")
      ->check(CLI::IsMember({"any", "digest", "basic"}));
  first("--telemetry-listen", values.telemetry_listen, "127.0.0.1:PORT for local programs");
  first("--direct-listen", values.direct_listen,
        "ADDRESS:PORT at which users with a grant come in without the relay; nobody does without it");
  command->add_option("--service", values.init.services, "NAME=KIND:HOST:PORT, once for each local service");
  command->add_option("--remote-access", values.remote_access, "the device's own switch")
      ->check(CLI::IsMember({"on", "off"}));
  command->add_option("--clock", values.clock, "whether the system's clock is right")
      ->check(CLI::IsMember({"trusted", "untrusted"}));
  command->footer(
      "Example:\n  sallyport-agent init --state /var/lib/sallyport-agent --serial-id pump-0001 "
      "--site site-07 --zone devices.example --root-certificate root.pem --csr-out factory.csr");
  command->callback([&values, &chosen, &environment] {
    take_init_options(values);
    chosen = [&values, &environment] { return agent_cli::init(values.init, environment); };
  });
}

void add_send(CLI::App& top, Values& values, Chosen& chosen, agent_cli::Environment& environment) {
  CLI::App* command = add_command(top, values, "send", "hand a value, or JSON lines on standard input, to the agent");
  command->add_option("--stream", values.send.stream, "the stream's name")->required();
  command->add_option("--topic", values.topic, "what the value is of");
  command->add_flag("--once", values.send.once, "without a running agent: connect, check the server, send, end");
  command->add_option("--limit", values.send.limit_s, "seconds that --once may take")->capture_default_str();
  command->add_option("JSON", values.value, "one JSON value");
  command->footer("Example:\n  sallyport-agent send --stream temperature '{\"celsius\": 21.5}'");
  command->callback([&values, &chosen, &environment] {
    values.send.state = values.state;
    values.send.topic = given(values.topic);
    values.send.value = given(values.value);
    chosen = [&values, &environment] { return agent_cli::send(values.send, environment); };
  });
}

std::string environment_text(const char* name) {
  const char* found = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  return found == nullptr ? std::string() : std::string(found);
}

void add_openvpn(CLI::App& top, Values& values, Chosen& chosen, agent_cli::Environment& environment) {
  CLI::App* command = add_command(top, values, "openvpn-verify", "tell OpenVPN whether its server is to be trusted");
  command->add_option("--name", values.name, "that the server's certificate must have")->required();
  command->add_option("DEPTH", values.depth, "as OpenVPN gives it")->required();
  command->add_option("SUBJECT", values.subject, "as OpenVPN gives it; not looked at");
  command->footer(
      "Example:\n  sallyport-agent openvpn-verify --name vpn.gateway.devices.example -- 0 "
      "CN=vpn.gateway.devices.example");
  command->callback([&values, &chosen, &environment] {
    chosen = [&values, &environment] {
      return agent_cli::openvpn_verify({.state = values.state,
                                        .name = values.name,
                                        .depth = values.depth,
                                        .peer_cert = environment_text("peer_cert"),
                                        .digest = environment_text("tls_digest_sha256_0")},
                                       environment);
    };
  });
}

void add_simple(CLI::App& top, Values& values, Chosen& chosen, agent_cli::Environment& environment) {
  const auto add = [&](const char* name, const char* summary, std::function<agent_cli::Outcome()> work,
                       const char* arguments = "") {
    CLI::App* command = add_command(top, values, name, summary);
    command->footer(std::string("Example:\n  sallyport-agent ") + name + arguments +
                    " --state /var/lib/sallyport-agent");
    command->callback([&chosen, work = std::move(work)] { chosen = work; });
    return command;
  };
  add("run", "run until SIGTERM", [&] {
    return agent_cli::run({.state = values.state, .node = !values.no_rpc}, environment);
  })->add_flag("--no-rpc", values.no_rpc, "without the node of this device, even where there is one");
  add("status", "what the agent is doing", [&] {
    return agent_cli::status(values.state, values.json);
  })->add_flag("--json", values.json, "print JSON for programs");
  add("claim-code", "the code by which the owner claims this device",
      [&] { return agent_cli::claim_code(values.state); });
  add("password", "the default password of the device's own pages", [&] { return agent_cli::password(values.state); });
  add("doctor", "look at everything that can be wrong", [&] { return agent_cli::doctor(values.state, environment); });
  add(
      "reset", "forget certificates, claim code, password, the keys of its node and unsent telemetry",
      [&] { return agent_cli::reset(values.state, values.yes); }, " --yes")
      ->add_flag("--yes", values.yes, "do it");
  CLI::App* service = add(
      "service", "open or close one service of the device",
      [&] { return agent_cli::switch_service(values.state, values.name, values.position == "open"); }, " ssh close");
  service->add_option("NAME", values.name, "the service")->required();
  service->add_option("SWITCH", values.position, "open or close")->required()->check(CLI::IsMember({"open", "close"}));
  add(
      "remote-access", "the device's own switch",
      [&] { return agent_cli::switch_remote_access(values.state, values.position == "on"); }, " on")
      ->add_option("SWITCH", values.position, "on or off")
      ->required()
      ->check(CLI::IsMember({"on", "off"}));
}

}  // namespace

int main(int argc, char** argv) {
  net::ignore_sigpipe();
  log::start("sallyport-agent", log::Level::info);
  const SystemClock clock;
  crypto::SystemRandom random;
  agent_cli::Environment environment{.clock = clock, .random = random};

  CLI::App top("Sallyport on the device: identity, remote access and telemetry", "sallyport-agent");
  top.set_version_flag("--version", "sallyport-agent " SALLYPORT_VERSION);
  top.require_subcommand(1);
  Values values;
  Chosen chosen;
  add_init(top, values, chosen, environment);
  add_send(top, values, chosen, environment);
  add_openvpn(top, values, chosen, environment);
  add_simple(top, values, chosen, environment);
  agent_cli::RpcCommandLine rpc(top, chosen, environment);
  try {
    top.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return top.exit(done);
  } catch (const CLI::ParseError& fault) {
    fmt::print(stderr, "sallyport-agent: usage: {}\n", cli::usage_text(top, fault));
    return static_cast<int>(ExitStatus::usage);
  }
  auto outcome = top.got_subcommand("rpc") ? agent_cli::Outcome() : agent_cli::check_version(values.state);
  if (outcome) outcome = chosen();
  if (std::fflush(stdout) != 0) return static_cast<int>(ExitStatus::failed);
  if (outcome) return static_cast<int>(ExitStatus::ok);
  fmt::print(stderr, "sallyport-agent: {}\n", outcome.error().error.detail);
  return static_cast<int>(outcome.error().status);
}
