// The agent whole: enrols, keeps its certificates, holds the connection to the relay, lets users in who have a grant,
// and uploads telemetry.
#pragma once

#include <memory>
#include <string>

#include "agent/state.h"
#include "base/random.h"
#include "net/task.h"
#include "telemetry/queue.h"

namespace sallyport::agent {

// One per process, on one thread. Borrows everything for its lifetime. Must end before the loop of `executor` does, and
// after its last turn.
class Agent {
 public:
  Agent(net::Executor executor, const Clock& clock, Random& random, AgentState& state,
        telemetry::TelemetryQueue& queue);
  ~Agent();

  // Opens run/agent.sock, and the telemetry port where there is one. Errors as net::Listener's.
  Result<void> listen();
  // Runs for ever.
  net::Task<void> run();
  // Enrols where needed, uploads what is queued, and returns: for devices that sleep. Errc::expired, and whatever kept
  // the first enrolment from succeeding.
  net::Task<Result<void>> upload_once(milliseconds limit);
  // One check of the gateway from connecting to the status answers; nothing is sent to it.
  net::Task<Result<void>> check_gateway();

  // The report as JSON, one line (report.h).
  std::string report() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The report of a folder whose agent does not run.
Result<std::string> report_of_folder(AgentState& state);
// A report, as Agent::report writes it, for a terminal. Errc::malformed.
Result<std::string> format_report_text(std::string_view report);

}  // namespace sallyport::agent
