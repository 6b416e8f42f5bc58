#include "agent/settings.h"

#include <algorithm>

#include "base/log.h"
#include "codec/json.h"
#include "config/document.h"
#include "keystore/file.h"
#include "tunnel/limits.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kMaxConsentArguments = 16;
constexpr std::size_t kMaxCredentialsFile = 4'096;
constexpr std::uint16_t kTlsPort = 443;
constexpr std::string_view kNoDigest = "digest is wanted, of which a SOCKS proxy knows nothing";
constexpr std::uint16_t kOtherPort = 80;

Result<tunnel::ServiceKind> parse_kind(std::string_view text) {
  if (text == "http") return tunnel::ServiceKind::http;
  if (text == "tcp") return tunnel::ServiceKind::tcp;
  if (text == "tls") return tunnel::ServiceKind::tls;
  return fail(Errc::malformed, "service kind: want http, tcp or tls");
}

std::string_view to_text(tunnel::ServiceKind kind) {
  switch (kind) {
    case tunnel::ServiceKind::http:
      return "http";
    case tunnel::ServiceKind::tcp:
      return "tcp";
    case tunnel::ServiceKind::tls:
      return "tls";
  }
  return "http";
}

// The value of `key` through `parse`; its error with the place in the file.
template <class Parse>
auto read_with(const config::Table& table, std::string_view key, Parse parse) -> decltype(parse(std::string_view())) {
  TRY(const std::string text, table.text(key));
  auto parsed = parse(std::string_view(text));
  if (!parsed) return table.refuse(key, parsed.error().detail);
  return parsed;
}

Result<std::optional<net::Address>> find_address(const config::Table& table, std::string_view key) {
  if (!table.has(key)) return std::nullopt;
  TRY(auto address, read_with(table, key, net::parse_address));
  return address;
}

Result<LocalTarget> read_service(const config::Table& table) {
  LocalTarget out;
  TRY(out.service.name, read_with(table, "name", parse_service_name));
  TRY(out.service.kind, read_with(table, "kind", parse_kind));
  TRY(out.target, read_with(table, "target", net::parse_address));
  TRY(out.script_cookies, table.boolean("script_cookies", false));
  if (out.script_cookies && out.service.kind != tunnel::ServiceKind::http)
    return table.refuse("script_cookies", "is for services of kind http");
  TRY(out.proxy_protocol, table.boolean("proxy_protocol", false));
  if (out.proxy_protocol && out.service.kind == tunnel::ServiceKind::http)
    return table.refuse("proxy_protocol", "is for services of kind tcp or tls");
  if (out.service.name.get() == kDeviceService) return table.refuse("name", "is the agent's own service");
  return out;
}

Result<std::vector<LocalTarget>> read_services(const config::Table& root, bool allow_tls) {
  std::vector<LocalTarget> out;
  TRY(const auto tables, root.tables("service"));
  for (const config::Table& table : tables) {
    TRY(auto service, read_service(table));
    const auto same = [&](const LocalTarget& other) { return other.service.name == service.service.name; };
    if (std::ranges::any_of(out, same)) return table.refuse("name", "is there twice");
    if (service.service.kind == tunnel::ServiceKind::tls && !allow_tls)
      return table.refuse("kind", "tls is passed through unproven; it needs allow_tls_services = true");
    out.push_back(std::move(service));
  }
  if (out.size() >= tunnel::kMaxServices) return root.refuse("service", "too many");
  return out;
}

Result<void> read_stream(const config::Table& table, Settings& out) {
  TRY(const auto name, read_with(table, "name", telemetry::parse_stream_name));
  TRY(const std::string word, table.text("when_full"));
  if (word != "refuse" && word != "drop_oldest") return table.refuse("when_full", "want \"refuse\" or \"drop_oldest\"");
  const auto rule = word == "refuse" ? telemetry::WhenFull::refuse : telemetry::WhenFull::drop_oldest;
  if (!out.when_full.emplace(name, rule).second) return table.refuse("name", "is there twice");
  return {};
}

Result<void> read_streams(const config::Table& root, Settings& out) {
  TRY(const auto tables, root.tables("stream"));
  if (tables.size() > kMaxNamedStreams) return root.refuse("stream", fmt::format("want at most {}", kMaxNamedStreams));
  for (const config::Table& table : tables) TRY_VOID(read_stream(table, out));
  return {};
}

