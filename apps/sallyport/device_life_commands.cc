// sallyport device reopen|release|retire|unpause|freeze-on-alarm|renew: repair, resale, end, and what an owner wishes.
#include <charconv>

#include "administration.h"
#include "commands.h"
#include "devices.h"
#include "json_output.h"
#include "terminal.h"

namespace sallyport::cli {
namespace {

using codec::Json;

constexpr std::int64_t kSecondsPerHour = 3'600;

// Calls a method about the device that the arguments name, whether it ever connected or not, and prints it as it is
// then. `question` is asked first unless it is empty or --yes is given.
Outcome act_on_device(const Arguments& arguments, Environment& environment, std::string_view method,
                      Json::Object parameters, std::string_view question = {}, bool with_confirmation = false) {
  CLI_TRY(const auto device, find_device(arguments, environment));
  TRY(const auto serial_id, device.text_at("serial_id"));
  TRY(const auto site, device.text_at("site"));
  if (!question.empty() && !arguments.flag("yes"))
    TRY_VOID(confirm(fmt::format("{}/{}: {}", site, serial_id, question)));
  parameters["site"] = site;
  parameters["serial_id"] = serial_id;
  if (with_confirmation) parameters["confirm"] = serial_id;
  CLI_TRY(const auto after, administer(arguments.path("state"), method, std::move(parameters), environment));
  print_device(arguments, after);
  return {};
}

Outcome device_reopen(const Arguments& arguments, Environment& environment) {
  return act_on_device(arguments, environment, "device.reopen", {{"key", arguments.text("key")}},
                       "revoke its certificates, cut its sessions, and let it enrol anew with that key, unclaimed?");
}

Outcome device_release(const Arguments& arguments, Environment& environment) {
  return act_on_device(arguments, environment, "device.release", {},
                       "give the device up, so that whoever has its next claim code may claim it?", true);
}

Outcome device_retire(const Arguments& arguments, Environment& environment) {
  return act_on_device(arguments, environment, "device.retire", {},
                       "revoke all its certificates for good? It can never come back.", true);
}

Outcome device_unpause(const Arguments& arguments, Environment& environment) {
  return act_on_device(arguments, environment, "device.unpause", {});
}

Outcome device_freeze(const Arguments& arguments, Environment& environment) {
  const std::string wanted = arguments.text("SWITCH");
  if (wanted != "on" && wanted != "off") {
    return std::unexpected(Failure({Errc::malformed, fmt::format("freeze on alarm: found {}, want on or off", wanted)},
                                   ExitStatus::usage));
  }
  return act_on_device(arguments, environment, "device.freeze_on_alarm", {{"enabled", wanted == "on"}});
}

Outcome renewal_ask(const Arguments& arguments, Environment& environment, std::string_view scope, std::string name) {
  Json::Object order{{std::string(scope), std::move(name)}};
  if (const auto hours = arguments.find("within")) {
    std::int64_t number = 0;
    const auto [end, fault] = std::from_chars(hours->data(), hours->data() + hours->size(), number);
    if (fault != std::errc() || end != hours->data() + hours->size() || number < 1 || number > 1'440) {
      return std::unexpected(
          Failure({Errc::malformed, fmt::format("within: found {}, want 1 to 1440 hours", *hours)}, ExitStatus::usage));
    }
    order["within_s"] = number * kSecondsPerHour;
  }
  CLI_TRY(const auto answer, administer(arguments.path("state"), "renewal.ask", std::move(order), environment));
  if (arguments.flag("json")) {
    print_json(answer);
  } else {
    TRY(const auto within, answer.integer_at("within_s"));
    fmt::print("devices will renew within {} hours of their next question\n", within / kSecondsPerHour);
  }
  return {};
}

Outcome device_renew(const Arguments& arguments, Environment& environment) {
  const auto device = arguments.find("DEVICE");
  const auto site = arguments.find("site");
  const auto ca = arguments.find("ca");
  if (device.has_value() + site.has_value() + ca.has_value() != 1) {
    return std::unexpected(
        Failure({Errc::malformed, "device renew: want one of DEVICE, --site and --ca"}, ExitStatus::usage));
  }
  if (site) return renewal_ask(arguments, environment, "site", *site);
  if (ca) return renewal_ask(arguments, environment, "ca", *ca);
  return act_on_device(arguments, environment, "device.renew", {});
}

}  // namespace

std::vector<Command> device_life_commands() {
  const Option yes{.name = "yes", .value = "", .help = "do not ask"};
  Option any_device = device_argument();
  any_device.required = false;
  return {
      {.words = "device reopen",
       .summary = "let a repaired or reset device enrol with its new key; it is nobody's then",
       .example = "sallyport device reopen sp-0001 --key 3f9a00c1…",
       .options =
           {device_argument(),
            {.name = "key", .value = "FINGERPRINT", .help = "of its new key, as the device shows it", .required = true},
            yes,
            state_option(),
            json_option()},
       .run = device_reopen},
      {.words = "device release",
       .summary = "give a device up, for a new owner to claim",
       .example = "sallyport device release sp-0001",
       .options = {device_argument(), yes, state_option(), json_option()},
       .run = device_release},
      {.words = "device retire",
       .summary = "end a device for good",
       .example = "sallyport device retire sp-0001",
       .options = {device_argument(), yes, state_option(), json_option()},
       .run = device_retire},
      {.words = "device unpause",
       .summary = "answer a device again that failed to enrol too often",
       .example = "sallyport device unpause site-07/sp-0001",
       .options = {device_argument(), state_option(), json_option()},
       .run = device_unpause},
      {.words = "device freeze-on-alarm",
       .summary = "whether a clone alarm suspends the device (off, unless its owner wishes)",
       .example = "sallyport device freeze-on-alarm sp-0001 on",
       .options = {device_argument(),
                   {.name = "SWITCH", .value = "SWITCH", .help = "on or off", .required = true},
                   state_option(),
                   json_option()},
       .run = device_freeze},
      {.words = "device renew",
       .summary = "have devices renew their certificates before they would",
       .example = "sallyport device renew --ca online-ca --within 48",
       .options = {any_device,
                   {.name = "site", .value = "SITE", .help = "every device of that factory"},
                   {.name = "ca", .value = "CA", .help = "every certificate of online-ca or web-ca"},
                   {.name = "within", .value = "HOURS", .help = "spread over so many hours; 24 without it"},
                   state_option(),
                   json_option()},
       .run = device_renew},
  };
}

}  // namespace sallyport::cli
