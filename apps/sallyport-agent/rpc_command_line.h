// The words of `sallyport-agent rpc`, all about one folder.
#pragma once

#include <functional>
#include <string>

#include <CLI/App.hpp>

#include "commands.h"

namespace sallyport::agent_cli {

// Adds itself to a program's command line, and outlives its parsing.
class RpcCommandLine {
 public:
  RpcCommandLine(CLI::App& top, Chosen& chosen, Environment& environment);
  RpcCommandLine(const RpcCommandLine&) = delete;
  RpcCommandLine& operator=(const RpcCommandLine&) = delete;

 private:
  CLI::App* add(const char* name, const char* summary, const char* arguments, std::function<Outcome()> work);
  void add_node();
  void add_keys();
  void add_pairing();

  CLI::App& rpc_;
  Chosen& chosen_;
  Environment& environment_;
  std::string state_{kDefaultRpcState};
  RpcInitOptions init_;
  RpcRunOptions run_;
  RpcKeyOptions key_;
  RpcPairingOptions pairing_;
};

}  // namespace sallyport::agent_cli
