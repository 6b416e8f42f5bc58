// sallyport certificate revoke, sallyport root install-crl: revocation of what is not a device.
#include "administration.h"
#include "codec/pem.h"
#include "commands.h"
#include "folders.h"
#include "keystore/file.h"

namespace sallyport::cli {
namespace {

using codec::Json;

Outcome certificate_revoke(const Arguments& arguments, Environment& environment) {
  const Json::Object order{
      {"ca", arguments.text("CA")}, {"serial", arguments.text("SERIAL")}, {"reason", arguments.text("reason")}};
  CLI_TRY(const auto answer, administer(arguments.path("state"), "certificate.revoke", order, environment));
  fmt::print("certificate {} of {} is revoked; every role that lives has confirmed it\n", arguments.text("SERIAL"),
             arguments.text("CA"));
  return {};
}

Outcome root_install_crl(const Arguments& arguments, Environment& environment) {
  TRY(const auto crls, read_crls(arguments.path("crl")));
  const std::string pem = encode_crls_pem(crls);
  auto installed = administer(arguments.path("state"), "root.install_crl", Json::Object{{"crl", pem}}, environment);
  if (!installed) {
    Failure failure = std::move(installed).error();
    failure.error = std::move(failure.error).at(arguments.text("crl"));
    return std::unexpected(std::move(failure));
  }
  for (const pki::Crl& crl : crls) {
    fmt::print("root CRL number {} is in force until {}; it lists {} CAs\n", crl.number(),
               to_iso8601(crl.next_update()), crl.entries().size());
  }
  return {};
}

}  // namespace

std::vector<Command> certificate_commands() {
  return {
      {.words = "certificate revoke",
       .summary = "revoke one certificate",
       .example = "sallyport certificate revoke server-ca 4c1f0e6d7b2a49538d0c9e8f7a6b5c4d --reason key-compromise",
       .options = {{.name = "CA", .value = "CA", .help = "that issued it, for example server-ca", .required = true},
                   {.name = "SERIAL", .value = "SERIAL", .help = "serial number in hexadecimal", .required = true},
                   {.name = "reason", .value = "REASON", .help = kReasonWords, .fallback = "unspecified"},
                   state_option()},
       .run = certificate_revoke},
      {.words = "root install-crl",
       .summary = "put a new CRL of the root in force here",
       .example = "sallyport root install-crl --crl root.crl",
       .options = {{.name = "crl", .value = "FILE", .help = "as 'sallyport root crl' wrote it", .required = true},
                   state_option()},
       .run = root_install_crl},
  };
}

}  // namespace sallyport::cli
