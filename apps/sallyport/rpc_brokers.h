// Brokers for the time of one command.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "net/io.h"
#include "net/run.h"
#include "net/task_group.h"
#include "rpcnode/broker_links.h"

namespace sallyport::cli {

// One thread; takes leave of the brokers at its end. Borrows the environment.
class BrokerSession {
 public:
  explicit BrokerSession(Environment& environment) : environment_(environment), tasks_(io_.executor()) {}
  ~BrokerSession();
  BrokerSession(const BrokerSession&) = delete;
  BrokerSession& operator=(const BrokerSession&) = delete;

  // Begins to connect, as rpcnode::BrokerLinks::open(); once. What the handlers borrow outlives this.
  Result<void> open(std::vector<rpcnode::BrokerSettings> brokers, rpcnode::BrokerHandlers handlers);
  rpcnode::BrokerLinks& links() { return *links_; }
  net::TaskGroup& tasks() { return tasks_; }

  // Lets messages come for `limit`, or without one for ever.
  void listen(std::optional<milliseconds> limit);
  // From now on Ctrl-C and SIGTERM end listen(), not the program.
  void end_by_signals();
  // Runs `task` to its end; nothing where it was interrupted.
  template <class T>
  std::optional<T> run(net::Task<T> task) {
    io_.restart();
    return net::run(io_, std::move(task));
  }

  // Whether any broker ever was connected, and why the last one that was lost, or could not be reached, was; escaped.
  bool was_connected() const { return was_connected_; }
  const std::string& last_fault() const { return last_fault_; }

 private:
  Environment& environment_;
  net::Io io_;
  net::TaskGroup tasks_;
  std::unique_ptr<rpcnode::BrokerLinks> links_;
  bool was_connected_ = false;
  std::string last_fault_;
};

}  // namespace sallyport::cli
