// sallyport factory …: a station at a factory, without a network.
#include <algorithm>
#include <array>
#include <cstdio>

#include "codec/json.h"
#include "codec/text.h"
#include "commands.h"
#include "factory/station.h"
#include "factory_folder.h"
#include "folders.h"
#include "json_output.h"
#include "keystore/file.h"
#include "option_error.h"

namespace sallyport::cli {
namespace {

Outcome factory_init(const Arguments& arguments, Environment& environment) {
  factory::NewStation names;
  TRY(names.site, of_option("--site", parse_site_name(arguments.text("site"))));
  TRY(names.zone, parse_dns_name(arguments.text("zone")));
  names.key = arguments.find("key");
  auto folder = open_or_create_state(arguments.path("factory"), factory::kFactoryFormat);
  if (!folder) return std::unexpected(std::move(folder).error());
  TRY_VOID(factory::initialise_station(*folder, names, environment.random));
  fmt::print("fingerprint of the key, to be read aloud at the root:\n");
  TRY_VOID(print_request_keys(folder->file("to-root")));
  fmt::print("made {}\ncarry that folder to the root: sallyport root sign --root DIR --in {} --out DIR\n",
             (folder->file("to-root") / fmt::format("local-ca-{}.csr", names.site.get())).string(),
             folder->file("to-root").string());
  return {};
}

Outcome factory_permit(const Arguments& arguments, Environment& environment) {
  auto station = open_station(arguments, environment);
  if (!station) return std::unexpected(std::move(station).error());
  TRY(auto sealed, keystore::read_file(arguments.path("permit"), kMaxSmallFile));
  TRY(const auto ca, keystore::read_file(arguments.path("certificate"), kMaxSmallFile));
  TRY(const auto root, keystore::read_file(arguments.path("root-certificate"), kMaxSmallFile));
  TRY(const auto permit,
      station->commission(
          {.permit = std::move(sealed), .ca_pem = std::string(as_text(ca)), .root_pem = std::string(as_text(root))}));
  fmt::print("permit {} of {}: {} certificates in all, until {}\n", permit.number, permit.installation, permit.count,
             to_iso8601(permit.not_after));
  return {};
}

codec::Json describe(const factory::StationStatus& status) {
  codec::Json::Object out{{"site", status.site.get()},
                          {"namespace", status.name_space.get()},
                          {"issued", status.head.sequence},
                          {"head", codec::encode_hex(status.head.hash)},
                          {"voided", std::uint64_t{status.voided}}};
  if (status.permit) {
    out["permit"] =
        codec::Json::Object{{"number", status.permit->number},
                            {"installation", status.permit->installation},
                            {"count", status.permit->count},
                            {"left", status.permit->count - std::min(status.permit->count, status.head.sequence)},
                            {"not_before", to_iso8601(status.permit->not_before)},
                            {"not_after", to_iso8601(status.permit->not_after)}};
  }
  return out;
}

Outcome factory_status(const Arguments& arguments, Environment& environment) {
  auto station = open_station(arguments, environment);
  if (!station) return std::unexpected(std::move(station).error());
  const auto status = station->status();
  if (arguments.flag("json")) {
    print_json(describe(status));
    return {};
  }
  fmt::print("site       {}\nnamespace  {}\nissued     {}\nhead       {}\n", status.site.get(), status.name_space.get(),
             status.head.sequence, codec::encode_fingerprint(status.head.hash));
  if (status.permit) {
    fmt::print("permit     number {}, {} certificates in all, until {}\n", status.permit->number, status.permit->count,
               to_iso8601(status.permit->not_after));
  } else {
    fmt::print("permit     none: install one with 'sallyport factory permit'\n");
  }
  return {};
}

}  // namespace

std::vector<Command> factory_commands() {
  return {
      {.words = "factory init",
       .summary = "make a station's CA key and its request to the root",
       .example = "sallyport factory init --factory ./station --site acme --zone devices.example.com",
       .options = {factory_option(),
                   {.name = "site", .value = "NAME", .help = "the factory's name", .required = true},
                   {.name = "zone", .value = "ZONE", .help = "the installation's device zone", .required = true},
                   {.name = "key",
                    .value = "URI",
                    .help = "the CA key's place in a PKCS #11 token; a file in the folder without it: "
                            "'pkcs11:token=T;object=O?module-path=FILE&pin-source=FILE'"}},
       .run = factory_init},
      {.words = "factory permit",
       .summary = "install the site permit and the CA certificate, checked against the root",
       .example = "sallyport factory permit --factory ./station --permit acme.permit --certificate local-ca-acme.pem "
                  "--root-certificate root.pem",
       .options =
           {factory_option(),
            {.name = "permit", .value = "FILE", .help = "as 'sallyport site add' wrote it", .required = true},
            {.name = "certificate", .value = "FILE", .help = "the site CA's certificate, PEM", .required = true},
            {.name = "root-certificate", .value = "FILE", .help = "the root's certificate, PEM", .required = true}},
       .run = factory_permit},
      {.words = "factory status",
       .summary = "show what the station issued and what its permit leaves",
       .example = "sallyport factory status --factory ./station --json",
       .options = {factory_option(), json_option()},
       .run = factory_status},
  };
}

}  // namespace sallyport::cli
