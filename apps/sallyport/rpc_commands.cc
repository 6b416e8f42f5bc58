// sallyport rpc …: sealed calls of nodes through brokers that are not trusted.
#include <array>
#include <cstdio>

#include "codec/json_text.h"
#include "commands.h"
#include "json_output.h"
#include "rpc_caller.h"
#include "rpc_eva.h"
#include "rpc_https.h"
#include "rpc_listen.h"
#include "rpcnode/node_keys.h"
#include "sealed/overheard.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;

std::unexpected<Failure> usage(std::string sentence) {
  return std::unexpected(Failure({Errc::malformed, std::move(sentence)}, ExitStatus::usage));
}

void show_progress(const std::string& json) {
  fmt::print(stderr, "{}\n", codec::for_terminal(json));
}

rpcnode::CallChoices choices_of(const Arguments& arguments, milliseconds timeout) {
  return {.timeout = timeout,
          .idempotent = arguments.flag("idempotent"),
          .stored = arguments.flag("stored"),
          .fail_on_disconnect = false,
          .on_progress = show_progress};
}

// The command's end by the response to one request.
Outcome outcome_of(const std::string& text, const Json& id, const Arguments& arguments, std::string_view method) {
  TRY(const auto outcome, sealed::parse_rpc_response(text, id));
  if (arguments.flag("json")) fmt::print("{}\n", codec::for_terminal(text));
  if (!outcome.error) {
    if (!arguments.flag("json")) print_json(*outcome.result);
    return {};
  }
  const auto code = outcome.error->code;
  Error error{code == sealed::RpcCode::forbidden ? Errc::unauthorized : Errc::internal,
              fmt::format("{}: {} ({})", method, shown(outcome.error->message), static_cast<int>(code))};
  if (!outcome.error_data.is_null()) error.detail += ": " + codec::for_terminal(outcome.error_data.write());
  return std::unexpected(
      Failure(std::move(error), code == sealed::RpcCode::forbidden ? ExitStatus::refused : ExitStatus::failed));
}

Result<Json> read_params(const Arguments& arguments) {
  const auto text = arguments.find("PARAMS");
  if (!text) return Json(nullptr);
  TRY(Json params, codec::parse_json(*text));
  if (!params.is_object() && !params.array()) return fail(Errc::malformed, "want an object or an array");
  return params;
}

Result<sealed::CallId> read_call_id(const Arguments& arguments, Environment& environment, std::string_view option) {
  if (const auto text = arguments.find(option)) return sealed::parse_call_id(*text);
  return sealed::draw_call_id(environment.clock.now(), environment.random);
}

Try<sealed::ReplyBody> send(RpcTarget target, const sealed::CallId& id, const std::string& text,
                            const rpcnode::CallChoices& choices, Environment& environment, WireWitness witness = {}) {
  if (target.https) return call_over_https(target, id, text, environment);
  CLI_TRY(const auto caller, RpcCaller::open(std::move(target), environment, std::move(witness)));
  return caller->run([&](rpcnode::CallerTask& task) { return task.send(id, text, choices); });
}

// The response to a call. Of one that is repeated, an earlier sending may have run, whatever became of this one.
Result<std::string> said_in(const sealed::ReplyBody& reply, bool is_repeated) {
  const bool is_late = reply.status == sealed::ReplyStatus::expired;
  if (!is_repeated || (!is_late && reply.status != sealed::ReplyStatus::overloaded)) return rpcnode::done_text(reply);
  return failf(is_late ? Errc::expired : Errc::overloaded,
               "call: {}; whether it ran when it was sent before is not known",
               is_late ? "this sending came after its deadline" : "the node has too much to do");
}

Outcome print_accepted(const sealed::CallId& id, const Arguments& arguments) {
  const std::string text = sealed::to_text(id);
  if (arguments.flag("json")) {
    print_json(Json(Json::Object{{"call", text}, {"status", "accepted"}}));
  } else {
    fmt::print("accepted as call {0}; `sallyport rpc result {1} {0} …` tells what came of it\n", text,
               arguments.text("NODE"));
  }
  return {};
}

