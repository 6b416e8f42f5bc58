// sallyport site devices|reconcile, sallyport device find: what a factory made, as the installation took it in.
#include <algorithm>
#include <array>
#include <tuple>

#include "codec/text.h"
#include "commands.h"
#include "folders.h"
#include "installation_folder.h"
#include "json_output.h"
#include "keystore/file.h"
#include "ledger_files.h"
#include "pki/ledger_examine.h"
#include "pki/ledger_reconcile.h"
#include "pki/signed_object.h"
#include "table.h"
#include "white_list.h"

namespace sallyport::cli {
namespace {

using codec::Json;

const Option kSite{.name = "NAME", .value = "NAME", .help = "the factory's name", .required = true};
constexpr std::array kWhiteListColumns = {Column{"SITE", "site"},
                                          Column{"SERIAL ID", "serial_id"},
                                          Column{"STATE", "state"},
                                          Column{"NAME", "name"},
                                          Column{"CERTIFICATE SERIAL", "certificate_serial"},
                                          Column{"KEY SHA-256", "key_sha256"},
                                          Column{"TAKEN IN", "created"}};
constexpr std::array kFindings = {Column{"FAULT", "fault"}, Column{"ENTRY", "sequence"},
                                  Column{"SERIAL ID", "serial_id"}, Column{"EXPORT", "source"},
                                  Column{"WHAT", "detail"}};

// Adds the devices of `site` that `text` finds, all of them without it.
Try<void> find_in(const Arguments& arguments, Environment& environment, const std::string& site,
                  const std::optional<std::string>& text, Json::Array& found) {
  const auto take = [&](const Json& device) {
    if (text && !is_sought(device, *text)) return;
    auto members = device.object().value_or(Json::Object{});
    members.emplace("site", site);
    found.emplace_back(std::move(members));
  };
  CLI_TRY(const auto facts, read_white_list(arguments, environment, site, take));
  static_cast<void>(facts);
  return {};
}

void print_devices(const Arguments& arguments, Json::Array devices) {
  if (arguments.flag("json")) {
    print_json(Json(Json::Object{{"devices", std::move(devices)}}));
  } else {
    print_table(devices, kWhiteListColumns);
  }
}

Outcome site_devices(const Arguments& arguments, Environment& environment) {
  TRY(const auto site, parse_site_name(arguments.text("NAME")));
  Json::Array found;
  if (auto done = find_in(arguments, environment, site.get(), arguments.find("find"), found); !done) return done;
  print_devices(arguments, std::move(found));
  return {};
}

Outcome device_find(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const auto answer, administer(arguments.path("state"), "site.list", Json::Object{}, environment));
  TRY(const auto listed, answer.at("sites"));
  TRY(const auto sites, listed.array());
  Json::Array found;
  for (const Json& site : sites) {
    TRY(const auto name, site.text_at("name"));
    if (auto done = find_in(arguments, environment, name, arguments.text("TEXT"), found); !done) return done;
  }
  const bool none = found.empty();
  print_devices(arguments, std::move(found));
  if (!none) return {};
  return std::unexpected(Failure({Errc::not_found, "device: no ledger that was taken in has it"}));
}

// What the authority knows of a site, in the form that ledgers are judged by.
struct Knowledge {
  pki::Certificate site_ca;
  pki::SitePermit permit;
  pki::LedgerHead accepted;
  std::vector<pki::WhiteListEntry> white_list;
};

Result<pki::WhiteListEntry> parse_entry(const Json& device) {
  pki::WhiteListEntry entry;
  TRY(const auto serial_id, device.text_at("serial_id"));
  TRY(entry.serial_id, parse_serial_id(serial_id));
  TRY(const auto serial, device.text_at("certificate_serial"));
  TRY(const auto content, codec::decode_hex(serial));
  TRY(entry.certificate_serial, pki::SerialNumber::from_content(content));
  TRY(const auto key, device.text_at("key_sha256"));
  TRY(const auto digest, codec::decode_hex(key));
  TRY(entry.spki, Reader(digest).array<32>());
  return entry;
}

Result<Knowledge> parse_knowledge(const WhiteListFacts& facts, const pki::Certificate& root,
                                  std::vector<pki::WhiteListEntry> white_list) {
  TRY(const auto ca, codec::decode_base64(facts.ca));
  TRY(auto site_ca, pki::parse_certificate(ca));
  TRY(const auto sealed, codec::decode_base64(facts.permit));
  const std::array anchors{root};
  // It was judged by the clock when it was signed; it may outlive the certificate of its signer.
  TRY(const auto opened,
      pki::open_object(pki::ControlKind::permit, sealed, anchors, pki::TimeRule::floor(UnixTime(0))));
  TRY(auto permit, pki::parse_permit(opened.payload()));
  TRY(const auto head, codec::decode_hex(facts.head));
  TRY(const auto digest, Reader(head).array<32>());
  return Knowledge{std::move(site_ca), std::move(permit), {facts.sequence, digest}, std::move(white_list)};
}

Try<Knowledge> read_knowledge(const Arguments& arguments, Environment& environment) {
  std::vector<pki::WhiteListEntry> white_list;
  Result<void> sound;
  const auto take = [&](const Json& device) {
    auto entry = parse_entry(device);
    if (entry) return white_list.push_back(*std::move(entry));
    sound = std::unexpected(std::move(entry).error());
  };
  CLI_TRY(const auto facts, read_white_list(arguments, environment, arguments.text("NAME"), take));
  TRY_VOID(std::move(sound));
  TRY(const auto root, read_certificate(arguments.path("state") / "trust" / "root.pem"));
  TRY(auto knowledge, parse_knowledge(facts, root, std::move(white_list)));
  return knowledge;
}

Json finding_json(const pki::LedgerFinding& finding) {
  return Json::Object{{"fault", pki::to_string(finding.fault)},
                      {"sequence", finding.sequence},
                      {"serial_id", finding.serial_id},
                      {"source", finding.source},
                      {"detail", finding.detail}};
}

// What is wrong inside each export, and what all of them say together that none says alone.
Result<std::vector<pki::LedgerFinding>> judge_ledgers(const std::vector<std::filesystem::path>& files,
                                                      const Knowledge& known) {
  std::vector<pki::LedgerSource> sources;
  std::vector<pki::LedgerFinding> findings;
  for (const auto& file : files) {
    TRY(const auto bytes, read_ledger_file(file));
    const std::string name = file.filename().string();
    auto ledger = pki::parse_ledger_export(bytes);
    if (!ledger || ledger->site == known.permit.site) {
      auto inside = pki::examine_ledger(bytes, known.site_ca, std::nullopt, name);
      if (!inside) return std::unexpected(std::move(ledger ? inside.error() : ledger.error()).at(file.string()));
      std::ranges::move(*inside, std::back_inserter(findings));
    }
    if (ledger) sources.push_back({name, *std::move(ledger)});
  }
  const auto together = pki::reconcile_ledgers(
      sources,
      {.site_ca = known.site_ca, .permit = known.permit, .accepted = known.accepted, .white_list = known.white_list});
  for (const pki::LedgerFinding& each : together) {
    const bool is_named = std::ranges::any_of(findings, [&](const pki::LedgerFinding& known_one) {
      return known_one.fault == each.fault && known_one.sequence == each.sequence;
    });
    if (!is_named) findings.push_back(each);
  }
  std::ranges::sort(findings, {},
                    [](const pki::LedgerFinding& each) { return std::tie(each.sequence, each.fault, each.source); });
  return findings;
}

Outcome site_reconcile(const Arguments& arguments, Environment& environment) {
  TRY_VOID(parse_site_name(arguments.text("NAME")));
  TRY(const auto files, list_ledger_files(arguments.text("ledger")));
  CLI_TRY(const auto known, read_knowledge(arguments, environment));
  TRY(const auto findings, judge_ledgers(files, known));
  Json::Array shown;
  for (const auto& finding : findings) shown.push_back(finding_json(finding));
  const std::size_t count = shown.size();
  if (arguments.flag("json")) {
    print_json(Json(Json::Object{{"site", arguments.text("NAME")},
                                 {"accepted", known.accepted.sequence},
                                 {"permitted", known.permit.count},
                                 {"findings", std::move(shown)}}));
  } else if (count > 0) {
    print_table(shown, kFindings);
  } else {
    fmt::print("no finding: {} entries accepted of {} permitted, {} exports agree with them\n", known.accepted.sequence,
               known.permit.count, files.size());
  }
  if (count == 0) return {};
  return std::unexpected(Failure({Errc::conflict, fmt::format("site {}: {} findings", arguments.text("NAME"), count)}));
}

}  // namespace

