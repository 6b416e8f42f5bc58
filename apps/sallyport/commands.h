// Every command group of the program, each in a file of its own.
#pragma once

#include <vector>

#include "command.h"

namespace sallyport::cli {

std::vector<Command> init_commands();     // init_command.cc
std::vector<Command> serve_commands();    // serve_commands.cc
std::vector<Command> role_commands();     // serve_roles.cc
std::vector<Command> relay_commands();    // serve_relay.cc
std::vector<Command> up_commands();       // up_command.cc
std::vector<Command> root_commands();     // root_commands.cc
std::vector<Command> site_commands();     // site_commands.cc
std::vector<Command> factory_commands();  // factory_commands.cc

// The words that have commands below them.
inline std::vector<Group> all_groups() {
  return {{.word = "root", .summary = "the offline root: sign CAs, revoke them, sign its CRL"},
          {.word = "site", .summary = "factories: permits and ledgers"},
          {.word = "factory", .summary = "a factory station without a network: issue device certificates"},
          {.word = "serve", .summary = "run one role of the installation"}};
}

}  // namespace sallyport::cli
