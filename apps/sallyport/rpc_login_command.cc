// sallyport rpc login: a certificate in the name of somebody who may log in at the console, for calls of nodes.
#include "codec/pem.h"
#include "commands.h"
#include "connect_settings.h"
#include "keystore/file.h"
#include "net/run.h"
#include "pki/csr.h"
#include "pki/verify.h"
#include "rpcnode/identity.h"
#include "terminal.h"

namespace sallyport::cli {
namespace {

using codec::Json;

// Logs in, has `csr` certified, logs out.
net::Task<Result<Json>> obtain(ConsoleLogin login, SecretBytes password, std::string csr, const Clock& clock) {
  CO_TRY(auto console, co_await ConsoleClient::log_in(std::move(login), std::move(password), clock));
  auto answer = co_await console.post("/session/certificate", Json::Object{{"csr", std::move(csr)}});
  static_cast<void>(co_await console.log_out());
  co_return answer;
}

// What the console answered, once it is the certificate of this person for this key.
Result<std::vector<pki::Certificate>> check_answer(const Json& answer, const ConsoleLogin& login,
                                                   const crypto::PrivateKey& key, UnixTime now) {
  TRY(const std::string pem, answer.text_at("chain"));
  TRY(auto chain, pki::parse_certificates_pem(pem));
  TRY(const std::string zone_text, answer.text_at("zone"));
  TRY(auto zone, parse_dns_name(zone_text));
  TRY(const auto verified,
      pki::verify_chain(chain, login.roots, pki::PersonPurpose{.zone = std::move(zone)}, pki::TimeRule::clock(now)));
  if (verified.identity_as<pki::PersonIdentity>().login != login.login ||
      !(verified.leaf().public_key() == key.public_key()))
    return fail(Errc::conflict, "console: answered with somebody else's certificate");
  return chain;
}

Outcome rpc_login(const Arguments& arguments, Environment& environment) {
  const std::filesystem::path folder = arguments.path("out");
  CLI_TRY(auto settings, read_connect_settings(arguments));
  TRY(auto password, read_passphrase(settings.password_file, "--password-file", "Password of " + settings.login.login));
  auto key = crypto::PrivateKey::generate();
  TRY(const auto name, pki::DistinguishedName::of(settings.login.login));
  TRY(const Bytes csr, pki::build_csr(key, name));
  net::Io io;
  auto answered = net::run(io, obtain(settings.login, std::move(password),
                                      codec::encode_pem("CERTIFICATE REQUEST", csr), environment.clock));
  if (!answered) return std::unexpected(Failure({Errc::unavailable, "login: interrupted"}, ExitStatus::failed));
  TRY(const Json answer, *std::move(answered));
  TRY(const auto chain, check_answer(answer, settings.login, key, environment.clock.now()));
  TRY_VOID(keystore::make_folders(folder, keystore::kPrivateFolderMode));
  TRY_VOID(keystore::atomic_write_file(folder / rpcnode::kPersonKeyFile, key.to_pem().expose(), keystore::kSecretMode));
  TRY_VOID(keystore::atomic_write_file(folder / rpcnode::kPersonCertificateFile,
                                       as_bytes(pki::encode_certificates_pem(chain)), keystore::kPublicMode));
  TRY_VOID(keystore::atomic_write_file(folder / rpcnode::kPersonRootsFile,
                                       as_bytes(pki::encode_certificates_pem(settings.login.roots)),
                                       keystore::kPublicMode));
  TRY(const std::string zone, answer.text_at("zone"));
  fmt::print("person:{} until {}; use it with --identity {} --zone {}\n", settings.login.login,
             to_iso8601(chain.front().validity().not_after), folder.native(), zone);
  return {};
}

}  // namespace

std::vector<Command> rpc_login_commands() {
  std::vector<Option> options = {
      {.name = "out", .value = "DIR", .help = "where key and certificate are put", .required = true}};
  auto more = connect_options();
  options.insert(options.end(), more.begin(), more.end());
  return {{.words = "rpc login",
           .summary = "get a certificate in one's own name for calls of nodes, for 12 hours",
           .example = "sallyport rpc login --out ~/.sallyport-rpc --console https://console.example --login ann "
                      "--root-certificate root.pem",
           .options = std::move(options),
           .run = rpc_login}};
}

}  // namespace sallyport::cli