std::vector<Command> white_list_commands() {
  return {
      {.words = "site devices",
       .summary = "show the devices of a factory's accepted ledger",
       .example = "sallyport site devices acme --find m-00",
       .options = {kSite,
                   {.name = "find",
                    .value = "TEXT",
                    .help = "only those whose serial id, name, certificate serial, fingerprint or key hash begins so"},
                   state_option(),
                   json_option()},
       .run = site_devices},
      {.words = "site reconcile",
       .summary = "compare exports of a factory's ledger with what was accepted, and name every fault",
       .example = "sallyport site reconcile acme --ledger acme-monday.ledger,acme-friday.ledger",
       .options = {kSite,
                   {.name = "ledger",
                    .value = "FILES",
                    .help = "exports, with commas between them, or a folder of *.ledger",
                    .required = true},
                   state_option(),
                   json_option()},
       .run = site_reconcile},
      {.words = "device find",
       .summary = "search every factory's white-list",
       .example = "sallyport device find 4f:1a:9c:02",
       .options = {{.name = "TEXT",
                    .value = "TEXT",
                    .help = "beginning of serial id, name, certificate serial, fingerprint or key hash",
                    .required = true},
                   state_option(),
                   json_option()},
       .run = device_find},
  };
}

}  // namespace sallyport::cli
