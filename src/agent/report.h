// What the agent says of itself: for `sallyport-agent status`, and for its own page. Pure.
#pragma once

#include <map>
#include <optional>

#include "agent/control.h"
#include "agent/enrolment.h"
#include "agent/local_service.h"
#include "codec/json.h"
#include "telemetry/queue.h"

namespace sallyport::agent {

// Everything a report is made of. What is absent is not running, or does not exist yet.
struct ReportSources {
  const AgentState* state = nullptr;  // always set
  std::optional<Credential> operational;
  std::optional<Credential> web;
  const Enrolment* enrolment = nullptr;
  const ServerCheck* check = nullptr;
  const RemoteAccess* access = nullptr;
  const ControlConnection* control = nullptr;
  const WayOut* way_out = nullptr;
  std::optional<telemetry::QueueState> queue;
  std::string telemetry_error;
  std::string direct_error;  // why the port of its own is not listened at
  codec::Json node;          // NodeProcess::report(), or null
};

// The services of the device: [{"name", "target", "open"}].
codec::Json services_report(const AgentState& state);
// The fields of docs/operate/agent.md; their names are stable.
codec::Json make_report(const ReportSources& sources);
// The rows of the device's page.
std::vector<PageRow> make_rows(const codec::Json& report);
// The same for a terminal, one line per fact.
std::string format_report(const codec::Json& report);

}  // namespace sallyport::agent
