// sallyport device …, sallyport session …: the operator's side of the fleet.
#include <array>

#include "administration.h"
#include "commands.h"
#include "devices.h"
#include "json_output.h"
#include "table.h"
#include "terminal.h"

namespace sallyport::cli {
namespace {

using codec::Json;

const Option kDevice = device_argument();

constexpr std::array kListColumns = {Column{"NAME", "name"},           Column{"SITE", "site"},
                                     Column{"SERIAL ID", "serial_id"}, Column{"STATE", "state"},
                                     Column{"ONLINE", "online"},       Column{"REMOTE", "remote_access"},
                                     Column{"LAST SEEN", "last_seen"}, Column{"ALIAS", "alias"}};
constexpr std::array kDeviceFields = {Column{"name", "name"},
                                      Column{"serial id", "serial_id"},
                                      Column{"site", "site"},
                                      Column{"alias", "alias"},
                                      Column{"state", "state"},
                                      Column{"online", "online"},
                                      Column{"last seen", "last_seen"},
                                      Column{"remote access", "remote_access"},
                                      Column{"device's switch", "device_switch"},
                                      Column{"services", "services"},
                                      Column{"round trip, ms", "rtt_ms"},
                                      Column{"certificate until", "certificate_expires"},
                                      Column{"agent", "agent_version"},
                                      Column{"source", "source"},
                                      Column{"live sessions", "live_sessions"},
                                      Column{"first connection", "connected_at"},
                                      Column{"claimed", "claimed_at"},
                                      Column{"alarms", "alarms"},
                                      Column{"freeze on alarm", "freeze_on_alarm"},
                                      Column{"enrolment failures", "enrolment_failures"}};
constexpr std::array kSessionColumns = {Column{"ID", "id"},
                                        Column{"LOGIN", "login"},
                                        Column{"SERIAL ID", "serial_id"},
                                        Column{"SERVICE", "service"},
                                        Column{"SOURCE", "source"},
                                        Column{"OPENED", "opened"},
                                        Column{"ENDED", "ended"},
                                        Column{"TO DEVICE", "bytes_to_device"},
                                        Column{"TO USER", "bytes_to_user"},
                                        Column{"END", "end_reason"}};

// Every device, page by page.
Try<Json::Array> all_devices(const Arguments& arguments, Environment& environment) {
  Json::Array out;
  Json after;
  do {
    CLI_TRY(const auto page,
            administer(arguments.path("state"), "device.list", Json::Object{{"after", after}}, environment));
    TRY(const auto listed, page.at("devices"));
    TRY(const auto devices, listed.array());
    out.insert(out.end(), devices.begin(), devices.end());
    TRY(after, page.at("next"));
  } while (!after.is_null());
  return out;
}

bool is_called(const Json& device, std::string_view text) {
  const auto name = device.text_at("name");
  const auto site = device.text_at("site");
  const auto serial_id = device.text_at("serial_id");
  if (!site || !serial_id) return false;
  return (name && *name == text) || *serial_id == text || *site + "/" + *serial_id == text;
}

}  // namespace

Try<Json> find_device(const Arguments& arguments, Environment& environment) {
  const std::string text = arguments.text("DEVICE");
  CLI_TRY(const auto devices, all_devices(arguments, environment));
  const Json* found = nullptr;
  for (const Json& device : devices) {
    if (!is_called(device, text)) continue;
    if (found != nullptr) {
      return std::unexpected(
          Failure({Errc::conflict, fmt::format("device {}: found at two sites, want SITE/{}", text, text)}));
    }
    found = &device;
  }
  if (found == nullptr)
    return std::unexpected(Failure({Errc::not_found, fmt::format("device {}: there is none", text)}));
  return *found;
}

void print_device(const Arguments& arguments, const Json& device) {
  if (arguments.flag("json")) {
    print_json(device);
  } else {
    print_fields(device, kDeviceFields);
  }
}

namespace {

// Its name, by which the authority knows it; a device that has not connected yet has none.
Try<std::string> find_name(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const auto device, find_device(arguments, environment));
  auto name = device.text_at("name");
  if (!name) {
    return std::unexpected(Failure({Errc::conflict, fmt::format("device {}: has never connected, so it has no name yet",
                                                                arguments.text("DEVICE"))}));
  }
  return *std::move(name);
}

// Calls a method of one device and prints the device as it is then.
Outcome act(const Arguments& arguments, Environment& environment, std::string_view method, Json::Object parameters) {
  CLI_TRY(const auto name, find_name(arguments, environment));
  parameters["name"] = name;
  CLI_TRY(const auto device, administer(arguments.path("state"), method, std::move(parameters), environment));
  print_device(arguments, device);
  return {};
}

Outcome device_list(const Arguments& arguments, Environment& environment) {
  CLI_TRY(auto devices, all_devices(arguments, environment));
  if (arguments.flag("json")) {
    print_json(Json(Json::Object{{"devices", std::move(devices)}}));
  } else {
    print_table(devices, kListColumns);
  }
  return {};
}

Outcome device_show(const Arguments& arguments, Environment& environment) {
  CLI_TRY(auto device, find_device(arguments, environment));
  if (arguments.flag("json")) {
    const auto name = device.text_at("name");
    if (name) {
      CLI_TRY(const auto answer,
              administer(arguments.path("state"), "device.certificates", Json::Object{{"name", *name}}, environment));
      TRY(const auto certificates, answer.at("certificates"));
      TRY(auto members, device.object());
      members.insert_or_assign("certificates", certificates);
      device = std::move(members);
    }
  }
  print_device(arguments, device);
  return {};
}

Outcome device_alias(const Arguments& arguments, Environment& environment) {
  return act(arguments, environment, "device.alias", {{"alias", arguments.text("ALIAS")}});
}

Outcome device_claim(const Arguments& arguments, Environment& environment) {
  Json::Object order{{"serial_id", arguments.text("SERIAL-ID")}, {"code", arguments.text("code")}};
  for (const char* name : {"alias", "site"}) {
    if (const auto given = arguments.find(name)) order[name] = *given;
  }
  CLI_TRY(const auto device, administer(arguments.path("state"), "device.claim", std::move(order), environment));
  print_device(arguments, device);
  return {};
}

Outcome device_remote_access(const Arguments& arguments, Environment& environment) {
  const std::string wanted = arguments.text("SWITCH");
  if (wanted != "on" && wanted != "off") {
    return std::unexpected(
        Failure({Errc::malformed, fmt::format("remote access: found {}, want on or off", wanted)}, ExitStatus::usage));
  }
  return act(arguments, environment, "device.remote_access", {{"enabled", wanted == "on"}});
}

Outcome device_suspend(const Arguments& arguments, Environment& environment) {
  return act(arguments, environment, "device.suspend", {});
}

Outcome device_resume(const Arguments& arguments, Environment& environment) {
  return act(arguments, environment, "device.resume", {});
}

Outcome device_revoke(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const auto device, find_device(arguments, environment));
  TRY(const auto serial_id, device.text_at("serial_id"));
  CLI_TRY(const auto name, find_name(arguments, environment));
  if (!arguments.flag("yes")) {
    CLI_TRY(const auto preview, administer(arguments.path("state"), "device.revocation_preview",
                                           Json::Object{{"name", name}}, environment));
    TRY(const auto certificates, preview.integer_at("certificates"));
    TRY(const auto sessions, preview.integer_at("live_sessions"));
    TRY_VOID(confirm(
        fmt::format("Revoke {}: {} certificates, cutting {} live sessions?", serial_id, certificates, sessions)));
  }
  CLI_TRY(const auto revoked, administer(arguments.path("state"), "device.revoke",
                                         Json::Object{{"name", name}, {"confirm", serial_id}}, environment));
  print_device(arguments, revoked);
  return {};
}

