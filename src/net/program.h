// Starting another program.
#pragma once

#include <sys/types.h>

#include <expected>
#include <string>
#include <vector>

namespace sallyport::net {

struct ProgramOrder {
  std::vector<std::string> words;        // the program's path first, which is looked for nowhere else
  std::vector<std::string> environment;  // all of it, "NAME=value"
  struct Given {
    int descriptor = -1;
    int number = -1;  // that it has there, whatever ours does at exec
  };
  std::vector<Given> descriptors;  // beside those that are inherited anyway
  // Signals that do there what they do by default, whatever they do here. None are blocked there then; with no signal
  // named it has our mask.
  std::vector<int> default_signals;
  bool own_group = false;  // a process group of its own, whose number is the process's
};

// Starts it and returns its process id, which is to be waited for; an errno where it cannot be run. Any thread.
std::expected<pid_t, int> start_program(ProgramOrder order);

}  // namespace sallyport::net
