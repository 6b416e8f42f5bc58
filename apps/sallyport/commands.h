// Every command group of the program, each in a file of its own.
#pragma once

#include <vector>

#include "command.h"

namespace sallyport::cli {

std::vector<Command> init_commands();            // init_command.cc
std::vector<Command> serve_commands();           // serve_commands.cc
std::vector<Command> role_commands();            // serve_roles.cc
std::vector<Command> caller_commands();          // serve_caller.cc
std::vector<Command> edge_commands();            // serve_edge.cc
std::vector<Command> relay_commands();           // serve_relay.cc
std::vector<Command> up_commands();              // up_command.cc
std::vector<Command> root_commands();            // root_commands.cc
std::vector<Command> root_order_commands();      // root_order_command.cc
std::vector<Command> status_commands();          // status_commands.cc
std::vector<Command> site_commands();            // site_commands.cc
std::vector<Command> site_state_commands();      // site_state_commands.cc
std::vector<Command> ca_commands();              // ca_commands.cc
std::vector<Command> ca_rollover_commands();     // ca_rollover_commands.cc
std::vector<Command> factory_export_commands();  // factory_export_command.cc
std::vector<Command> factory_issue_commands();   // factory_issue_command.cc
std::vector<Command> factory_commands();         // factory_commands.cc
std::vector<Command> white_list_commands();      // white_list_commands.cc
std::vector<Command> device_commands();          // device_commands.cc
std::vector<Command> device_life_commands();     // device_life_commands.cc
std::vector<Command> connect_commands();         // connect_command.cc
std::vector<Command> ssh_commands();             // ssh_command.cc
std::vector<Command> user_commands();            // user_commands.cc
std::vector<Command> audit_commands();           // audit_commands.cc
std::vector<Command> log_commands();             // log_commands.cc
std::vector<Command> trust_commands();           // trust_commands.cc
std::vector<Command> doctor_commands();          // doctor_command.cc
std::vector<Command> cert_commands();            // cert_commands.cc
std::vector<Command> certificate_commands();     // certificate_commands.cc
std::vector<Command> expiry_commands();          // expiry_commands.cc
std::vector<Command> export_commands();          // export_commands.cc
std::vector<Command> openvpn_commands();         // openvpn_commands.cc
std::vector<Command> ocsp_commands();            // ocsp_commands.cc
std::vector<Command> crl_commands();             // crl_commands.cc
std::vector<Command> backup_commands();          // backup_command.cc
std::vector<Command> restore_commands();         // restore_command.cc
std::vector<Command> restart_commands();         // restart_command.cc
std::vector<Command> rpc_commands();             // rpc_commands.cc
std::vector<Command> rpc_login_commands();       // rpc_login_command.cc
std::vector<Command> rpc_nodes_commands();       // rpc_nodes_command.cc
std::vector<Command> rpc_watch_commands();       // rpc_watch_command.cc

// The words that have commands below them.
inline std::vector<Group> all_groups() {
  return {{.word = "root", .summary = "the offline root: sign CAs, revoke them, sign its CRL"},
          {.word = "site", .summary = "factories: permits, ledgers and states"},
          {.word = "ca", .summary = "the tree of CAs"},
          {.word = "factory", .summary = "a factory station without a network: issue device certificates"},
          {.word = "device", .summary = "the fleet: claim, switch, suspend, revoke"},
          {.word = "session", .summary = "who is using which device now"},
          {.word = "user", .summary = "who may log in"},
          {.word = "cert", .summary = "judge, show and watch certificates"},
          {.word = "certificate", .summary = "revoke what is not a device"},
          {.word = "ocsp", .summary = "the status service: ask it about a certificate, see how it is"},
          {.word = "crl", .summary = "revocation lists: what is in them, take them out"},
          {.word = "audit", .summary = "what was done, and that it is unaltered"},
          {.word = "log", .summary = "the transparency log: verify, audit, watch, export"},
          {.word = "trust", .summary = "browsers of this machine accept the console and the devices"},
          {.word = "status", .summary = "hand orders of the root to the status service"},
          {.word = "export", .summary = "what other programs need to work with this PKI"},
          {.word = "openvpn", .summary = "what OpenVPN asks"},
          {.word = "rpc", .summary = "call devices through brokers that are not trusted"},
          {.word = "restart", .summary = "replace what runs by what is installed"},
          {.word = "serve", .summary = "run one role of the installation"}};
}

}  // namespace sallyport::cli
