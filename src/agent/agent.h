// The agent whole: enrols, keeps its certificates, holds the connection to the relay, lets users in who have a grant,
// and uploads telemetry.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/control.h"
#include "agent/enrolment.h"
#include "agent/node_desk.h"
#include "agent/state.h"
#include "base/random.h"
#include "net/task.h"
#include "telemetry/queue.h"

namespace sallyport::agent {

// One device; a process may run many, each with a folder of its own, on one loop. Borrows everything for its lifetime.
// Once started it ends after stop() has returned, or after the last turn of the loop of `executor`.
class Agent {
 public:
  Agent(net::Executor executor, const Clock& clock, Random& random, AgentState& state,
        telemetry::TelemetryQueue& queue);
  ~Agent();

  // Opens run/agent.sock, and the ports for telemetry and for users where there are any. Errors as net::Listener's.
  Result<void> listen();
  // Begins, and goes on until stop().
  void start();
  // Ends whatever the agent does, and every connection of it. It is not started again.
  net::Task<void> stop();
  // Enrols where needed, uploads what is queued, and returns: for devices that sleep. Errc::expired, and whatever kept
  // the first enrolment from succeeding.
  net::Task<Result<void>> upload_once(milliseconds limit);
  // One check of the gateway from connecting to the status answers; nothing is sent to it.
  net::Task<Result<void>> check_gateway();
  // The same of a server that another program has met and of which it shows the certificate (ServerCheck::check_leaf).
  net::Task<Result<void>> check_server(pki::Certificate leaf, DnsName name);

  // The report as JSON, one line (report.h).
  std::string report() const;
  // What the report says of the device's node: asked each time. May be empty.
  void describe_node(std::function<codec::Json()> node);
  // What the node of the device may ask; they outlive no agent.
  NodeDeskSources node_sources();
  // Told when the device has another certificate, or trusts other roots. May be empty.
  void on_identity(std::function<void()> told);
  const Enrolment& enrolment() const;
  const ServerCheck& server_check() const;
  // Absent until there is an operational certificate.
  const ControlConnection* control() const;

 private:
  struct State;
  net::Task<void> run();
  std::unique_ptr<State> state_;
};

// Opens or closes a service in a folder whose agent does not run. Errc::not_found when agent.toml has none of that
// name.
Result<void> switch_service_of_folder(AgentState& state, const ServiceName& service, bool open);
// The report of a folder whose agent does not run.
Result<std::string> report_of_folder(AgentState& state);
// A report, as Agent::report writes it, for a terminal. Errc::malformed.
Result<std::string> format_report_text(std::string_view report);

}  // namespace sallyport::agent
