// sallyport site disable|enable|revoke: what will happen, a question, then the act.
#include "administration.h"
#include "base/names.h"
#include "commands.h"
#include "json_output.h"
#include "table.h"
#include "terminal.h"

namespace sallyport::cli {
namespace {

using codec::Json;

const Option kSiteName{.name = "NAME", .value = "NAME", .help = "the factory's name", .required = true};
const Option kYes{.name = "yes", .value = "", .help = "do not ask"};
const Option kPreview{.name = "preview", .value = "", .help = "show what would happen, and do nothing"};
constexpr std::uint64_t kMaxEntry = 100'000'000;

Result<std::int64_t> count_of(const Json& plan, std::string_view of, std::string_view what) {
  TRY(const auto group, plan.at(of));
  return group.integer_at(what);
}

// What the change does, a line each.
Result<std::string> tell(const Json& plan) {
  TRY(const auto site, plan.text_at("site"));
  TRY(const auto from, plan.text_at("from"));
  TRY(const auto to, plan.text_at("to"));
  TRY(const auto kept, count_of(plan, "devices", "kept"));
  TRY(const auto cut, count_of(plan, "devices", "cut"));
  TRY(const auto online, count_of(plan, "devices", "cut_online"));
  TRY(const auto may_enrol, count_of(plan, "devices", "may_enrol"));
  TRY(const auto barred, count_of(plan, "devices", "barred"));
  TRY(const auto of_devices, count_of(plan, "certificates", "device"));
  TRY(const auto of_factory, count_of(plan, "certificates", "factory"));
  TRY(const auto sessions, plan.integer_at("live_sessions"));
  std::string out = fmt::format("site {}: {} -> {}\n", site, from, to);
  out += fmt::format("  devices in the field        {} stay, {} are cut off ({} online now)\n", kept, cut, online);
  out += fmt::format("  devices on the shelf        {} may enrol, {} may not\n", may_enrol, barred);
  out += fmt::format("  certificates to be revoked  {} of devices, {} of the factory\n", of_devices, of_factory);
  out += fmt::format("  live sessions to be cut     {}\n", sessions);
  TRY(const auto listed, plan.at("sessions"));
  TRY(const auto shown_sessions, listed.array());
  for (const Json& session : shown_sessions) {
    TRY(const auto login, session.text_at("login"));
    TRY(const auto device, session.text_at("device"));
    TRY(const auto service, session.text_at("service"));
    out += fmt::format("    {} on {} of {}\n", shown(Json(login)), service, device);
  }
  return out;
}

// Shows, asks and acts.
Outcome change_site(const Arguments& arguments, Environment& environment, std::string_view method, Json::Object order) {
  const std::string site = arguments.text("NAME");
  if (const auto name = parse_site_name(site); !name) return std::unexpected(name.error());
  order.emplace("name", site);
  const bool is_preview = arguments.flag("preview");
  const auto print = [as_json = arguments.flag("json")](const Json& answer, const std::string& told) {
    if (as_json) return print_json(answer);
    fmt::print("{}", told);
  };
  if (is_preview || !arguments.flag("yes")) {
    Json::Object question = order;
    question.emplace("dry_run", true);
    CLI_TRY(const auto plan, administer(arguments.path("state"), method, std::move(question), environment));
    TRY(const auto told, tell(plan));
    if (is_preview) {
      print(plan, told);
      return {};
    }
    fmt::print(stderr, "{}", told);
    TRY_VOID(confirm(fmt::format("Change site {}?", site)));
  }
  order.emplace("confirm", site);
  CLI_TRY(const auto done, administer(arguments.path("state"), method, std::move(order), environment));
  TRY(const auto told, tell(done));
  print(done, told);
  return {};
}

Outcome site_disable(const Arguments& arguments, Environment& environment) {
  return change_site(arguments, environment, "site.disable", {});
}

Outcome site_enable(const Arguments& arguments, Environment& environment) {
  return change_site(arguments, environment, "site.enable", {});
}

Outcome site_revoke(const Arguments& arguments, Environment& environment) {
  Json::Object order;
  TRY(const auto entry, arguments.find_number("except-ledgered-until", 1, kMaxEntry));
  if (entry) order.emplace("except_until", *entry);
  return change_site(arguments, environment, "site.revoke", std::move(order));
}

}  // namespace

std::vector<Command> site_state_commands() {
  return {
      {.words = "site disable",
       .summary = "let no device of a factory enrol that has never connected; undone by 'site enable'",
       .example = "sallyport site disable acme",
       .options = {kSiteName, kPreview, kYes, state_option(), json_option()},
       .run = site_disable},
      {.words = "site enable",
       .summary = "let devices of a disabled factory enrol again",
       .example = "sallyport site enable acme",
       .options = {kSiteName, kPreview, kYes, state_option(), json_option()},
       .run = site_enable},
      {.words = "site revoke",
       .summary = "revoke a factory for good: its devices are cut off, except those that are kept",
       .example = "sallyport site revoke acme --except-ledgered-until 4711 --preview",
       .options = {kSiteName,
                   {.name = "except-ledgered-until",
                    .value = "K",
                    .help = "keep the devices of ledger entries 1 to K, on the shelf too"},
                   kPreview,
                   kYes,
                   state_option(),
                   json_option()},
       .run = site_revoke},
  };
}

}  // namespace sallyport::cli
