// sallyport init: an installation, from nothing to ready for `sallyport up`.
#include <algorithm>

#include "codec/text.h"
#include "commands.h"
#include "folders.h"
#include "init_steps.h"
#include "keystore/file.h"
#include "option_error.h"
#include "records/user_record.h"
#include "root_signing.h"
#include "terminal.h"

namespace sallyport::cli {
namespace {

constexpr std::size_t kPasswordEntropy = 15;  // bytes: 24 characters of base32
constexpr std::size_t kPasswordGroup = 6;
constexpr std::size_t kMaxName = 40;

Result<Settings> settings_of(const Arguments& arguments) {
  Settings settings;
  settings.name = arguments.text("name");
  const bool is_plain =
      std::ranges::all_of(settings.name, [](char c) { return c >= ' ' && c != '"' && c != '\\' && c != 0x7F; });
  if (!is_plain || settings.name.size() > kMaxName) {
    return failf(Errc::malformed,
                 "--name: want at most {} characters without quotes, backslashes and control characters", kMaxName);
  }
  TRY(settings.zone, of_option("--zone", parse_dns_name(arguments.text("zone"))));
  TRY(settings.console_name, of_option("--console-name", parse_dns_name(arguments.text("console-name"))));
  if (settings.console_name == settings.zone || is_below(settings.console_name, settings.zone) ||
      is_below(settings.zone, settings.console_name)) {
    return fail(Errc::malformed,
                "--console-name: found a name that shares a domain with the device zone, want a domain of its own");
  }
  TRY(const auto public_port, arguments.number("public-port", 1, 65'535));
  TRY(const auto tls_port, arguments.find_number("tls-port", 0, 65'535));
  TRY(const auto http_port, arguments.number("http-port", 0, 65'535));
  settings.public_port = static_cast<std::uint16_t>(public_port);
  settings.tls_port = static_cast<std::uint16_t>(tls_port.value_or(public_port));
  settings.http_port = static_cast<std::uint16_t>(http_port);
  settings.address = arguments.text("listen-address");
  return settings;
}

// The root is here too: signs at once what would otherwise be carried to it.
Outcome sign_at_root(const InstallationPaths& paths, const Arguments& arguments, Environment& environment) {
  auto folder = open_state(arguments.path("root"), root::kRootFormat);
  if (!folder) return std::unexpected(std::move(folder).error());
  TRY(auto root, root::Root::open(*std::move(folder), environment.clock, environment.random));
  TRY(const auto proposals, read_proposals(root, paths.to_root()));
  print_proposals(root, proposals);
  TRY(const auto passphrase,
      read_passphrase(arguments.find("root-passphrase-file"), "--root-passphrase-file", "Root passphrase"));
  TRY_VOID(sign_proposals(root, proposals, passphrase.expose(), paths.from_root()));
  return {};
}

Result<void> print_what_next(const InstallationPaths& paths) {
  fmt::print("Keys and requests are made. Fingerprints of the keys, to be read aloud at the root:\n");
  TRY_VOID(print_request_keys(paths.to_root()));
  fmt::print(
      "Now carry {} to the root's machine and sign there:\n"
      "  sallyport root sign --root DIR --in to-root --out from-root\n"
      "Bring the result back as {} and run this command again.\n",
      paths.to_root().string(), paths.from_root().string());
  return {};
}

// A password for people to copy: groups of six characters.
std::string draw_password(Random& random) {
  const std::string characters = codec::encode_base32(random.bytes(kPasswordEntropy));
  std::string password;
  for (std::size_t at = 0; at < characters.size(); at += kPasswordGroup) {
    if (at != 0) password += '-';
    password += characters.substr(at, kPasswordGroup);
  }
  return password;
}

Result<void> make_first_owner(OfflineAuthority& authority, const Arguments& arguments, Random& random) {
  const std::string login = arguments.text("owner");
  TRY_VOID(records::check_login_grammar(login));
  const auto file = arguments.find("owner-password-file");
  SecretBytes password;
  if (file) {
    TRY(password, read_passphrase(*file, "--owner-password-file", "Owner password"));
  } else {
    password = SecretBytes(draw_password(random));
  }
  TRY(const bool is_new, settle_first_owner(authority, login, password.expose(), random));
  if (is_new && file) fmt::print("first owner  {}\n", login);
  if (is_new && !file)
    fmt::print("first owner  {}\npassword     {}   (shown this once)\n", login, as_text(password.expose()));
  return {};
}

Outcome init(const Arguments& arguments, Environment& environment) {
  TRY(const auto settings, settings_of(arguments));
  const InstallationPaths paths{arguments.path("state")};
  auto folder = open_or_create_state(paths.state, kInstallationFormat);
  if (!folder) return std::unexpected(std::move(folder).error());
  TRY_VOID(settle_settings(paths, settings));
  TRY_VOID(settle_keys(paths, settings, environment.random));
  if (!has_root_answer(paths)) {
    if (!arguments.find("root")) {
      TRY_VOID(print_what_next(paths));
      return {};
    }
    if (auto signed_here = sign_at_root(paths, arguments, environment); !signed_here) return signed_here;
  }
  TRY_VOID(install_root_answer(paths, settings, environment.clock));
  TRY_VOID(settle_records(paths, settings, environment.clock));
  TRY(const auto authority, OfflineAuthority::open(paths, environment));
  TRY_VOID(settle_control_certificates(paths, *authority));
  TRY_VOID(settle_twins(paths, environment.clock, environment.random));
  TRY_VOID(make_first_owner(*authority, arguments, environment.random));
  fmt::print("installation {} is ready: sallyport up --state {}\n", settings.name, paths.state.string());
  return {};
}

}  // namespace

std::vector<Command> init_commands() {
  return {
      {.words = "init",
       .summary = "make an installation: keys, CAs signed by the root, database, first owner",
       .example =
           "sallyport init --name \"Acme Machines\" --zone devices.example.com --console-name console.example.net "
           "--root /media/usb/root",
       .options =
           {state_option(),
            {.name = "name", .value = "NAME", .help = "shown in every CA's subject", .required = true},
            {.name = "zone", .value = "ZONE", .help = "DNS suffix of the devices", .required = true},
            {.name = "console-name",
             .value = "NAME",
             .help = "the console's DNS name, outside the zone",
             .required = true},
            {.name = "root", .value = "DIR", .help = "the root's folder, when it is on this machine"},
            {.name = "root-passphrase-file", .value = "FILE", .help = "file of mode 0600 with the root's passphrase"},
            {.name = "owner", .value = "LOGIN", .help = "login of the first owner", .fallback = "owner"},
            {.name = "owner-password-file",
             .value = "FILE",
             .help = "file of mode 0600 with his password; drawn and shown without it"},
            {.name = "public-port",
             .value = "PORT",
             .help = "port under which people and devices come in",
             .fallback = "443"},
            {.name = "listen-address", .value = "IP", .help = "address to listen on", .fallback = "0.0.0.0"},
            {.name = "tls-port", .value = "PORT", .help = "port to listen on for TLS; the public port without it"},
            {.name = "http-port", .value = "PORT", .help = "port to listen on for plain HTTP", .fallback = "80"}},
       .run = init}};
}

}  // namespace sallyport::cli
