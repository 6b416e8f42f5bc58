#include "rpc_command_line.h"

#include <utility>

namespace sallyport::agent_cli {

RpcCommandLine::RpcCommandLine(CLI::App& top, Chosen& chosen, Environment& environment)
    : rpc_(*top.add_subcommand("rpc", "sealed calls: the node of this device, its keys and its audit trail")),
      chosen_(chosen),
      environment_(environment) {
  rpc_.require_subcommand(1);
  add_node();
  add_keys();
  add_pairing();
}

CLI::App* RpcCommandLine::add(const char* name, const char* summary, const char* arguments,
                              std::function<Outcome()> work) {
  CLI::App* command = rpc_.add_subcommand(name, summary);
  command->add_option("--state", state_, "the node's folder")->type_name("DIR")->capture_default_str();
  command->footer(std::string("Example:\n  sallyport-agent rpc ") + name + " --state /var/lib/sallyport-agent/rpc" +
                  arguments);
  command->callback([this, work = std::move(work)] {
    init_.state = state_;
    run_.state = state_;
    key_.state = state_;
    pairing_.state = state_;
    chosen_ = work;
  });
  return command;
}

void RpcCommandLine::add_node() {
  RpcInitOptions& init = init_;
  CLI::App* command =
      add("init", "make the folder with its rpc.toml", " --node pump-0001 --broker mqtts://broker.example --ca ca.pem",
          [this] { return rpc_init(init_, environment_); });
  command->add_option("--node", init.node, "what callers call it")->required();
  command->add_option("--broker", init.broker, "mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")->required();
  command->add_option("--ca", init.ca, "the CA of a mqtts:// broker (PEM)");
  command->add_option("--prefix", init.prefix, "put before all topics");
  add("run", "answer calls until SIGTERM", "", [this] {
    return rpc_run(run_, environment_);
  })->add_option("--run-as", run_.run_as, "become this numeric user, which the folder belongs to");
  add("audit-verify", "show that no line of the audit trail was altered or removed", "",
      [this] { return rpc_audit_verify(state_); });
}

void RpcCommandLine::add_keys() {
  RpcKeyOptions& key = key_;
  CLI::App* made = add("key-add", "make an API key and show it once", " --id plant-a --allow 'pump.*' --allow test",
                       [this] { return rpc_key_add(key_, environment_); });
  made->add_option("--id", key.id, "the key's id")->required();
  made->add_option("--allow", key.allow, "methods, with * for any text; once for each")->required();
  made->add_option("--deny", key.deny, "methods that stay forbidden; once for each");
  made->add_option("--items", key.items, "items that calls may name; any without it");
  made->add_option("--deny-items", key.deny_items, "items that they may not");
  made->add_option("--calls-per-minute", key.calls_per_minute, "how many calls it may make")->capture_default_str();
  made->add_option("--days", key.days, "after which it ends");
  made->add_option("--comment", key.comment, "for people");
  made->add_option("--import", key.import_file, "a file with a key that was made for another node");
  made->add_flag("--json", key.json, "print JSON for programs");
  add("key-list", "the keys, without their secrets", "", [this] {
    return rpc_key_list(state_, key_.json);
  })->add_flag("--json", key.json, "print JSON for programs");
  CLI::App* rotated = add("key-rotate", "make a new secret for a key and show it once",
                          " --id plant-a --overlap-hours 24", [this] { return rpc_key_rotate(key_, environment_); });
  rotated->add_option("--id", key.id, "the key's id")->required();
  rotated->add_option("--overlap-hours", key.overlap_hours, "how long the secret before stays good")
      ->capture_default_str();
  rotated->add_flag("--json", key.json, "print JSON for programs");
  add("key-remove", "remove a key and end its sessions", " --id plant-a",
      [this] { return rpc_key_remove(key_, environment_); })
      ->add_option("--id", key.id, "the key's id")
      ->required();
}

void RpcCommandLine::add_pairing() {
  RpcPairingOptions& pairing = pairing_;
  CLI::App* opened = add("pairing-open", "let callers in by the key 'default', which is shown once, for a while",
                         " --allow 'pump.*' --allow test", [this] { return rpc_pairing_open(pairing_, environment_); });
  opened->add_option("--allow", pairing.allow, "what whoever pairs may call; once for each")->required();
  opened->add_option("--deny", pairing.deny, "methods that stay forbidden to him; once for each");
  opened->add_option("--items", pairing.items, "items that he may name; any without it");
  opened->add_option("--deny-items", pairing.deny_items, "items that he may not");
  opened->add_option("--calls-per-minute", pairing.calls_per_minute, "how many calls he may make")
      ->capture_default_str();
  opened->add_option("--minutes", pairing.minutes, "after which it ends")->capture_default_str();
  opened->add_option("--uses", pairing.uses, "how many callers it lets in")->capture_default_str();
  opened->add_option("--import", pairing.import_file,
                     "a file with a key 'default' that others have too: certificates alone pair by it");
  add("paired-remove", "let in a certificate no longer that has paired", " --who device:k5xw2q7mzp",
      [this] { return rpc_paired_remove(pairing_, environment_); })
      ->add_option("--who", pairing.who, "device:NAME or person:LOGIN")
      ->required();
}

}  // namespace sallyport::agent_cli
