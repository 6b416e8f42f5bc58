// sallyport factory …: a station at a factory, without a network.
#include <algorithm>
#include <array>
#include <cstdio>

#include "codec/json.h"
#include "codec/text.h"
#include "commands.h"
#include "factory/station.h"
#include "folders.h"
#include "keystore/file.h"
#include "label_sheet.h"
#include "terminal.h"

namespace sallyport::cli {
namespace {

const Option kFactoryFolder{.name = "factory", .value = "DIR", .help = "the station's own folder", .required = true};
constexpr std::size_t kMaxBatch = 100'000;

Try<factory::Station> open_station(const Arguments& arguments, Environment& environment) {
  auto folder = open_state(arguments.path("factory"), factory::kFactoryFormat);
  if (!folder) return std::unexpected(std::move(folder).error());
  return in_state(factory::Station::open(*std::move(folder), environment.clock, environment.random));
}

Outcome factory_init(const Arguments& arguments, Environment& environment) {
  factory::NewStation names;
  TRY(names.site, parse_site_name(arguments.text("site")));
  TRY(names.zone, parse_dns_name(arguments.text("zone")));
  auto folder = open_or_create_state(arguments.path("factory"), factory::kFactoryFormat);
  if (!folder) return std::unexpected(std::move(folder).error());
  TRY_VOID(factory::initialise_station(*folder, names, environment.random));
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

// Writes the device's certificate and its CA's, as the agent installs them.
Result<void> write_chain(const std::filesystem::path& path, const factory::Issued& issued, const pki::Certificate& ca) {
  TRY(const auto certificate, pki::parse_certificate(issued.certificate));
  const std::array chain{certificate, ca};
  return keystore::atomic_write_file(path, as_bytes(pki::encode_certificates_pem(chain)), keystore::kPublicMode);
}

Outcome issue_one(factory::Station& station, const pki::Certificate& ca, const Arguments& arguments) {
  const auto csr = arguments.find("csr");
  const auto out = arguments.find("out");
  if (!csr || !out)
    return std::unexpected(
        Failure(Error{Errc::malformed, "want --csr FILE and --out FILE, or --batch DIR"}, ExitStatus::usage));
  std::optional<SerialId> serial_id;
  if (const auto text = arguments.find("serial-id")) {
    TRY(serial_id, parse_serial_id(*text));
  }
  TRY(const auto request, read_request(*csr));
  TRY(const auto issued, station.issue(request, serial_id));
  TRY_VOID(write_chain(*out, issued, ca));
  fmt::print("{} {} {}\n", issued.entry.sequence, issued.entry.serial_id.get(), issued.entry.certificate_serial.hex());
  return {};
}

Result<std::vector<std::filesystem::path>> list_batch(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code failure;
  for (std::filesystem::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) {
    if (at->path().extension() == ".csr") files.push_back(at->path());
    if (files.size() > kMaxBatch)
      return failf(Errc::overloaded, "{}: found more than {} requests", folder.string(), kMaxBatch);
  }
  if (failure) return failf(Errc::not_found, "{}: {}", folder.string(), failure.message());
  std::ranges::sort(files);
  return files;
}

Result<factory::Issued> issue_file(factory::Station& station, const pki::Certificate& ca,
                                   const std::filesystem::path& file) {
  TRY(const auto request, read_request(file));
  TRY(auto issued, station.issue(request, std::nullopt));
  auto out = file;
  TRY_VOID(write_chain(out.replace_extension(".pem"), issued, ca));
  return issued;
}

// Issues for every request of a folder; one that is refused does not hold up the others.
Outcome issue_batch(factory::Station& station, const pki::Certificate& ca, const std::filesystem::path& folder) {
  TRY(const auto files, list_batch(folder));
  LabelSheet labels;
  std::size_t refused = 0;
  {
    Progress progress("issuing", files.size());
    for (const auto& file : files) {
      const auto issued = issue_file(station, ca, file);
      if (issued) {
        labels.add(*issued);
      } else {
        ++refused;
        fmt::print(stderr, "sallyport: {}: {}\n", file.filename().string(), issued.error().detail);
      }
      progress.advance();
    }
  }
  TRY_VOID(keystore::atomic_write_file(folder / "labels.csv", as_bytes(labels.text()), keystore::kPublicMode));
  fmt::print("issued {}, refused {}, labels in {}\n", files.size() - refused, refused,
             (folder / "labels.csv").string());
  if (refused == 0) return {};
  return std::unexpected(
      Failure(Error{Errc::unauthorized, fmt::format("{} of {} requests were refused", refused, files.size())}));
}

Outcome factory_issue(const Arguments& arguments, Environment& environment) {
  auto station = open_station(arguments, environment);
  if (!station) return std::unexpected(std::move(station).error());
  const auto ca = station->ca();
  if (!ca)
    return std::unexpected(
        Error{Errc::unauthorized, "station: found no permit: install one with 'sallyport factory permit'"});
  if (const auto batch = arguments.find("batch")) return issue_batch(*station, *ca, *batch);
  return issue_one(*station, *ca, arguments);
}

Outcome factory_export(const Arguments& arguments, Environment& environment) {
  auto station = open_station(arguments, environment);
  if (!station) return std::unexpected(std::move(station).error());
  TRY(const auto after, arguments.number("after", 0, UINT32_MAX));
  TRY(const auto ledger, station->export_ledger(after));
  TRY_VOID(
      keystore::atomic_write_file(arguments.path("out"), pki::encode_ledger_export(ledger), keystore::kPublicMode));
  const auto last = ledger.entries.back().sequence;
  fmt::print("exported entries {} to {} of {}\n", ledger.entries.front().sequence, last,
             station->ledger().head().sequence);
  if (last < station->ledger().head().sequence) fmt::print("go on with --after {}\n", last);
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
    fmt::print("{}\n", describe(status).write());
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
       .options = {kFactoryFolder,
                   {.name = "site", .value = "NAME", .help = "the factory's name", .required = true},
                   {.name = "zone", .value = "ZONE", .help = "the installation's device zone", .required = true}},
       .run = factory_init},
      {.words = "factory permit",
       .summary = "install the site permit and the CA certificate, checked against the root",
       .example = "sallyport factory permit --factory ./station --permit acme.permit --certificate local-ca-acme.pem "
                  "--root-certificate root.pem",
       .options =
           {kFactoryFolder,
            {.name = "permit", .value = "FILE", .help = "as 'sallyport site add' wrote it", .required = true},
            {.name = "certificate", .value = "FILE", .help = "the site CA's certificate, PEM", .required = true},
            {.name = "root-certificate", .value = "FILE", .help = "the root's certificate, PEM", .required = true}},
       .run = factory_permit},
      {.words = "factory issue",
       .summary = "issue factory certificates for requests that devices made",
       .example = "sallyport factory issue --factory ./station --csr m-0001.csr --out m-0001.pem",
       .options = {kFactoryFolder,
                   {.name = "csr", .value = "FILE", .help = "the device's request, PEM or DER"},
                   {.name = "out", .value = "FILE", .help = "where certificate and CA certificate are written, PEM"},
                   {.name = "serial-id", .value = "ID", .help = "the device's serial id; from the request without it"},
                   {.name = "batch",
                    .value = "DIR",
                    .help = "issue for every *.csr of a folder; writes *.pem and labels.csv there"}},
       .run = factory_issue},
      {.words = "factory export",
       .summary = "export the signed ledger for the installation",
       .example = "sallyport factory export --factory ./station --out acme.ledger",
       .options = {kFactoryFolder,
                   {.name = "out", .value = "FILE", .help = "where the export is written", .required = true},
                   {.name = "after", .value = "N", .help = "only entries after this sequence number", .fallback = "0"}},
       .run = factory_export},
      {.words = "factory status",
       .summary = "show what the station issued and what its permit leaves",
       .example = "sallyport factory status --factory ./station --json",
       .options = {kFactoryFolder, json_option()},
       .run = factory_status},
  };
}

}  // namespace sallyport::cli
