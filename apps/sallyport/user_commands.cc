// sallyport user …: who may log in to the console.
#include <array>

#include "administration.h"
#include "commands.h"
#include "console/password.h"
#include "json_output.h"
#include "table.h"
#include "terminal.h"

namespace sallyport::cli {
namespace {

using codec::Json;

const Option kLogin{
    .name = "LOGIN", .value = "LOGIN", .help = "lower-case letters, digits, . _ @ + -", .required = true};
const Option kPasswordFile{
    .name = "password-file", .value = "FILE", .help = "file of mode 0600 with the password; asked for without it"};
constexpr std::array kUserColumns = {Column{"LOGIN", "login"}, Column{"ROLE", "role"}, Column{"TENANT", "tenant"},
                                     Column{"ENABLED", "enabled"}, Column{"CREATED", "created"}};

Result<std::string> read_password_hash(const Arguments& arguments, Random& random) {
  TRY(const auto password, read_passphrase(arguments.find("password-file"), "--password-file",
                                           fmt::format("Password of {}", arguments.text("LOGIN")), true));
  return console::hash_password(password.expose(), random);
}

Outcome user_list(const Arguments& arguments, Environment& environment) {
  CLI_TRY(const auto answer, administer(arguments.path("state"), "user.list", Json::Object{}, environment));
  if (arguments.flag("json")) {
    print_json(answer);
    return {};
  }
  TRY(const auto listed, answer.at("users"));
  TRY(const auto users, listed.array());
  print_table(users, kUserColumns);
  return {};
}

Outcome user_add(const Arguments& arguments, Environment& environment) {
  TRY(const auto hash, read_password_hash(arguments, environment.random));
  const Json::Object order{
      {"login", arguments.text("LOGIN")}, {"role", arguments.text("role")}, {"password_hash", hash}};
  CLI_TRY(const auto user, administer(arguments.path("state"), "user.add", order, environment));
  fmt::print("{} {} may log in\n", arguments.text("role"), arguments.text("LOGIN"));
  return {};
}

Outcome user_password(const Arguments& arguments, Environment& environment) {
  TRY(const auto hash, read_password_hash(arguments, environment.random));
  const Json::Object order{{"login", arguments.text("LOGIN")}, {"password_hash", hash}};
  CLI_TRY(const auto done, administer(arguments.path("state"), "user.set_password", order, environment));
  fmt::print("the password of {} is changed, and every session of theirs has ended\n", arguments.text("LOGIN"));
  return {};
}

Outcome user_disable(const Arguments& arguments, Environment& environment) {
  const Json::Object order{{"login", arguments.text("LOGIN")}};
  CLI_TRY(const auto done, administer(arguments.path("state"), "user.disable", order, environment));
  fmt::print("{} may not log in any more, and every session of theirs has ended\n", arguments.text("LOGIN"));
  return {};
}

Outcome user_enable(const Arguments& arguments, Environment& environment) {
  const Json::Object order{{"login", arguments.text("LOGIN")}};
  CLI_TRY(const auto done, administer(arguments.path("state"), "user.enable", order, environment));
  fmt::print("{} may log in again\n", arguments.text("LOGIN"));
  return {};
}

}  // namespace

std::vector<Command> user_commands() {
  return {
      {.words = "user list",
       .summary = "show who may log in",
       .example = "sallyport user list",
       .options = {state_option(), json_option()},
       .run = user_list},
      {.words = "user add",
       .summary = "add a person",
       .example = "sallyport user add mara --role operator",
       .options = {kLogin,
                   {.name = "role", .value = "ROLE", .help = "viewer, operator or owner", .fallback = "viewer"},
                   kPasswordFile,
                   state_option()},
       .run = user_add},
      {.words = "user password",
       .summary = "set a person's password and end their sessions",
       .example = "sallyport user password mara",
       .options = {kLogin, kPasswordFile, state_option()},
       .run = user_password},
      {.words = "user disable",
       .summary = "shut a person out and end their sessions",
       .example = "sallyport user disable mara",
       .options = {kLogin, state_option()},
       .run = user_disable},
      {.words = "user enable",
       .summary = "let a person who was disabled log in again",
       .example = "sallyport user enable mara",
       .options = {kLogin, state_option()},
       .run = user_enable},
  };
}

}  // namespace sallyport::cli
