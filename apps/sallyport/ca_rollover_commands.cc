// sallyport ca rollover, ca retire: what will happen, a question, then the act.
#include <algorithm>

#include <fmt/format.h>

#include "ca_rollover.h"
#include "codec/text.h"
#include "commands.h"
#include "folders.h"
#include "init_steps.h"
#include "json_output.h"
#include "records/installation_values.h"
#include "root_signing.h"
#include "store/record_database.h"
#include "terminal.h"

namespace sallyport::cli {
namespace {

using codec::Json;

constexpr std::string_view kRoot = "root";

// What is asked for: the CAs in the order of the installation's, and whether the root is among them.
struct Wanted {
  std::vector<std::string> cas;
  bool with_root = false;
};

Result<Wanted> wanted_of(const std::vector<std::string>& named) {
  Wanted out;
  const auto known = online_cas();
  for (const std::string& name : named) {
    if (name == kRoot) {
      out.with_root = true;
    } else if (std::ranges::find(known, name) == known.end()) {
      return failf(Errc::malformed, "--ca: found '{}', want root or one of {}", name, fmt::join(known, ", "));
    }
  }
  for (const std::string& name : known) {
    if (std::ranges::find(named, name) != named.end()) out.cas.push_back(name);
  }
  if (out.cas.empty() && !out.with_root)
    return fail(Errc::malformed, "--ca: want at least one: root, online-ca, server-ca, …");
  return out;
}

// What the command is about: what was asked for, or what an interrupted run had begun to take in.
Result<Wanted> choose(const Arguments& arguments, const InstallationPaths& paths) {
  TRY(const auto open, find_interrupted_rollover(paths));
  const auto named = arguments.list("ca");
  if (open.empty()) return wanted_of(named);
  TRY(auto wanted, wanted_of(open));
  if (!named.empty()) {
    TRY(const auto asked, wanted_of(named));
    if (asked.cas != wanted.cas)
      return failf(Errc::conflict, "{}: found a rollover of {} that was interrupted, want that finished first",
                   paths.rollover().string(), fmt::join(open, ", "));
  }
  return wanted;
}

Result<Json> describe_ca(const InstallationPaths& paths, records::Records& records, const std::string& ca) {
  TRY(const auto certificate, read_certificate(paths.trust() / (ca + ".pem")));
  TRY(const auto issued, records.certificates().count(records::CaName(ca), records::CertificateState::issued));
  return Json(Json::Object{{"ca", ca},
                           {"serial", certificate.serial().hex()},
                           {"not_after", to_iso8601(certificate.validity().not_after)},
                           {"issued", issued}});
}

// What would happen.
Result<Json> plan(const InstallationPaths& paths, const Wanted& wanted) {
  TRY(const auto root, read_certificate(paths.root_certificate()));
  TRY(const auto database, store::open_record_database(paths.database()));
  Json::Array cas;
  TRY_VOID(database->read([&](records::Records& records) -> Result<void> {
    for (const std::string& ca : wanted.cas) {
      TRY(auto row, describe_ca(paths, records, ca));
      cas.push_back(std::move(row));
    }
    return {};
  }));
  Json::Object out{{"cas", std::move(cas)}};
  out["root"] = wanted.with_root ? Json(codec::encode_hex(root.fingerprint())) : Json();
  return Json(std::move(out));
}

Result<void> print_plan(const Json& plan) {
  TRY(const auto root, plan.at("root"));
  if (!root.is_null()) {
    fmt::print(
        "root: the one that the root's machine has made its newest is taken in, over the link that leads to it.\n"
        "  The present one stays trusted. Devices follow at their next connection.\n");
  }
  TRY(const auto listed, plan.at("cas"));
  TRY(const auto cas, listed.array());
  for (const Json& ca : cas) {
    TRY(const auto name, ca.text_at("ca"));
    TRY(const auto serial, ca.text_at("serial"));
    TRY(const auto until, ca.text_at("not_after"));
    TRY(const auto issued, ca.integer_at("issued"));
    fmt::print(
        "{}: a new key and certificate; the present one, {}, until {}, issues nothing any more.\n"
        "  What it issued ({} certificates) stays good; status is told for as long as it lives, then: sallyport ca "
        "retire.\n",
        name, serial, until, issued);
    if (name == "web-ca" || name == "server-ca") fmt::print("  Browsers need 'sallyport trust install' again.\n");
  }
  return {};
}

Outcome sign_here(const RolloverPaths& own, const Arguments& arguments, Environment& environment) {
  auto folder = open_state(arguments.path("root"), root::kRootFormat);
  if (!folder) return std::unexpected(std::move(folder).error());
  TRY(auto root, root::Root::open(*std::move(folder), environment.clock, environment.random));
  TRY(const auto proposals, read_proposals(root, own.to_root));
  if (!arguments.flag("json")) print_proposals(root, proposals);
  TRY(const auto passphrase,
      read_passphrase(arguments.find("root-passphrase-file"), "--root-passphrase-file", "Root passphrase"));
  TRY_VOID(sign_proposals(root, proposals, passphrase.expose(), own.from_root));
  return {};
}

void print_what_next(const RolloverPaths& own) {
  fmt::print(
      "Keys and requests are made. Now carry {} to the root's machine and sign there:\n"
      "  sallyport root sign --root DIR --in to-root --out from-root\n"
      "Bring the result back as {} and run this command again.\n",
      own.to_root.string(), own.from_root.string());
}

Json describe_result(const Wanted& wanted, const RolloverAnswer& answer) {
  Json::Array cas;
  for (const auto& [ca, certificate] : answer.cas) {
    cas.emplace_back(Json::Object{{"ca", ca},
                                  {"serial", certificate.serial().hex()},
                                  {"not_after", to_iso8601(certificate.validity().not_after)}});
  }
  return Json::Object{{"state", "done"},
                      {"cas", std::move(cas)},
                      {"root", codec::encode_hex(answer.roots.front().fingerprint())},
                      {"with_root", wanted.with_root},
                      {"roots", std::uint64_t{answer.roots.size()}}};
}

// Everything after the root's answer.
Result<RolloverAnswer> take_in(const InstallationPaths& paths, const Settings& settings,
                               const std::filesystem::path& from_root, const Wanted& wanted, Environment& environment) {
  TRY(const auto in_force, read_root_crls(paths));
  TRY(auto answer, read_answer(paths, settings, from_root, wanted.cas, in_force, environment.clock));
  TRY_VOID(make_folder(paths.rollover()));
  TRY_VOID(install_answer(paths, answer));
  {
    TRY(const auto database, store::open_record_database(paths.database()));
    TRY_VOID(record_answer(*database, answer, environment.clock.now()));
  }
  {
    TRY(const auto authority, OfflineAuthority::open(paths, environment));
    TRY_VOID(settle_control_certificates(paths, *authority));
  }
  TRY_VOID(settle_twins(paths, environment.clock, environment.random));
  TRY_VOID(finish_rollover(paths));
  return answer;
}

Outcome ca_rollover(const Arguments& arguments, Environment& environment) {
  const InstallationPaths paths{arguments.path("state")};
  auto folder = open_state(paths.state, kInstallationFormat);
  if (!folder) return std::unexpected(std::move(folder).error());
  CLI_TRY(const auto settings, load_settings_in_state(paths.settings()));
  TRY(const bool finished, finish_interrupted_rollover(paths));
  if (finished && arguments.list("ca").empty()) {
    fmt::print("{}\n", arguments.flag("json") ? R"({"state":"done"})" : "the interrupted rollover is finished");
    return {};
  }
  TRY(const auto wanted, choose(arguments, paths));
  TRY(const auto planned, plan(paths, wanted));
  const bool as_json = arguments.flag("json");
  const bool is_preview = arguments.flag("preview");
  if (as_json && is_preview) print_json(planned);
  if (!as_json) TRY_VOID(print_plan(planned));
  if (is_preview) return {};
  if (!arguments.flag("yes")) TRY_VOID(confirm("Go on?"));

  const auto own = rollover_paths(paths);
  const auto given = arguments.find("from");
  const std::filesystem::path from_root = given ? std::filesystem::path(*given) : own.from_root;
  if (!wanted.cas.empty()) TRY_VOID(settle_next_keys(paths, settings, wanted.cas));
  if (!has_answer_for(from_root, wanted.cas)) {
    if (!arguments.find("root")) {
      if (wanted.cas.empty())
        return std::unexpected(Error{Errc::not_found, fmt::format("{}: found no root.pem and root.crl, want what "
                                                                  "'sallyport root rollover' wrote",
                                                                  from_root.string())});
      if (as_json) {
        print_json(Json(Json::Object{{"state", "requested"}, {"to_root", own.to_root.string()}}));
      } else {
        print_what_next(own);
      }
      return {};
    }
    CLI_TRY_VOID(sign_here(own, arguments, environment));
  }
  TRY(const auto answer, take_in(paths, settings, from_root, wanted, environment));
  if (as_json) {
    print_json(describe_result(wanted, answer));
    return {};
  }
  for (const auto& [ca, certificate] : answer.cas)
    fmt::print("{:<12} {}, until {}\n", ca, certificate.serial().hex(), to_iso8601(certificate.validity().not_after));
  fmt::print("root         {}, {} trusted\nstart it again: sallyport up --state {}\n",
             codec::encode_fingerprint(answer.roots.front().fingerprint()), answer.roots.size(), paths.state.string());
  return {};
}

Json describe(const std::vector<OlderCaState>& older) {
  Json::Array out;
  for (const OlderCaState& ca : older) {
    Json::Object row{
        {"ca", ca.name.get()}, {"not_after", to_iso8601(ca.not_after)}, {"alive", ca.alive}, {"asleep", ca.asleep}};
    row["last_ends_at"] = ca.last_ends_at ? Json(to_iso8601(*ca.last_ends_at)) : Json();
    out.emplace_back(std::move(row));
  }
  return Json(Json::Object{{"older", std::move(out)}});
}

void print_older(const std::vector<OlderCaState>& older) {
  for (const OlderCaState& ca : older) {
    fmt::print("{}  until {}, {} alive below it{}\n", ca.name.get(), to_iso8601(ca.not_after), ca.alive,
               ca.last_ends_at ? ", the last until " + to_iso8601(*ca.last_ends_at) : "");
    if (ca.asleep > 0) fmt::print("  {} devices asleep, which could still renew under it\n", ca.asleep);
  }
}

Outcome ca_retire(const Arguments& arguments, Environment& environment) {
  const InstallationPaths paths{arguments.path("state")};
  auto folder = open_state(paths.state, kInstallationFormat);
  if (!folder) return std::unexpected(std::move(folder).error());
  TRY_VOID(check_no_rollover_is_open(paths));
  const std::string base = arguments.text("ca");
  TRY_VOID(wanted_of({base}));
  TRY(const auto database, store::open_record_database(paths.database()));
  const UnixTime now = environment.clock.now();
  TRY(auto older, list_older_states(*database, base, now));
  const bool as_json = arguments.flag("json");
  if (as_json && arguments.flag("preview")) print_json(describe(older));
  if (!as_json) print_older(older);
  if (arguments.flag("preview")) return {};
  const bool leaves_sleepers = arguments.flag("leave-sleepers");
  std::erase_if(older, [&](const OlderCaState& ca) { return ca.alive > 0 || (ca.asleep > 0 && !leaves_sleepers); });
  if (older.empty())
    return std::unexpected(Error{
        Errc::conflict,
        fmt::format("{}: found nothing that can be retired, want a replaced one with nothing alive or asleep below",
                    base)});
  if (!arguments.flag("yes")) TRY_VOID(confirm("Forget those with nothing alive below?"));
  TRY_VOID(retire_older(paths, *database, older, now));
  if (as_json) {
    print_json(describe(older));
    return {};
  }
  for (const OlderCaState& ca : older) fmt::print("retired {}\n", ca.name.get());
  return {};
}

}  // namespace

std::vector<Command> ca_rollover_commands() {
  const Option preview{.name = "preview", .value = "", .help = "show what would happen, and do nothing"};
  const Option yes{.name = "yes", .value = "", .help = "do not ask"};
  return {
      {.words = "ca rollover",
       .summary = "replace CAs by new ones, or take in a new root; the old ones stay valid. While nothing runs",
       .example = "sallyport ca rollover --ca online-ca --root /media/usb/root",
       .options =
           {state_option(),
            {.name = "ca",
             .value = "NAME",
             .help = "root, online-ca, server-ca, web-ca, people-ca, roles-ca or control-ca; what was interrupted "
                     "without it",
             .several = true},
            {.name = "root", .value = "DIR", .help = "the root's folder, when it is on this machine"},
            {.name = "root-passphrase-file", .value = "FILE", .help = "file of mode 0600 with the root's passphrase"},
            {.name = "from", .value = "DIR", .help = "the root's answer, when it lies elsewhere"},
            preview,
            yes,
            json_option()},
       .run = ca_rollover},
      {.words = "ca retire",
       .summary = "forget replaced CAs, or roots, below which nothing lives any more. While nothing runs",
       .example = "sallyport ca retire --ca online-ca",
       .options = {state_option(),
                   {.name = "ca", .value = "NAME", .help = "root, or a CA as for ca rollover", .required = true},
                   {.name = "leave-sleepers",
                    .value = "",
                    .help =
                        "also when devices with an ended certificate could still renew under it: they cannot any more"},
                   preview,
                   yes,
                   json_option()},
       .run = ca_retire},
  };
}

}  // namespace sallyport::cli