// Whether a proxy of that kind can be kept from hearing what `rule` keeps from it.
bool can_keep(tunnel::LoginRule rule, const Proxy& proxy) {
  return rule != tunnel::LoginRule::digest_alone || proxy.kind == ProxyKind::http;
}

Result<void> read_way_out(const config::Table& root, Settings& out) {
  TRY(out.relay_fallback, find_address(root, "relay_fallback"));
  if (out.relay_fallback == out.relay_address)
    return root.refuse("relay_fallback", "is relay_address; want another port");
  TRY(out.relay_web_socket, find_address(root, "relay_websocket"));
  if (root.has("proxy")) {
    TRY(out.proxy, read_with(root, "proxy", parse_proxy));
  }
  TRY(out.proxy_credentials_file, root.text("proxy_credentials_file", ""));
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::ranges::any_of(out.proxy_credentials_file, is_control))
    return root.refuse("proxy_credentials_file", "want a path without control characters");
  if (!out.proxy_credentials_file.empty() && out.proxy && out.proxy->credentials)
    return root.refuse("proxy_credentials_file", "and credentials in proxy; want one of the two");
  TRY(const std::string login, root.text("proxy_login", "any"));
  const auto rule = find_login_rule(login);
  if (!rule) return root.refuse("proxy_login", "want \"any\", \"digest\" or \"basic\"");
  out.proxy_login = *rule;
  if (out.proxy && !can_keep(out.proxy_login, *out.proxy)) return root.refuse("proxy_login", std::string(kNoDigest));
  TRY(out.proxy_else_direct, root.boolean("proxy_else_direct", false));
  if (root.has("connect_from")) {
    TRY(out.connect_from, root.text("connect_from"));
    if (!net::is_ip(out.connect_from)) return root.refuse("connect_from", "want an IP address of this device");
  }
  return {};
}

