#include "rpcnode/settings.h"

#include <algorithm>

#include "config/document.h"
#include "rpcnode/command_method.h"
#include "rpcnode/node_keys.h"

namespace sallyport::rpcnode {
namespace {

constexpr std::uint16_t kMqttPort = 1'883;
constexpr std::uint16_t kMqttTlsPort = 8'883;
constexpr std::size_t kMaxMqttText = 256;
constexpr std::size_t kMaxItem = 256;
constexpr std::size_t kMaxItemLevels = 8;

Result<std::filesystem::path> read_path(const config::Table& table, std::string_view key,
                                        const std::filesystem::path& folder) {
  TRY(const std::string text, table.text(key, ""));
  return text.empty() ? std::filesystem::path() : folder / text;
}

Result<std::string> read_text(const config::Table& table, std::string_view key) {
  TRY(std::string text, table.text(key, ""));
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (text.size() > kMaxMqttText || std::ranges::any_of(text, is_control))
    return table.refuse(key, fmt::format("want at most {} bytes without control characters", kMaxMqttText));
  return text;
}

Result<BrokerSettings> read_broker(const config::Table& table, const std::filesystem::path& folder) {
  BrokerSettings out;
  TRY(const std::string url_text, table.text("url"));
  const auto url = parse_broker_url(url_text);
  if (!url) return table.refuse("url", url.error().detail);
  out.address = url->address;
  TRY(const std::string version, table.text("version", "3.1.1"));
  if (version != "3.1.1" && version != "5") return table.refuse("version", "want \"3.1.1\" or \"5\"");
  out.mqtt5 = version == "5";
  TRY(out.client_id, read_text(table, "client_id"));
  TRY(out.username, read_text(table, "username"));
  TRY(out.password_file, read_path(table, "password_file", folder));
  TRY(out.ca_file, read_path(table, "ca", folder));
  TRY(out.certificate_file, read_path(table, "certificate", folder));
  TRY(out.key_file, read_path(table, "key", folder));
  if (url->tls == out.ca_file.empty())
    return table.refuse("ca", url->tls ? "is missing: mqtts:// needs the broker's CA" : "is for mqtts:// alone");
  if (out.certificate_file.empty() != out.key_file.empty()) return table.refuse("key", "and certificate go together");
  if (!out.certificate_file.empty() && !url->tls) return table.refuse("certificate", "is for mqtts:// alone");
  if (!out.password_file.empty() && out.username.empty()) return table.refuse("password_file", "needs a username");
  if (!out.password_file.empty() && !url->tls && !net::is_loopback(out.address))
    return table.refuse("password_file", "would go over the network in clear; want mqtts://");
  return out;
}

// A command or an endpoint, which methods and states both have.
template <class Settings>
Result<void> read_work(const config::Table& table, Settings& out) {
  TRY(out.command, table.texts("command"));
  if (table.has("http")) {
    TRY(const std::string url, table.text("http"));
    auto endpoint = parse_http_endpoint(url);
    if (!endpoint) return table.refuse("http", endpoint.error().detail);
    out.endpoint = *std::move(endpoint);
  }
  if (out.command.empty() == !out.endpoint) return table.refuse("command", "or http: want one of the two");
  if (out.command.size() > kMaxCommandWords)
    return table.refuse("command", fmt::format("want at most {} words", kMaxCommandWords));
  if (!out.command.empty() && !out.command.front().starts_with('/'))
    return table.refuse("command", "want an absolute path first; no shell reads it");
  return {};
}

bool is_item(std::string_view text) {
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-' || c == ':' || c == '/';
  };
  return !text.empty() && text.size() <= kMaxItem && std::ranges::all_of(text, is_good) && text.front() != '/' &&
         text.back() != '/' && text.find("//") == std::string_view::npos &&
         std::ranges::count(text, '/') < static_cast<std::ptrdiff_t>(kMaxItemLevels);
}

Result<StateSettings> read_state(const config::Table& table) {
  StateSettings out;
  TRY(out.item, table.text("item"));
  if (!is_item(out.item)) return table.refuse("item", "want levels of letters, digits and . _ - : joined by /");
  TRY_VOID(read_work(table, out));
  TRY(out.every, table.duration("every", {milliseconds(500), kMaxMethodLimit}, milliseconds(10'000)));
  return out;
}

Result<MethodSettings> read_method(const config::Table& table) {
  MethodSettings out;
  TRY(out.name, table.text("name"));
  if (const auto checked = check_method_name(out.name); !checked) return table.refuse("name", checked.error().detail);
  TRY(out.description, read_text(table, "description"));
  TRY_VOID(read_work(table, out));
  TRY(out.idempotent, table.boolean("idempotent", false));
  TRY(out.limit, table.duration("limit", {milliseconds(100), kMaxMethodLimit}, kDefaultMethodLimit));
  TRY(const std::int64_t concurrent,
      table.integer("concurrent", {1, static_cast<std::int64_t>(kMaxConcurrent)}, kDefaultConcurrent));
  out.concurrent = static_cast<std::size_t>(concurrent);
  return out;
}

template <class Name, class Parse>
Result<Name> read_name(const config::Table& table, std::string_view key, Parse parse) {
  TRY(const std::string text, table.text(key));
  auto name = parse(text);
  if (!name) return table.refuse(key, name.error().detail);
  return name;
}

Result<std::optional<IdentitySettings>> read_identity(const config::Table& root, const std::filesystem::path& folder) {
  TRY(const auto table, root.find_table("identity"));
  if (!table) return std::nullopt;
  IdentitySettings out;
  TRY(out.zone, read_name<DnsName>(*table, "zone", parse_dns_name));
  TRY(out.certificate_file, read_path(*table, "certificate", folder));
  TRY(out.key_file, read_path(*table, "key", folder));
  TRY(out.roots_file, read_path(*table, "roots", folder));
  for (const auto& [key, path] : {std::pair("certificate", out.certificate_file), std::pair("key", out.key_file),
                                  std::pair("roots", out.roots_file)}) {
    if (path.empty()) return table->refuse(key, "is missing");
  }
  return out;
}

Result<AccessRules> read_rules(const config::Table& table) {
  AccessRules out;
  TRY(out.allow, table.texts("allow"));
  TRY(out.deny, table.texts("deny"));
  TRY(out.items, table.texts("items"));
  TRY(out.deny_items, table.texts("deny_items"));
  if (const auto checked = check_rules(out); !checked) return table.refuse("allow", checked.error().detail);
  return out;
}

Result<EvaKeySettings> read_eva_key(const config::Table& table, const std::filesystem::path& folder) {
  EvaKeySettings out;
  TRY(out.id, read_name<sealed::eva::KeyId>(table, "id", sealed::eva::parse_key_id));
  TRY(out.secret_file, read_path(table, "secret_file", folder));
  if (out.secret_file.empty()) return table.refuse("secret_file", "is missing");
  TRY(const std::string until, table.text("until"));
  auto time = parse_iso8601(until);
  if (!time) return table.refuse("until", "want a time such as 2027-06-30T00:00:00Z: old formats have an end");
  out.until = *time;
  TRY(out.only_fresh, table.boolean("only_fresh", false));
  TRY(out.rules, read_rules(table));
  return out;
}

Result<std::optional<EvaSettings>> read_eva(const config::Table& root, const std::filesystem::path& folder,
                                            const sealed::NodeName& node) {
  TRY(const auto table, root.find_table("eva"));
  if (!table) return std::nullopt;
  EvaSettings out;
  if (table->has("space")) {
    TRY(out.space, read_name<sealed::eva::Space>(*table, "space", sealed::eva::parse_space));
  }
  TRY(const std::string controller, table->text("controller", "uc/" + node.get()));
  auto self = sealed::eva::parse_controller(controller);
  if (!self) return table->refuse("controller", self.error().detail);
  out.self = *std::move(self);
  TRY(out.announce, table->boolean("announce", false));
  TRY(const auto keys, table->tables("key"));
  if (keys.size() > kMaxEvaKeys) return table->refuse("key", fmt::format("want at most {}", kMaxEvaKeys));
  for (const config::Table& each : keys) {
    TRY(auto key, read_eva_key(each, folder));
    out.keys.push_back(std::move(key));
  }
  return out;
}

Result<CallerSettings> read_caller(const config::Table& table) {
  CallerSettings out;
  TRY(out.who, table.text("who"));
  if (!out.who.starts_with("device:") && !out.who.starts_with("person:"))
    return table.refuse("who", "want device:NAME or person:LOGIN; * stands for any text");
  TRY(out.rules, read_rules(table));
  TRY(const std::int64_t rate, table.integer("calls_per_minute", {1, kMaxCallsPerMinute}, kDefaultCallsPerMinute));
  out.calls_per_minute = static_cast<std::uint32_t>(rate);
  return out;
}

Result<void> read_callers(const config::Table& root, const std::filesystem::path& folder, NodeSettings& out) {
  TRY(out.identity, read_identity(root, folder));
  TRY(const auto callers, root.tables("caller"));
  if (callers.size() > kMaxCallers) return root.refuse("caller", fmt::format("want at most {}", kMaxCallers));
  for (const config::Table& table : callers) {
    TRY(auto caller, read_caller(table));
    out.callers.push_back(std::move(caller));
  }
  if (!root.has("https_listen")) return {};
  TRY(const std::string listen, root.text("https_listen"));
  auto address = net::parse_address(listen);
  if (!address || !net::is_ip(address->host)) return root.refuse("https_listen", "want an IP address and a port");
  if (!out.identity) return root.refuse("https_listen", "needs [identity]: TLS is mutual, and an agent signs none");
  out.https_listen = *std::move(address);
  return {};
}

Result<NodeSettings> read(const config::Table& root, const std::filesystem::path& folder) {
  NodeSettings out;
  TRY(out.node, read_name<sealed::NodeName>(root, "node", sealed::parse_node_name));
  TRY(auto way, read_broker_way(root, folder));
  out.prefix = std::move(way.prefix);
  out.brokers = std::move(way.brokers);
  TRY(const auto methods, root.tables("method"));
  if (methods.size() > kMaxMethods) return root.refuse("method", fmt::format("want at most {}", kMaxMethods));
  for (const config::Table& table : methods) {
    TRY(auto method, read_method(table));
    if (std::ranges::find(out.methods, method.name, &MethodSettings::name) != out.methods.end())
      return table.refuse("name", "is there twice");
    out.methods.push_back(std::move(method));
  }
  TRY(const auto states, root.tables("state"));
  if (states.size() > kMaxStates) return root.refuse("state", fmt::format("want at most {}", kMaxStates));
  for (const config::Table& table : states) {
    TRY(auto state, read_state(table));
    out.states.push_back(std::move(state));
  }
  TRY_VOID(read_callers(root, folder, out));
  TRY(out.memory_limit, root.size("memory_limit", {kLeastNodeMemory, kMostNodeMemory}, kDefaultNodeMemory));
  TRY(out.eva, read_eva(root, folder, out.node));
  return out;
}

Result<NodeSettings> read_document(const config::Document& document, const std::filesystem::path& folder) {
  TRY(auto out, read(document.root(), folder));
  TRY_VOID(document.finish());
  return out;
}

}  // namespace

Result<BrokerWay> read_broker_way(const config::Table& table, const std::filesystem::path& folder) {
  BrokerWay out;
  if (table.has("prefix")) {
    TRY(out.prefix, read_name<sealed::TopicPrefix>(table, "prefix", sealed::parse_topic_prefix));
  }
  TRY(const auto brokers, table.tables("broker"));
  if (brokers.empty()) return table.refuse("broker", "want at least one");
  if (brokers.size() > kMaxBrokers) return table.refuse("broker", fmt::format("want at most {}", kMaxBrokers));
  for (const config::Table& each : brokers) {
    TRY(auto broker, read_broker(each, folder));
    out.brokers.push_back(std::move(broker));
  }
  return out;
}

Result<BrokerUrl> parse_broker_url(std::string_view text) {
  BrokerUrl out;
  constexpr std::string_view kPlain = "mqtt://", kTls = "mqtts://";
  out.tls = text.starts_with(kTls);
  if (!out.tls && !text.starts_with(kPlain))
    return fail(Errc::malformed, "broker: want mqtt://HOST:PORT or mqtts://HOST:PORT");
  text.remove_prefix(out.tls ? kTls.size() : kPlain.size());
  std::string with_port(text);
  const bool has_port = text.ends_with(']') ? false : text.rfind(':') != std::string_view::npos;
  if (!has_port) with_port += fmt::format(":{}", out.tls ? kMqttTlsPort : kMqttPort);
  TRY(out.address, net::parse_address(with_port));
  return out;
}

Result<BrokerSettings> broker_at(std::string_view url, BrokerSettings words, std::string_view dashes) {
  TRY(auto parsed, parse_broker_url(url));
  words.address = std::move(parsed.address);
  if (!parsed.tls) {
    words.ca_file.clear();
    words.certificate_file.clear();
    words.key_file.clear();
  } else if (words.ca_file.empty()) {
    return failf(Errc::malformed, "{}ca: is missing: mqtts:// needs the broker's CA", dashes);
  }
  if (!words.password_file.empty() && !parsed.tls && !net::is_loopback(words.address))
    return failf(Errc::malformed, "{}password-file: would go over the network in clear; want mqtts://", dashes);
  return words;
}

Result<NodeSettings> parse_settings(std::string_view toml, std::string_view display_name,
                                    const std::filesystem::path& folder) {
  TRY(const auto document, config::Document::parse(toml, display_name));
  return read_document(document, folder);
}

Result<NodeSettings> load_settings(const std::filesystem::path& path) {
  TRY(const auto document, config::Document::load(path));
  return read_document(document, path.parent_path());
}

}  // namespace sallyport::rpcnode