Outcome call_with(const Arguments& arguments, Environment& environment, WireWitness witness) {
  const std::string method = arguments.text("METHOD");
  auto params = read_params(arguments);
  if (!params) return usage("PARAMS: " + params.error().detail);
  auto id = read_call_id(arguments, environment, "id");
  if (!id) return usage("--id: " + id.error().detail);
  CLI_TRY(auto target, read_rpc_target(arguments));
  const rpcnode::CallChoices choices = choices_of(arguments, target.timeout);
  const Json json_id(sealed::to_text(*id));
  // Whoever interrupts the wait needs it.
  if (arguments.flag("stored"))
    fmt::print(stderr, "call {}, until {} from now\n", sealed::to_text(*id), arguments.text("timeout"));
  auto reply = send(std::move(target), *id, sealed::rpc_request(json_id, method, *params), choices, environment,
                    std::move(witness));
  if (!reply) {
    if (arguments.find("id") && reply.error().error.code == Errc::overloaded)
      reply.error().error.detail += "; whether it ran when it was sent before is not known";
    reply.error().error.detail += fmt::format(" (call {})", sealed::to_text(*id));
    return std::unexpected(std::move(reply).error());
  }
  if (reply->status == sealed::ReplyStatus::accepted && arguments.flag("stored")) return print_accepted(*id, arguments);
  auto done = said_in(*reply, arguments.find("id").has_value());
  if (!done) return std::unexpected(Failure(std::move(done).error().at(sealed::to_text(*id))));
  return outcome_of(*done, json_id, arguments, method);
}

Outcome rpc_call(const Arguments& arguments, Environment& environment) {
  if (arguments.find("eva")) return eva_call(arguments, environment);
  return call_with(arguments, environment, {});
}

// What a broker sees of one call, line by line; without one, of everybody's.
Outcome rpc_trace(const Arguments& arguments, Environment& environment) {
  if (!arguments.find("METHOD")) return rpc_listen(arguments, environment);
  const Instant began = environment.clock.monotonic();
  const auto witness = [&](bool sent, const std::string& topic, const Bytes& payload) {
    const auto at = std::chrono::duration<double, std::milli>(environment.clock.monotonic() - began).count();
    const auto heard = sealed::overhear(payload);
    fmt::print(stderr, "{:9.1f} ms  {}  {:<9} {:>6} bytes  {}\n", at, sent ? "->" : "<-",
               heard ? to_string(heard->type) : "unknown", payload.size(), topic);
  };
  return call_with(arguments, environment, witness);
}

Outcome rpc_result(const Arguments& arguments, Environment& environment) {
  auto id = sealed::parse_call_id(arguments.text("CALL"));
  if (!id) return usage("CALL: " + id.error().detail);
  CLI_TRY(auto target, read_rpc_target(arguments));
  if (target.https) return usage("--https: a repeated call (--id) brings its result there");
  const milliseconds timeout = target.timeout;
  CLI_TRY(const auto caller, RpcCaller::open(std::move(target), environment));
  CLI_TRY(const auto reply, caller->run([&](rpcnode::CallerTask& task) { return task.ask_result(*id, timeout); }));
  TRY(const std::string text, rpcnode::done_text(reply));
  return outcome_of(text, Json(sealed::to_text(*id)), arguments, "call");
}

// Calls a built-in method and returns its result. A change is repeated under the id that --call names.
Try<Json> call_built_in(const Arguments& arguments, Environment& environment, std::string_view method, Json params,
                        bool is_change = true) {
  CLI_TRY(auto target, read_rpc_target(arguments));
  const rpcnode::CallChoices choices{.timeout = target.timeout};
  Result<sealed::CallId> id = sealed::draw_call_id(environment.clock.now(), environment.random);
  if (is_change) id = read_call_id(arguments, environment, "call");
  if (!id) return usage("--call: " + id.error().detail);
  const Json json_id(sealed::to_text(*id));
  const auto named = [&](Failure failure) {
    if (!is_change) return std::unexpected(std::move(failure));
    failure.error.detail +=
        fmt::format(" (call {0}; with --call {0} it is done once, whatever was lost)", sealed::to_text(*id));
    return std::unexpected(std::move(failure));
  };
  auto reply = send(std::move(target), *id, sealed::rpc_request(json_id, method, params), choices, environment);
  if (!reply) return named(std::move(reply).error());
  auto done = said_in(*reply, is_change && arguments.find("call").has_value());
  if (!done) return named(std::move(done).error());
  TRY(auto outcome, sealed::parse_rpc_response(*done, json_id));
  if (!outcome.error) return *std::move(outcome.result);
  const bool denied = outcome.error->code == sealed::RpcCode::forbidden;
  return std::unexpected(Failure({Errc::unauthorized, fmt::format("{}: {}", method, shown(outcome.error->message))},
                                 denied ? ExitStatus::refused : ExitStatus::failed));
}

