#include <cstdio>

#include "agent/state.h"
#include "codec/pem.h"
#include "commands.h"
#include "keystore/file.h"
#include "option_error.h"

namespace sallyport::agent_cli {
namespace {

using cli::of_option;

constexpr std::size_t kMaxPemFile = 256U << 10U;
constexpr std::uint16_t kTlsPort = 443;
constexpr std::uint16_t kHttpPort = 80;

Result<std::vector<pki::Certificate>> read_certificates(const std::filesystem::path& path) {
  TRY(const auto pem, keystore::read_file(path, kMaxPemFile));
  auto certificates = pki::parse_certificates_pem(as_text(pem));
  if (!certificates) return std::unexpected(std::move(certificates).error().at(path.native()));
  return certificates;
}

Outcome install_certificate(const InitOptions& options) {
  auto opened = open_state(options.state);
  if (!opened) return std::unexpected(std::move(opened).error());
  agent::AgentState& state = *opened;
  TRY(const auto chain, read_certificates(*options.certificate));
  TRY_VOID(state.install_factory_certificate(chain));
  fmt::print("factory certificate of {}.{} installed\n", state.settings().serial_id.get(), state.settings().site.get());
  return {};
}

// Leaves `into` where nothing was given. Errors name the option.
template <class Address>
Result<void> take_address(std::string_view option, const std::optional<std::string>& given, Address& into) {
  if (!given) return {};
  TRY(into, of_option(option, net::parse_address(*given)));
  return {};
}

Result<agent::Settings> settings_of(const InitOptions& options) {
  agent::Settings out;
  TRY(out.serial_id, of_option("--serial-id", parse_serial_id(options.serial_id)));
  TRY(out.site, of_option("--site", parse_site_name(options.site)));
  TRY(out.zone, of_option("--zone", parse_dns_name(options.zone)));
  out.relay_address = {.host = out.server_name("relay").get(), .port = kTlsPort};
  out.http_address = {.host = out.server_name("status").get(), .port = kHttpPort};
  TRY_VOID(take_address("--relay-address", options.relay_address, out.relay_address));
  TRY_VOID(take_address("--http-address", options.http_address, out.http_address));
  TRY_VOID(take_address("--second-status", options.second_status, out.second_status));
  TRY_VOID(take_address("--relay-fallback", options.relay_fallback, out.relay_fallback));
  TRY_VOID(take_address("--relay-websocket", options.relay_websocket, out.relay_web_socket));
  if (options.proxy) {
    TRY(out.proxy, of_option("--proxy", agent::parse_proxy(*options.proxy)));
  }
  out.proxy_login = options.proxy_login;
  out.proxy_credentials_file = options.proxy_credentials_file.value_or("");
  TRY_VOID(take_address("--telemetry-listen", options.telemetry_listen, out.telemetry_listen));
  if (options.direct_listen) {
    out.direct.emplace();
    TRY_VOID(take_address("--direct-listen", options.direct_listen, out.direct->listen));
  }
  out.remote_access = options.remote_access;
  out.trusted_clock = options.trusted_clock;
  for (const std::string& text : options.services) {
    TRY(auto service, of_option("--service", agent::parse_local_target(text)));
    if (service.service.kind == tunnel::ServiceKind::tls) out.allow_tls_services = true;
    out.services.push_back(std::move(service));
  }
  // What was put together here must be what the agent will read.
  TRY_VOID(agent::parse_settings(agent::encode_settings(out), "agent.toml"));
  return out;
}

}  // namespace

Outcome init(const InitOptions& options, Environment& environment) {
  if (options.certificate) return install_certificate(options);
  TRY(const auto settings, settings_of(options));
  TRY(const auto roots, read_certificates(options.root_certificate));
  TRY(auto state, agent::AgentState::initialise(options.state, settings, roots.front(), environment.random));
  TRY(const Bytes csr, state.factory_request());
  const std::string pem = codec::encode_pem("CERTIFICATE REQUEST", csr);
  TRY_VOID(keystore::atomic_write_file(options.csr_out, as_bytes(pem), keystore::kPublicMode));
  fmt::print(
      "{}: certification request of {}.{}; have the factory sign it, then: sallyport-agent init --state {} "
      "--certificate FILE\n",
      options.csr_out.native(), settings.serial_id.get(), settings.site.get(), options.state.native());
  return {};
}

}  // namespace sallyport::agent_cli
