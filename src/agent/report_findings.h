// What is wrong on a device, by the report of its running agent. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "codec/json.h"

namespace sallyport::agent {

enum class FindingLevel : std::uint8_t { good, warning, wrong };

// One thing that was looked at.
struct ReportFinding {
  FindingLevel level;
  std::string what;
  std::string detail;
  friend bool operator==(const ReportFinding&, const ReportFinding&) = default;
};

// Judges a report (report.h). What it lacks is not judged, except what every running agent has: those are wrong.
std::vector<ReportFinding> judge_report(const codec::Json& report, UnixTime now);

}  // namespace sallyport::agent
