// sallyport site …: the installation's side of its factories.
#include "administration.h"
#include "base/names.h"
#include "codec/text.h"
#include "commands.h"
#include "folders.h"
#include "json_output.h"
#include "keystore/file.h"
#include "ledger_files.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;

const Option kSite{.name = "NAME", .value = "NAME", .help = "the factory's name", .required = true};
constexpr std::uint64_t kMaxCount = 100'000'000;
constexpr std::uint64_t kMaxPermitDays = 730;

Result<void> check_site(const Arguments& arguments) {
  auto name = parse_site_name(arguments.text("NAME"));
  if (!name) return std::unexpected(std::move(name).error());
  return {};
}

void print_before_certificate(const Arguments& arguments) {
  const std::string site = arguments.text("NAME");
  fmt::print(
      "Nothing was recorded yet: the site needs a CA certificate first.\n"
      "  at the factory  sallyport factory init --factory DIR --site {} --zone ZONE\n"
      "  at the root     sallyport root sign --root DIR --in DIR/to-root --out OUT\n"
      "  here again      sallyport site add {} --certificate OUT/local-ca-{}.pem\n",
      site, site, site);
}

// The signed permit of an answer, into the file that was asked for.
Result<void> write_permit(const Arguments& arguments, const Json& answer) {
  TRY(const auto encoded, answer.text_at("permit"));
  TRY(const auto permit, codec::decode_base64(encoded));
  TRY(const auto number, answer.integer_at("number"));
  TRY(const auto count, answer.integer_at("count"));
  TRY(const auto until, answer.text_at("not_after"));
  const std::filesystem::path out = arguments.find("out").value_or(arguments.text("NAME") + ".permit");
  TRY_VOID(keystore::atomic_write_file(out, permit, keystore::kPublicMode));
  fmt::print("site {} may issue {} certificates until {}: permit {} in {}\n", arguments.text("NAME"), count, until,
             number, out.string());
  return {};
}

Outcome site_add(const Arguments& arguments, Environment& environment) {
  TRY_VOID(check_site(arguments));
  TRY(const auto count, arguments.number("count", 1, kMaxCount));
  TRY(const auto quota, arguments.find_number("quota", 0, kMaxCount));
  const auto certificate_file = arguments.find("certificate");
  if (!certificate_file) {
    print_before_certificate(arguments);
    return {};
  }
  TRY(const auto pem, keystore::read_file(*certificate_file, kMaxSmallFile));
  Json::Object order{{"name", arguments.text("NAME")}, {"certificate", as_text(pem)}, {"count", count}};
  if (quota) order["quota"] = *quota;
  const auto answer = administer(arguments.path("state"), "site.add", std::move(order), environment);
  if (!answer) return std::unexpected(answer.error());
  TRY_VOID(write_permit(arguments, *answer));
  return {};
}

// What was not said stays as it is.
Outcome site_permit(const Arguments& arguments, Environment& environment) {
  TRY_VOID(check_site(arguments));
  Json::Object order{{"name", arguments.text("NAME")}};
  TRY(const auto count, arguments.find_number("count", 1, kMaxCount));
  TRY(const auto quota, arguments.find_number("quota", 0, kMaxCount));
  TRY(const auto days, arguments.find_number("days", 1, kMaxPermitDays));
  if (count) order["count"] = *count;
  if (quota) order["quota"] = *quota;
  if (days) order["days"] = *days;
  const auto answer = administer(arguments.path("state"), "site.permit", std::move(order), environment);
  if (!answer) return std::unexpected(answer.error());
  TRY_VOID(write_permit(arguments, *answer));
  fmt::print("at the factory: sallyport factory permit --factory DIR --permit FILE\n");
  return {};
}

Outcome site_policy(const Arguments& arguments, Environment& environment) {
  TRY_VOID(check_site(arguments));
  const std::string replace = arguments.text("replace");
  const Json::Object order{{"name", arguments.text("NAME")}, {"replace", replace}};
  const auto answer = administer(arguments.path("state"), "site.policy", order, environment);
  if (!answer) return std::unexpected(answer.error());
  fmt::print("site {}: devices {} at their first connection\n", arguments.text("NAME"),
             replace == "optional" ? "may keep their factory key" : "replace their factory key");
  return {};
}

