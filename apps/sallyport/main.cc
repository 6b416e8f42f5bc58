// The operator's command line and every server role. Ties the commands to the operating system's clock and randomness.
#include <csignal>
#include <iterator>

#include "command.h"
#include "commands.h"
#include "crypto/system_random.h"

int main(int argc, char** argv) {
  using namespace sallyport;
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  const SystemClock clock;
  crypto::SystemRandom random;
  cli::Environment environment{.clock = clock, .random = random};

  std::vector<cli::Command> commands;
  for (auto* group : {&cli::init_commands,
                      &cli::up_commands,
                      &cli::serve_commands,
                      &cli::role_commands,
                      &cli::relay_commands,
                      &cli::root_commands,
                      &cli::site_commands,
                      &cli::site_state_commands,
                      &cli::ca_commands,
                      &cli::ca_rollover_commands,
                      &cli::white_list_commands,
                      &cli::factory_commands,
                      &cli::factory_issue_commands,
                      &cli::factory_export_commands,
                      &cli::device_commands,
                      &cli::device_life_commands,
                      &cli::connect_commands,
                      &cli::ssh_commands,
                      &cli::rpc_commands,
                      &cli::rpc_login_commands,
                      &cli::rpc_nodes_commands,
                      &cli::rpc_watch_commands,
                      &cli::user_commands,
                      &cli::cert_commands,
                      &cli::certificate_commands,
                      &cli::ocsp_commands,
                      &cli::crl_commands,
                      &cli::audit_commands,
                      &cli::log_commands,
                      &cli::trust_commands,
                      &cli::doctor_commands,
                      &cli::expiry_commands,
                      &cli::export_commands,
                      &cli::openvpn_commands,
                      &cli::backup_commands,
                      &cli::restore_commands,
                      &cli::restart_commands}) {
    auto more = group();
    commands.insert(commands.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  return cli::run_program(argc, argv, cli::all_groups(), commands, environment);
}