Outcome print_sessions(const Arguments& arguments, const Json& answer) {
  if (arguments.flag("json")) {
    print_json(answer);
    return {};
  }
  TRY(const auto listed, answer.at("sessions"));
  TRY(const auto sessions, listed.array());
  print_table(sessions, kSessionColumns);
  return {};
}

Outcome device_sessions(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const auto name, find_name(arguments, environment));
  CLI_TRY(const auto answer,
          administer(arguments.path("state"), "device.sessions", Json::Object{{"name", name}}, environment));
  return print_sessions(arguments, answer);
}

Outcome session_list(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const auto answer, administer(arguments.path("state"), "session.list", Json::Object{}, environment));
  return print_sessions(arguments, answer);
}

Outcome session_end(const Arguments& arguments, Environment& environment) {
  const auto id = arguments.text("ID");
  CLI_TRY(const auto answer, administer(arguments.path("state"), "session.end", Json::Object{{"id", id}}, environment));
  fmt::print("session {} has ended\n", id);
  return {};
}

}  // namespace

std::vector<Command> device_commands() {
  return {
      {.words = "device list",
       .summary = "show every device",
       .example = "sallyport device list",
       .options = {state_option(), json_option()},
       .run = device_list},
      {.words = "device show",
       .summary = "show one device; with --json its certificates too",
       .example = "sallyport device show sp-0001 --json",
       .options = {kDevice, state_option(), json_option()},
       .run = device_show},
      {.words = "device alias",
       .summary = "give a device a name for people",
       .example = "sallyport device alias sp-0001 \"Press line 4\"",
       .options = {kDevice,
                   {.name = "ALIAS", .value = "ALIAS", .help = "at most 120 bytes", .required = true},
                   state_option(),
                   json_option()},
       .run = device_alias},
      {.words = "device claim",
       .summary = "make a connected device ours, by the code that it shows",
       .example = "sallyport device claim sp-0001 --code k7qm-2pxr-9tab-4wnc",
       .options = {{.name = "SERIAL-ID", .value = "SERIAL-ID", .help = "as on its label", .required = true},
                   {.name = "code", .value = "CODE", .help = "as the device shows it", .required = true},
                   {.name = "alias", .value = "ALIAS", .help = "a name for people"},
                   {.name = "site", .value = "SITE", .help = "where two sites have the same serial id"},
                   state_option(),
                   json_option()},
       .run = device_claim},
      {.words = "device remote-access",
       .summary = "switch remote access to a device on or off",
       .example = "sallyport device remote-access sp-0001 on",
       .options = {kDevice,
                   {.name = "SWITCH", .value = "SWITCH", .help = "on or off", .required = true},
                   state_option(),
                   json_option()},
       .run = device_remote_access},
      {.words = "device suspend",
       .summary = "cut a device off until it is resumed",
       .example = "sallyport device suspend sp-0001",
       .options = {kDevice, state_option(), json_option()},
       .run = device_suspend},
      {.words = "device resume",
       .summary = "let a suspended device in again",
       .example = "sallyport device resume sp-0001",
       .options = {kDevice, state_option(), json_option()},
       .run = device_resume},
      {.words = "device revoke",
       .summary = "revoke all certificates of a device and cut it off",
       .example = "sallyport device revoke sp-0001",
       .options = {kDevice, {.name = "yes", .value = "", .help = "do not ask"}, state_option(), json_option()},
       .run = device_revoke},
      {.words = "device sessions",
       .summary = "show who used a device, newest first",
       .example = "sallyport device sessions sp-0001",
       .options = {kDevice, state_option(), json_option()},
       .run = device_sessions},
      {.words = "session list",
       .summary = "show the live sessions of all devices",
       .example = "sallyport session list",
       .options = {state_option(), json_option()},
       .run = session_list},
      {.words = "session end",
       .summary = "end a live session",
       .example = "sallyport session end 5f0c3a51d1f44c5c8a3b9b0e2c6d7f10",
       .options = {{.name = "ID", .value = "ID", .help = "as 'sallyport session list' shows it", .required = true},
                   state_option()},
       .run = session_end},
  };
}

}  // namespace sallyport::cli
