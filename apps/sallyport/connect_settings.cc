#include "connect_settings.h"

#include <array>
#include <cstdlib>

#include "config/document.h"
#include "folders.h"

namespace sallyport::cli {
namespace {

// In the file "root_certificate"; on the command line --root-certificate.
struct Setting {
  std::string_view option;
  std::string_view key;
};
constexpr std::array kSettings = {Setting{"console", "console"}, Setting{"login", "login"},
                                  Setting{"root-certificate", "root_certificate"},
                                  Setting{"password-file", "password_file"}, Setting{"connect-to", "connect_to"}};

constexpr std::uint16_t kDirectPort = 443;

using Values = std::map<std::string_view, std::string>;  // by option

std::filesystem::path default_settings() {
  const char* base = std::getenv("XDG_CONFIG_HOME");  // NOLINT(concurrency-mt-unsafe): one thread
  if (base != nullptr && *base == '/') return std::filesystem::path(base) / "sallyport" / "connect.toml";
  const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe): one thread
  if (home == nullptr || *home == '\0') return {};
  return std::filesystem::path(home) / ".config" / "sallyport" / "connect.toml";
}

Result<Values> read_file(const std::filesystem::path& path) {
  TRY(const auto document, config::Document::load(path));
  Values out;
  for (const Setting& setting : kSettings) {
    TRY(const auto value, document.root().find_text(setting.key));
    if (value) out[setting.option] = *value;
  }
  TRY_VOID(document.finish());
  // Files that are named there are beside it.
  for (const std::string_view file : {"root-certificate", "password-file"}) {
    if (const auto found = out.find(file); found != out.end()) found->second = path.parent_path() / found->second;
  }
  return out;
}

Result<Values> read_values(const Arguments& arguments) {
  Values out;
  const auto named = arguments.find("settings");
  const std::filesystem::path file = named ? std::filesystem::path(*named) : default_settings();
  std::error_code ignored;
  if (named || (!file.empty() && std::filesystem::exists(file, ignored))) {
    TRY(out, read_file(file));
  }
  for (const Setting& setting : kSettings) {
    if (auto given = arguments.find(setting.option)) out[setting.option] = *std::move(given);
  }
  return out;
}

Try<std::string> needed(const Values& values, const Setting& setting) {
  const auto found = values.find(setting.option);
  if (found != values.end()) return found->second;
  return std::unexpected(
      Failure({Errc::malformed, fmt::format("{0}: found none, want --{0} or '{1} = …' in {2}", setting.option,
                                            setting.key, default_settings().native())},
              ExitStatus::usage));
}

}  // namespace

std::vector<Option> connect_options() {
  return {
      {.name = "console", .value = "URL", .help = "the console: https://console.example.net"},
      {.name = "login", .value = "LOGIN", .help = "an operator there"},
      {.name = "root-certificate", .value = "FILE", .help = "the installation's root certificate"},
      {.name = "password-file", .value = "FILE", .help = "file of mode 0600 with the password; asked without it"},
      {.name = "connect-to", .value = "HOST:PORT", .help = "where console and relay are, instead of looking them up"},
      {.name = "settings",
       .value = "FILE",
       .help = "what these options say, as a file; ~/.config/sallyport/connect.toml without it"}};
}

Option direct_option() {
  return {.name = "direct",
          .value = "HOST[:PORT]",
          .help = "where the device itself listens (agent.toml, direct), instead of through the relay"};
}

Try<std::optional<net::Address>> find_direct(const Arguments& arguments) {
  const auto text = arguments.find("direct");
  if (!text) return std::nullopt;
  auto address = net::parse_address(*text);
  if (!address) address = net::parse_address(fmt::format("{}:{}", *text, kDirectPort));
  if (address && address->port != 0) return *std::move(address);
  return std::unexpected(Failure({Errc::malformed, "--direct: want HOST or HOST:PORT"}, ExitStatus::usage));
}

Try<ConnectSettings> read_connect_settings(const Arguments& arguments) {
  TRY(const Values values, read_values(arguments));
  CLI_TRY(const std::string url, needed(values, kSettings[0]));
  CLI_TRY(const std::string login, needed(values, kSettings[1]));
  CLI_TRY(const std::string root, needed(values, kSettings[2]));
  TRY(auto console, parse_console_address(url));
  ConnectSettings out{.login = {.console = std::move(console), .connect_to = std::nullopt, .roots = {}, .login = login},
                      .password_file = std::nullopt};
  TRY(out.login.roots, read_certificates(root));
  if (out.login.roots.empty()) {
    return std::unexpected(Failure({Errc::not_found, fmt::format("{}: found no certificate, want the root's", root)}));
  }
  if (const auto file = values.find("password-file"); file != values.end()) out.password_file = file->second;
  if (const auto address = values.find("connect-to"); address != values.end()) {
    TRY(out.login.connect_to, net::parse_address(address->second));
  }
  return out;
}

}  // namespace sallyport::cli