Outcome site_import(const Arguments& arguments, Environment& environment) {
  TRY_VOID(check_site(arguments));
  TRY(const auto files, list_ledger_files(arguments.text("ledger")));
  std::int64_t added = 0;
  std::int64_t sequence = 0;
  for (const auto& file : files) {
    TRY(const auto ledger, read_ledger_file(file));
    const Json::Object parameters{{"name", arguments.text("NAME")}, {"ledger", codec::encode_base64(ledger)}};
    const auto answer = administer(arguments.path("state"), "site.import_ledger", parameters, environment);
    if (!answer) return std::unexpected(answer.error());
    TRY(const auto more, answer->integer_at("added"));
    added += more;
    TRY(sequence, answer->integer_at("sequence"));
  }
  fmt::print("{} new devices, ledger known up to entry {}\n", added, sequence);
  return {};
}

std::string member(const Json& object, std::string_view key) {
  const Json* found = object.find(key);
  return found == nullptr ? "-" : shown(*found);
}

Result<void> print_site(const Json& site) {
  TRY(const auto name, site.text_at("name"));
  TRY(const auto state, site.text_at("state"));
  TRY(const auto issued, site.integer_at("issued"));
  TRY(const auto permitted, site.integer_at("permitted"));
  TRY(const auto enrolled, site.integer_at("enrolled"));
  TRY(const auto quota, site.integer_at("activation_quota"));
  TRY(const auto told, site.at("alarms"));
  TRY(const auto alarms, told.array());
  fmt::print("{:<24} {:<9} issued {}/{}  enrolled {}/{}{}\n", name, state, issued, permitted, enrolled, quota,
             alarms.empty() ? "" : "  ALARM");
  for (const Json& alarm : alarms) {
    fmt::print("  {}  {}  {}\n", member(alarm, "time"), member(alarm, "kind"), member(alarm, "detail"));
  }
  return {};
}

Outcome site_list(const Arguments& arguments, Environment& environment) {
  const auto answer = administer(arguments.path("state"), "site.list", Json::Object{}, environment);
  if (!answer) return std::unexpected(answer.error());
  if (arguments.flag("json")) {
    print_json(*answer);
    return {};
  }
  TRY(const auto list, answer->at("sites"));
  TRY(const auto sites, list.array());
  for (const auto& site : sites) TRY_VOID(print_site(site));
  return {};
}

}  // namespace

std::vector<Command> site_commands() {
  return {
      {.words = "site add",
       .summary = "admit a factory by its CA certificate and sign its permit; again for another certificate",
       .example = "sallyport site add acme --certificate from-root/local-ca-acme.pem --count 5000",
       .options =
           {kSite,
            state_option(),
            {.name = "certificate", .value = "FILE", .help = "the site CA's certificate, signed by the root"},
            {.name = "count", .value = "N", .help = "certificates that it may issue in all", .fallback = "1000"},
            {.name = "quota", .value = "N", .help = "devices of it that may enrol; as many as --count without it"},
            {.name = "out", .value = "FILE", .help = "where the signed permit is written; NAME.permit without it"}},
       .run = site_add},
      {.words = "site permit",
       .summary = "sign a factory's next permit: longer, larger, also when the last one has ended",
       .example = "sallyport site permit acme --count 8000 --days 365",
       .options =
           {kSite,
            state_option(),
            {.name = "count", .value = "N", .help = "certificates that it may issue in all; as before without it"},
            {.name = "quota", .value = "N", .help = "devices of it that may enrol; as before without it"},
            {.name = "days", .value = "N", .help = "how long from now, up to 730; a year without it"},
            {.name = "out", .value = "FILE", .help = "where the signed permit is written; NAME.permit without it"}},
       .run = site_permit},
      {.words = "site policy",
       .summary = "whether a factory's devices must make a new key at their first connection (they must, unless told)",
       .example = "sallyport site policy acme --replace optional",
       .options = {kSite,
                   state_option(),
                   {.name = "replace", .value = "WHEN", .help = "required or optional", .required = true}},
       .run = site_policy},
      {.words = "site import",
       .summary = "take in a factory's ledger: its devices may then enrol",
       .example = "sallyport site import acme --ledger acme.ledger",
       .options =
           {kSite,
            state_option(),
            {.name = "ledger",
             .value = "FILES",
             .help = "as 'sallyport factory export' wrote it; several with commas, a folder, or - for standard input",
             .required = true}},
       .run = site_import},
      {.words = "site list",
       .summary = "show every factory, its permit and its quota",
       .example = "sallyport site list --json",
       .options = {state_option(), json_option()},
       .run = site_list},
  };
}

}  // namespace sallyport::cli
