#include <cstdio>
#include <functional>

#include "agent/agent.h"
#include "agent/report_findings.h"
#include "codec/json.h"
#include "commands.h"
#include "net/connect.h"
#include "net/run.h"

namespace sallyport::agent_cli {
namespace {

constexpr milliseconds kReachLimit{5'000};
// Two thirds of the life of the root CRL.
constexpr int kWarnNumerator = 2;
constexpr int kWarnDenominator = 3;

// Prints one line per thing that was looked at and counts what is wrong.
class Findings {
 public:
  void take(std::string_view what, const Result<std::string>& found) {
    if (found) {
      fmt::print("ok    {:<22} {}\n", what, *found);
      return;
    }
    fmt::print("FAIL  {:<22} {}\n", what, found.error().detail);
    ++wrong_;
  }
  void warn(std::string_view what, std::string_view why) { fmt::print("warn  {:<22} {}\n", what, why); }
  Outcome outcome() const {
    if (wrong_ == 0) return {};
    return std::unexpected(
        Failure({Errc::unavailable, fmt::format("doctor: {} found wrong, see above", wrong_)}, ExitStatus::failed));
  }

 private:
  unsigned wrong_ = 0;
};

Result<std::string> wait_for(net::Io& io, net::Task<Result<std::string>> task) {
  auto done = net::run(io, std::move(task));
  if (!done) return fail(Errc::internal, "interrupted");
  return *std::move(done);
}

// TCP alone, through the proxy where the way has one.
net::Task<Result<std::string>> reach_by(const agent::WayOut& way_out, std::size_t way) {
  CO_TRY(const auto stream, co_await way_out.dial(way, kReachLimit));
  co_return "leads there";
}

std::string told_by(const agent::HttpReached& reached) {
  return reached.form.origin.empty() ? "answers" : "the proxy answers; what it says is seen with the gateway";
}

net::Task<Result<std::string>> reach_status(const agent::WayOut& way_out) {
  CO_TRY(const auto reached, co_await way_out.dial_http(kReachLimit));
  co_return told_by(reached);
}

net::Task<Result<std::string>> reach_second_status(const agent::WayOut& way_out) {
  CO_TRY(const auto reached, co_await way_out.dial_second_status(kReachLimit));
  co_return told_by(reached);
}

// Ways to the relay: one is enough.
void check_ways(Findings& findings, net::Io& io, const agent::WayOut& way_out) {
  std::string failed;
  bool leads = false;
  for (std::size_t way = 0; way < way_out.ways().all().size(); ++way) {
    io.restart();
    const auto reached = wait_for(io, reach_by(way_out, way));
    const std::string label = way_out.ways().all()[way].label();
    if (!reached) {
      failed += fmt::format("{}{}: {}", failed.empty() ? "" : "; ", label, reached.error().detail);
      continue;
    }
    findings.take("way out", label);
    leads = true;
  }
  if (failed.empty()) return;
  if (leads) return findings.warn("way out", failed);
  findings.take("way out", fail(Errc::unavailable, std::move(failed)));
}

net::Task<Result<std::string>> check_gateway(agent::Agent& agent) {
  CO_TRY_VOID(co_await agent.check_gateway());
  co_return std::string("certificate, name and status are good");
}

Result<std::string> describe_credential(const Result<std::optional<agent::Credential>>& found, UnixTime now) {
  if (!found) return std::unexpected(found.error());
  if (!*found) return fail(Errc::not_found, "none yet");
  const pki::Validity& validity = (*found)->leaf().validity();
  if (now > validity.not_after) return failf(Errc::expired, "expired {}", to_iso8601(validity.not_after));
  return "until " + to_iso8601(validity.not_after);
}

void check_crl(Findings& findings, const agent::AgentState& state, UnixTime now) {
  const auto crl = state.root_crl();
  if (!crl) {
    findings.warn("root CRL", "none yet; it comes with the first status check");
    return;
  }
  const seconds life = crl->next_update() - crl->this_update();
  const std::string text = fmt::format("number {}, until {}", crl->number(), to_iso8601(crl->next_update()));
  if (now > crl->next_update()) {
    findings.take("root CRL", failf(Errc::expired, "{}: overdue; every server is refused", text));
  } else if (now > crl->this_update() + life / kWarnDenominator * kWarnNumerator) {
    findings.warn("root CRL", text + ": a new one is due");
  } else {
    findings.take("root CRL", text);
  }
}

// The agent runs and holds the folder: its own report is judged.
Outcome judge_running_agent(const std::filesystem::path& folder, const Environment& environment) {
  TRY(const auto text, ask_agent(folder, "GET", "/status"));
  TRY(const auto report, codec::parse_json(text));
  std::fputs("the agent runs; what follows is by its own report\n", stderr);
  Findings findings;
  findings.take("state", folder.native());
  for (const agent::ReportFinding& one : agent::judge_report(report, environment.clock.now())) {
    if (one.level == agent::FindingLevel::warning) {
      findings.warn(one.what, one.detail);
    } else {
      const bool is_good = one.level == agent::FindingLevel::good;
      findings.take(one.what, is_good ? Result<std::string>(one.detail) : fail(Errc::unavailable, one.detail));
    }
  }
  return findings.outcome();
}

}  // namespace

Outcome doctor(const std::filesystem::path& folder, Environment& environment) {
  auto opened = open_state(folder);
  if (!opened && opened.error().error.code == Errc::unavailable) return judge_running_agent(folder, environment);
  if (!opened) return std::unexpected(std::move(opened).error());
  agent::AgentState& state = *opened;
  const UnixTime now = environment.clock.now();
  Findings findings;
  findings.take("state", folder.native());
  findings.take("clock", now >= state.ratchets().time_floor
                             ? Result<std::string>(to_iso8601(now))
                             : failf(Errc::expired, "{} is before {}, a time proven before", to_iso8601(now),
                                     to_iso8601(state.ratchets().time_floor)));
  findings.take("factory certificate", describe_credential(state.factory(), now));
  findings.take("operational certificate", describe_credential(state.operational().load(), now));
  findings.take("web certificate", describe_credential(state.web().load(), now));
  check_crl(findings, state, now);
  net::Io io;
  const agent::WayOut way_out(state.settings(), environment.random);
  check_ways(findings, io, way_out);
  io.restart();
  findings.take("status over HTTP", wait_for(io, reach_status(way_out)));
  if (way_out.has_second_status()) {
    io.restart();
    findings.take("second status host", wait_for(io, reach_second_status(way_out)));
  }
  auto queue = open_queue(state, environment.random);
  if (!queue) return std::unexpected(std::move(queue).error());
  agent::Agent agent(io.executor(), environment.clock, environment.random, state, **queue);
  io.restart();
  findings.take("gateway", wait_for(io, check_gateway(agent)));
  return findings.outcome();
}

}  // namespace sallyport::agent_cli
