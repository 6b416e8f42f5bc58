// Turns by name: whoever holds the turn of a name makes the others who want it wait.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "net/timer.h"

namespace sallyport::authority {

// One thread. Not fair: any of those who wait may be next.
class Turns {
  struct State;

 public:
  // Held until it is destroyed; may outlive the Turns it came from.
  class Turn {
   public:
    Turn(Turn&& other) noexcept = default;
    Turn& operator=(Turn&&) = delete;
    ~Turn();

   private:
    friend class Turns;
    Turn(std::shared_ptr<State> state, std::string name) : state_(std::move(state)), name_(std::move(name)) {}
    std::shared_ptr<State> state_;
    std::string name_;
  };

  explicit Turns(net::Executor executor);
  // Errc::overloaded when the turn has not come by the deadline.
  net::Task<Result<Turn>> take(std::string name, net::Deadline deadline);

 private:
  struct State {
    explicit State(net::Executor on) : executor(std::move(on)) {}
    net::Executor executor;
    std::map<std::string, std::shared_ptr<net::Event>> held;  // the event says that the turn was given back
  };
  static net::Task<Result<Turn>> take_in(std::shared_ptr<State> state, std::string name, net::Deadline deadline);
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::authority