Result<std::uint16_t> read_port(const config::Table& table, std::string_view key) {
  TRY(const auto port, table.integer(key, {.least = 1, .most = 65'535}));
  return static_cast<std::uint16_t>(port);
}

Result<std::optional<DirectChoice>> read_direct(const config::Table& root) {
  TRY(const auto table, root.find_table("direct"));
  if (!table) return std::nullopt;
  DirectChoice out;
  TRY(out.listen, read_with(*table, "listen", net::parse_address));
  if (!net::is_ip(out.listen.host)) return table->refuse("listen", "want an IP address of this device and a port");
  if (table->has("public_port")) {
    TRY(out.public_port, read_port(*table, "public_port"));
  }
  return out;
}

Result<NodeChoice> read_node(const config::Table& root) {
  NodeChoice out;
  TRY(const auto table, root.find_table("rpc"));
  if (!table) return out;
  TRY(out.run, table->boolean("run", true));
  TRY(const std::string folder, table->text("folder", ""));
  if (!folder.empty() && !folder.starts_with('/')) return table->refuse("folder", "want an absolute path");
  out.folder = folder;
  if (table->has("user")) {
    TRY(const auto user, table->integer("user", {.least = 1, .most = kLargestNodeUser}));
    out.user = static_cast<std::uint32_t>(user);
  }
  TRY(out.name, table->text("node", ""));
  if (out.user && out.name.empty())
    return table->refuse("user", "want node beside it: the name is not for that user to choose");
  return out;
}

Result<void> take_credentials(Settings& settings) {
  if (settings.proxy_credentials_file.empty() || !settings.proxy || settings.proxy->credentials) return {};
  TRY(const auto file, keystore::read_secret_file(settings.proxy_credentials_file, kMaxCredentialsFile));
  auto credentials = parse_proxy_credentials(file.expose());
  if (credentials && settings.proxy->kind == ProxyKind::socks5 && credentials->password.empty())
    credentials = fail(Errc::malformed, "want a password, which a SOCKS proxy cannot do without");
  if (!credentials) return std::unexpected(std::move(credentials).error().at(settings.proxy_credentials_file));
  settings.proxy->credentials = std::make_shared<const tunnel::ProxyCredentials>(*std::move(credentials));
  return {};
}

// As it was written: what came from a file stays there.
std::string encode_own_proxy(const Settings& settings) {
  Proxy own = *settings.proxy;
  if (!settings.proxy_credentials_file.empty()) own.credentials = nullptr;
  return encode_proxy(own);
}

Result<Settings> read(const config::Table& root) {
  Settings out;
  TRY(out.serial_id, read_with(root, "serial_id", parse_serial_id));
  TRY(out.site, read_with(root, "site", parse_site_name));
  TRY(out.zone, read_with(root, "zone", parse_dns_name));
  TRY(out.relay_address, read_with(root, "relay_address", net::parse_address));
  TRY(out.http_address, read_with(root, "http_address", net::parse_address));
  TRY(out.second_status, find_address(root, "second_status"));
  if (out.second_status == out.http_address)
    return root.refuse("second_status", "is the first one's address; want another host's");
  if (root.has("public_port")) {
    TRY(out.public_port, read_port(root, "public_port"));
  }
  TRY(out.remote_access, root.boolean("remote_access", false));
  TRY(out.trusted_clock, root.boolean("trusted_clock", true));
  if (root.has("ready_connections")) {
    TRY(const auto most, root.integer("ready_connections", {.least = 0, .most = kMostReady}));
    out.ready_connections = static_cast<std::size_t>(most);
  }
  TRY(out.allow_tls_services, root.boolean("allow_tls_services", false));
  TRY(out.telemetry_listen, find_address(root, "telemetry_listen"));
  if (out.telemetry_listen && !net::is_loopback(*out.telemetry_listen))
    return root.refuse("telemetry_listen", "want an address of this machine alone, 127.0.0.1 or [::1]");
  TRY(out.direct, read_direct(root));
  TRY_VOID(read_way_out(root, out));
  TRY(out.consent_command, root.texts("consent_command"));
  if (out.consent_command.size() > kMaxConsentArguments) return root.refuse("consent_command", "too many arguments");
  TRY(out.services, read_services(root, out.allow_tls_services));
  TRY_VOID(read_streams(root, out));
  TRY(out.node, read_node(root));
  return out;
}

}  // namespace

std::vector<tunnel::Service> Settings::offered() const {
  std::vector<tunnel::Service> out = {
      {.name = ServiceName(std::string(kDeviceService)), .kind = tunnel::ServiceKind::http}};
  for (const LocalTarget& each : services) out.push_back(each.service);
  return out;
}

const LocalTarget* Settings::find(const ServiceName& name) const {
  const auto found = std::ranges::find(services, name, [](const LocalTarget& each) { return each.service.name; });
  return found == services.end() ? nullptr : &*found;
}

std::optional<net::Address> Settings::fallback() const {
  if (relay_fallback || relay_address.port != kTlsPort) return relay_fallback;
  return net::Address{.host = relay_address.host, .port = kOtherPort};
}

Result<void> Settings::use_environment(const ProxyVariables& variables) {
  const bool has_own = !variables.https_proxy.empty();
  const std::string& text = has_own ? variables.https_proxy : variables.all_proxy;
  if (proxy || text.empty()) return {};
  auto found = parse_proxy(text);
  if (!found && has_own) return std::unexpected(std::move(found).error().at("HTTPS_PROXY"));
  // Set for whole systems, in spellings of other programs too: what cannot be read is not for us.
  if (!found) {
    log::warn("agent.all-proxy-ignored", {{"error", found.error()}});
    return {};
  }
  if (!can_keep(proxy_login, *found))
    return failf(Errc::malformed, "{}: proxy_login: {}", has_own ? "HTTPS_PROXY" : "ALL_PROXY", kNoDigest);
  auto exceptions = NoProxy::parse(variables.no_proxy);
  if (!exceptions) return std::unexpected(std::move(exceptions).error().at("NO_PROXY"));
  proxy = *std::move(found);
  no_proxy = *std::move(exceptions);
  return take_credentials(*this);
}

Result<LocalTarget> parse_local_target(std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::size_t colon = text.find(':', equals == std::string_view::npos ? 0 : equals);
  if (equals == std::string_view::npos || colon == std::string_view::npos)
    return fail(Errc::malformed, "service: want NAME=KIND:HOST:PORT");
  LocalTarget out;
  TRY(out.service.name, parse_service_name(text.substr(0, equals)));
  TRY(out.service.kind, parse_kind(text.substr(equals + 1, colon - equals - 1)));
  TRY(out.target, net::parse_address(text.substr(colon + 1)));
  if (out.service.name.get() == kDeviceService) return fail(Errc::malformed, "service: device is the agent's own");
  return out;
}

Result<Settings> load_settings(const std::filesystem::path& path) {
  TRY(const auto document, config::Document::load(path));
  TRY(auto settings, read(document.root()));
  TRY_VOID(document.finish());
  TRY_VOID(take_credentials(settings));
  return settings;
}

Result<Settings> parse_settings(std::string_view toml, std::string_view display_name) {
  TRY(const auto document, config::Document::parse(toml, display_name));
  TRY(auto settings, read(document.root()));
  TRY_VOID(document.finish());
  return settings;
}

std::string encode_settings(const Settings& settings) {
  std::string out = fmt::format(
      "# Written by sallyport-agent init; the agent reads it when it starts.\n"
      "serial_id = \"{}\"\nsite = \"{}\"\nzone = \"{}\"\n"
      "relay_address = \"{}\"\nhttp_address = \"{}\"\n",
      settings.serial_id.get(), settings.site.get(), settings.zone.get(), net::to_string(settings.relay_address),
      net::to_string(settings.http_address));
  if (settings.relay_fallback)
    out += fmt::format("relay_fallback = \"{}\"\n", net::to_string(*settings.relay_fallback));
  if (settings.relay_web_socket)
    out += fmt::format("relay_websocket = \"{}\"\n", net::to_string(*settings.relay_web_socket));
  if (settings.second_status) out += fmt::format("second_status = \"{}\"\n", net::to_string(*settings.second_status));
  if (settings.public_port) out += fmt::format("public_port = {}\n", *settings.public_port);
  out += fmt::format("\n# The device's own switch; the local page changes it too.\nremote_access = {}\n",
                     settings.remote_access);
  out += fmt::format("# false: the time comes from status answers.\ntrusted_clock = {}\n", settings.trusted_clock);
  if (settings.ready_connections != kMostReady)
    out += fmt::format("ready_connections = {}\n", settings.ready_connections);
  if (settings.allow_tls_services) out += "allow_tls_services = true\n";
  if (settings.telemetry_listen)
    out += fmt::format("telemetry_listen = \"{}\"\n", net::to_string(*settings.telemetry_listen));
  if (!settings.connect_from.empty()) out += fmt::format("connect_from = \"{}\"\n", settings.connect_from);
  if (settings.proxy) out += fmt::format("proxy = \"{}\"\n", encode_own_proxy(settings));
  if (!settings.proxy_credentials_file.empty())
    out += fmt::format("proxy_credentials_file = {}\n", codec::Json(settings.proxy_credentials_file).write());
  if (settings.proxy_login != tunnel::LoginRule::any)
    out += fmt::format("proxy_login = \"{}\"\n", to_word(settings.proxy_login));
  if (settings.proxy_else_direct) out += "proxy_else_direct = true\n";
  for (const LocalTarget& each : settings.services) {
    out += fmt::format("\n[[service]]\nname = \"{}\"\nkind = \"{}\"\ntarget = \"{}\"\n", each.service.name.get(),
                       to_text(each.service.kind), net::to_string(each.target));
    if (each.script_cookies) out += "script_cookies = true\n";
    if (each.proxy_protocol) out += "proxy_protocol = true\n";
  }
  for (const auto& [name, rule] : settings.when_full) {
    out += fmt::format("\n[[stream]]\nname = \"{}\"\nwhen_full = \"{}\"\n", name.get(),
                       rule == telemetry::WhenFull::refuse ? "refuse" : "drop_oldest");
  }
  if (settings.direct) {
    out += fmt::format("\n[direct]\nlisten = \"{}\"\n", net::to_string(settings.direct->listen));
    if (settings.direct->public_port) out += fmt::format("public_port = {}\n", *settings.direct->public_port);
  }
  if (settings.node != NodeChoice()) {
    out += fmt::format("\n[rpc]\nrun = {}\n", settings.node.run);
    if (!settings.node.folder.empty())
      out += fmt::format("folder = {}\n", codec::Json(settings.node.folder.native()).write());
    if (settings.node.user) out += fmt::format("user = {}\n", *settings.node.user);
    if (!settings.node.name.empty()) out += fmt::format("node = {}\n", codec::Json(settings.node.name).write());
  }
  return out;
}

}  // namespace sallyport::agent