Outcome rpc_keys_list(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const Json keys, call_built_in(arguments, environment, "keys.list", nullptr, false));
  if (arguments.flag("json")) {
    print_json(keys);
    return {};
  }
  static constexpr std::array<Column, 8> kColumns{{{"ID", "id"},
                                                   {"ALLOW", "allow"},
                                                   {"DENY", "deny"},
                                                   {"ITEMS", "items"},
                                                   {"A MINUTE", "calls_per_minute"},
                                                   {"MADE", "made"},
                                                   {"EXPIRES", "expires"},
                                                   {"COMMENT", "comment"}}};
  TRY(const auto rows, keys.array());
  print_table(rows, kColumns);
  return {};
}

Json texts_of(const Arguments& arguments, std::string_view name) {
  Json::Array out;
  for (const std::string& text : arguments.list(name)) out.emplace_back(text);
  return out;
}

Outcome print_made_key(const Try<Json>& result, const Arguments& arguments) {
  if (!result) return std::unexpected(result.error());
  TRY(const std::string key, result->text_at("key"));
  if (arguments.flag("json")) {
    print_json(*result);
  } else {
    fmt::print("{}\n", key);
  }
  return {};
}

Outcome rpc_keys_add(const Arguments& arguments, Environment& environment) {
  Json::Object params{{"id", arguments.text("ID")},
                      {"allow", texts_of(arguments, "allow")},
                      {"deny", texts_of(arguments, "deny")},
                      {"items", texts_of(arguments, "items")},
                      {"deny_items", texts_of(arguments, "deny-items")}};
  if (const auto comment = arguments.find("comment")) params["comment"] = *comment;
  TRY(const auto rate, arguments.find_number("calls-per-minute", 1, rpcnode::kMaxCallsPerMinute));
  if (rate) params["calls_per_minute"] = *rate;
  TRY(const auto days, arguments.find_number("days", 1, 36'500));
  if (days) params["expires"] = to_iso8601(environment.clock.now() + static_cast<std::int64_t>(*days) * kDay);
  return print_made_key(call_built_in(arguments, environment, "keys.add", std::move(params)), arguments);
}

Outcome rpc_keys_rotate(const Arguments& arguments, Environment& environment) {
  TRY(const auto hours, arguments.number("overlap-hours", 0, 90 * 24));
  return print_made_key(
      call_built_in(arguments, environment, "keys.rotate",
                    Json::Object{{"id", arguments.text("ID")}, {"overlap_s", std::uint64_t{hours * 3'600}}}),
      arguments);
}

Outcome rpc_keys_remove(const Arguments& arguments, Environment& environment) {
  CLI_TRY_VOID(call_built_in(arguments, environment, "keys.remove", Json::Object{{"id", arguments.text("ID")}}));
  fmt::print("key '{}' is removed\n", arguments.text("ID"));
  return {};
}

Outcome rpc_pair(const Arguments& arguments, Environment& environment) {
  const auto id = arguments.find("id");
  const auto who = arguments.find("who");
  if (id.has_value() == who.has_value()) return usage("want one of --id and --who");
  const std::string key(id ? "id" : "who");
  auto told = call_built_in(arguments, environment, rpcnode::kPairMethod, Json::Object{{key, id ? *id : *who}});
  if (id || !told) return print_made_key(told, arguments);
  fmt::print("{} is let in, from the next second on\n", *who);
  return {};
}

std::vector<Option> with(std::vector<Option> more) {
  std::vector<Option> out = rpc_target_options();
  out.insert(out.begin() + 1, more.begin(), more.end());
  out.push_back(json_option());
  return out;
}

std::vector<Option> call_options() {
  return with({{.name = "METHOD", .value = "METHOD", .help = "what to call", .required = true},
               {.name = "PARAMS", .value = "JSON", .help = "an object or an array"},
               {.name = "idempotent",
                .value = "",
                .help = "it may run in the first message, without a round trip before, where the node says so too"},
               {.name = "stored",
                .value = "",
                .help = "it may lie at the broker until the timeout; `sallyport rpc result` asks for what came of it"},
               {.name = "id", .value = "CALL", .help = "repeat this call: it runs once, whatever was lost"}});
}

std::vector<Option> with_eva(std::vector<Option> options) {
  const auto more = eva_key_options();
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

// Of a call of one's own, or with neither method nor even node of what others say.
std::vector<Option> trace_options() {
  std::vector<Option> out = call_options();
  for (Option& option : out) {
    if (option.name == "METHOD")
      option.help = "what to call; without it nothing is called, and what others say is shown";
    if (option.is_positional()) option.required = false;
  }
  out.push_back({.name = "topic",
                 .value = "FILTER",
                 .help = "without METHOD: what to listen to; the topics of sealed calls without it; once for each",
                 .several = true});
  out.push_back({.name = "once", .value = "", .help = "without METHOD: end after --timeout; until Ctrl-C without it"});
  return out;
}

Option call_option() {
  return {.name = "call", .value = "CALL", .help = "repeat the call of this id: it is done once, whatever was lost"};
}

Option key_id_option() {
  return {.name = "ID", .value = "ID", .help = "the key's id", .required = true};
}

std::vector<Option> key_add_options() {
  return with({key_id_option(),
               call_option(),
               {.name = "allow", .value = "METHOD", .help = "with * for any text; once for each", .several = true},
               {.name = "deny", .value = "METHOD", .help = "stays forbidden; once for each", .several = true},
               {.name = "items", .value = "ITEM", .help = "that calls may name; any without it", .several = true},
               {.name = "deny-items", .value = "ITEM", .help = "that they may not", .several = true},
               {.name = "calls-per-minute", .value = "N", .help = "how many calls it may make; 600 without it"},
               {.name = "days", .value = "N", .help = "after which it ends"},
               {.name = "comment", .value = "TEXT", .help = "for people"}});
}

}  // namespace

std::vector<Command> rpc_commands() {
  return {
      {.words = "rpc call",
       .summary = "call a method of a node and print its result",
       .example =
           "sallyport rpc call pump-0001 pump.start '{\"speed\": 3}' --broker mqtts://broker.example --ca ca.pem "
           "--key-file plant-a.key",
       .options = with_eva(call_options()),
       .run = rpc_call},
      {.words = "rpc trace",
       .summary = "show what passes as the broker sees it: of one call, or without a method of everybody's",
       .example = "sallyport rpc trace pump-0001 --broker mqtt://127.0.0.1",
       .options = trace_options(),
       .run = rpc_trace},
      {.words = "rpc result",
       .summary = "ask what came of a stored call",
       .example = "sallyport rpc result pump-0001 0190b1c2-7a5e-7c3d-8f00-112233445566 --broker mqtt://127.0.0.1 "
                  "--key-file plant-a.key",
       .options = with({{.name = "CALL", .value = "CALL", .help = "the call's id", .required = true}}),
       .run = rpc_result},
      {.words = "rpc key-list",
       .summary = "list the API keys of a node",
       .example = "sallyport rpc key-list pump-0001 --broker mqtt://127.0.0.1 --key-file admin.key",
       .options = with({}),
       .run = rpc_keys_list},
      {.words = "rpc key-add",
       .summary = "make an API key at a node and print it once",
       .example = "sallyport rpc key-add pump-0001 plant-b --allow 'pump.*' --broker mqtt://127.0.0.1 --key-file "
                  "admin.key",
       .options = key_add_options(),
       .run = rpc_keys_add},
      {.words = "rpc key-rotate",
       .summary = "make a new secret for a key at a node and print it once",
       .example = "sallyport rpc key-rotate pump-0001 plant-b --overlap-hours 24 --broker mqtt://127.0.0.1 --key-file "
                  "admin.key",
       .options = with({key_id_option(),
                        call_option(),
                        {.name = "overlap-hours",
                         .value = "HOURS",
                         .help = "how long the secret before stays good",
                         .fallback = "24"}}),
       .run = rpc_keys_rotate},
      {.words = "rpc key-remove",
       .summary = "remove an API key at a node and end its sessions",
       .example = "sallyport rpc key-remove pump-0001 plant-b --broker mqtt://127.0.0.1 --key-file admin.key",
       .options = with({key_id_option(), call_option()}),
       .run = rpc_keys_remove},
      {.words = "rpc pair",
       .summary = "be let in at a node whose pairing is open: get a key of one's own, or have a certificate known",
       .example = "sallyport rpc pair pump-0001 --id plant-a --broker mqtt://127.0.0.1 --key-file default.key",
       .options = with({{.name = "id", .value = "ID", .help = "of the key that is made and printed once"},
                        {.name = "who",
                         .value = "WHO",
                         .help = "device:NAME or person:LOGIN, whose certificate is let in from now on"},
                        call_option()}),
       .run = rpc_pair}};
}

}  // namespace sallyport::cli
