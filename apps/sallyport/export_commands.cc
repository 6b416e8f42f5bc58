// sallyport export …: what other programs need to work with this PKI, in their own formats.
#include <unistd.h>

#include "administration.h"
#include "codec/pem.h"
#include "commands.h"
#include "folders.h"
#include "installation_folder.h"
#include "keystore/key_file.h"
#include "openvpn_profile.h"
#include "settings.h"

namespace sallyport::cli {
namespace {

using codec::Json;

constexpr std::string_view kAgentState = "/var/lib/sallyport-agent";
constexpr std::string_view kAgentProgram = "/usr/bin/sallyport-agent";
constexpr std::uint16_t kVpnPort = 1194;
constexpr std::uint64_t kMaxPort = 65'535;

Try<Settings> read_settings(const Arguments& arguments) {
  const InstallationPaths paths{arguments.path("state")};
  CLI_TRY_VOID(check_installation(paths));
  return load_settings_in_state(paths.settings());
}

Result<DnsName> server_name(const Arguments& arguments, const Settings& settings) {
  const auto given = arguments.find("name");
  return given ? parse_dns_name(*given) : under("vpn", under("gateway", settings.zone));
}

// "vpn.example.org" or "vpn.example.org:1194".
Result<net::Address> remote_address(const std::string& text) {
  if (auto address = net::parse_address(text)) return address;
  auto address = net::parse_address(fmt::format("{}:{}", text, kVpnPort));
  if (!address) return std::unexpected(std::move(address).error().at("--remote"));
  return address;
}

Result<std::filesystem::path> this_program() {
  std::error_code error;
  auto found = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return failf(Errc::unavailable, "/proc/self/exe: {}", error.message());
  return found;
}

Result<VpnServerFacts> vpn_server_facts(const Arguments& arguments, const Settings& settings) {
  VpnServerFacts facts;
  TRY(facts.name, server_name(arguments, settings));
  facts.zone = settings.zone;
  const std::string status = arguments.find("status").value_or(fmt::format("status.{}:80", settings.zone.get()));
  auto address = net::parse_address(status);
  if (!address) return std::unexpected(std::move(address).error().at("--status"));
  facts.status = *std::move(address);
  const auto folder = arguments.find("folder");
  facts.folder = std::filesystem::absolute(folder ? *folder : arguments.text("out")).lexically_normal();
  if (!facts.folder.has_filename()) facts.folder = facts.folder.parent_path();
  TRY_VOID(check_vpn_path(facts.folder));
  if (const auto program = arguments.find("program")) {
    facts.program = *program;
  } else {
    TRY(facts.program, this_program());
  }
  TRY_VOID(check_vpn_path(facts.program));
  TRY(facts.network, parse_vpn_network(arguments.text("network")));
  TRY(const auto port, arguments.number("port", 1, kMaxPort));
  facts.port = static_cast<std::uint16_t>(port);
  TRY(facts.transport, parse_vpn_transport(arguments.text("proto")));
  return facts;
}

// The key in the folder; made where there is none.
Result<crypto::PrivateKey> server_key(const std::filesystem::path& file) {
  auto kept = keystore::read_private_key_file(file);
  if (kept || kept.error().code != Errc::not_found) return kept;
  crypto::PrivateKey made = crypto::PrivateKey::generate();
  TRY_VOID(keystore::write_private_key_file(file, made, {}));
  return made;
}

Result<Bytes> server_request(const Arguments& arguments, const std::filesystem::path& out, const DnsName& name) {
  if (const auto csr = arguments.find("csr")) {
    TRY(auto request, read_request(*csr));
    return std::move(request.der);
  }
  TRY(auto key, server_key(out / "server.key"));
  TRY(const auto subject, pki::DistinguishedName::of(name.get()));
  return pki::build_csr(key, subject);
}

Result<void> write_text(const std::filesystem::path& path, std::string_view text) {
  return keystore::atomic_write_file(path, as_bytes(text), keystore::kPublicMode);
}

void print_made(const Arguments& arguments, const VpnServerFacts& facts, std::string_view not_after) {
  const std::string out = arguments.text("out");
  const std::string where = std::filesystem::absolute(out).lexically_normal() == facts.folder
                                ? std::string()
                                : fmt::format("carry it to {} on the VPN server, then ", facts.folder.native());
  fmt::print("{}: {} until {}\n", out, facts.name.get(), not_after);
  if (arguments.find("csr"))
    fmt::print("the key that the request was made with belongs beside it as server.key, with mode 0600\n");
  fmt::print("{}start: openvpn --config {}/server.conf\nbefore it ends, run this again and restart OpenVPN\n", where,
             facts.folder.native());
}

Outcome export_vpn_server(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const auto settings, read_settings(arguments));
  auto found = vpn_server_facts(arguments, settings);
  if (!found) return std::unexpected(Failure(std::move(found).error(), ExitStatus::usage));
  const VpnServerFacts& facts = *found;
  const std::filesystem::path out = arguments.path("out");
  const InstallationPaths paths{arguments.path("state")};
  TRY(const auto roots, read_installed_roots(paths));
  TRY_VOID(make_folder(out));
  TRY(const Bytes csr, server_request(arguments, out, facts.name));
  const Json::Object order{{"name", facts.name.get()}, {"csr", codec::encode_pem("CERTIFICATE REQUEST", csr)}};
  CLI_TRY(const auto answer, administer(paths.state, "server.issue", order, environment));
  TRY(const auto chain, answer.text_at("chain"));
  TRY(const auto not_after, answer.text_at("not_after"));
  TRY_VOID(write_certificates(out / "roots.pem", roots));
  TRY_VOID(write_text(out / "server.pem", chain));
  TRY_VOID(write_text(out / "server.conf", encode_vpn_server(facts)));
  print_made(arguments, facts, not_after);
  return {};
}

Outcome export_vpn_client(const Arguments& arguments, Environment&) {
  CLI_TRY(const auto settings, read_settings(arguments));
  VpnClientFacts facts;
  TRY(facts.name, server_name(arguments, settings));
  TRY(facts.remote, remote_address(arguments.text("remote")));
  TRY(facts.transport, parse_vpn_transport(arguments.text("proto")));
  facts.state = arguments.path("agent-state");
  facts.program = arguments.path("agent-program");
  TRY_VOID(check_vpn_path(facts.state));
  TRY_VOID(check_vpn_path(facts.program));
  TRY_VOID(write_text(arguments.path("out"), encode_vpn_client(facts)));
  fmt::print("{}: for every device; start there: openvpn --config {}\n", arguments.text("out"), arguments.text("out"));
  return {};
}

Option name_option() {
  return {.name = "name",
          .value = "NAME",
          .help = "in the VPN server's certificate, below gateway.ZONE; vpn.gateway.ZONE without it"};
}

Option transport_option() {
  return {.name = "proto", .value = "PROTO", .help = "udp or tcp", .fallback = "udp"};
}

std::vector<Option> server_options() {
  return {state_option(),
          {.name = "out", .value = "DIR", .help = "where the files are written", .required = true},
          name_option(),
          {.name = "csr", .value = "FILE", .help = "of a key that stays where it is; without it one is made in DIR"},
          {.name = "folder", .value = "PATH", .help = "where DIR will lie on the VPN server; as here without it"},
          {.name = "program", .value = "PATH", .help = "this program on the VPN server; as here without it"},
          {.name = "status",
           .value = "HOST:PORT",
           .help = "the status service as the VPN server reaches it; status.ZONE:80 without it"},
          {.name = "network",
           .value = "NETWORK",
           .help = "IPv4 addresses that the tunnels get",
           .fallback = "10.88.0.0/24"},
          {.name = "port", .value = "PORT", .help = "that OpenVPN listens on", .fallback = "1194"},
          transport_option()};
}

std::vector<Option> client_options() {
  return {
      state_option(),
      {.name = "remote", .value = "HOST[:PORT]", .help = "where devices find the VPN server", .required = true},
      {.name = "out", .value = "FILE", .help = "where the profile is written", .required = true},
      name_option(),
      transport_option(),
      {.name = "agent-state", .value = "DIR", .help = "the agent's state folder on devices", .fallback = kAgentState},
      {.name = "agent-program", .value = "PATH", .help = "sallyport-agent on devices", .fallback = kAgentProgram}};
}

}  // namespace

std::vector<Command> export_commands() {
  return {{.words = "export openvpn-server",
           .summary = "certify a stock OpenVPN server that lets in the devices of this installation; again to renew",
           .example = "sallyport export openvpn-server --out ./vpn --folder /etc/openvpn/sallyport",
           .options = server_options(),
           .run = export_vpn_server},
          {.words = "export openvpn-client",
           .summary = "write the OpenVPN profile of every device, which checks the server before it sends a byte",
           .example = "sallyport export openvpn-client --remote vpn.example.org --out sallyport.ovpn",
           .options = client_options(),
           .run = export_vpn_client}};
}

}  // namespace sallyport::cli
