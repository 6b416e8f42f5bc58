#include "agent/report_findings.h"

#include <optional>
#include <utility>

#include "agent/telemetry.h"

namespace sallyport::agent {
namespace {

using codec::Json;
using enum FindingLevel;

// A renewal is due at two thirds of a certificate's life; from five sixths on something keeps the device from it.
constexpr int kOverdueNumerator = 5;
constexpr int kOverdueDenominator = 6;
// A new root CRL is due from two thirds of the life of the last.
constexpr int kCrlDueNumerator = 2;
constexpr int kCrlDueDenominator = 3;

const Json* member(const Json* object, std::string_view key) {
  return object == nullptr || !object->is_object() ? nullptr : object->find(key);
}

std::string word_at(const Json* object, std::string_view key) {
  const Json* found = member(object, key);
  if (found == nullptr) return {};
  return found->text().value_or("");
}

std::int64_t number_at(const Json* object, std::string_view key) {
  const Json* found = member(object, key);
  if (found == nullptr) return 0;
  return found->integer().value_or(0);
}

bool is_raised(const Json* object, std::string_view key) {
  const Json* found = member(object, key);
  return found != nullptr && found->boolean().value_or(false);
}

Json::Array list_at(const Json* object, std::string_view key) {
  const Json* found = member(object, key);
  return found == nullptr ? Json::Array() : found->array().value_or(Json::Array());
}

std::string with_cause(std::string sentence, const std::string& cause) {
  return cause.empty() ? std::move(sentence) : std::move(sentence) + ": " + cause;
}

// Both ends of a life, or nothing where the object has none that can be read.
std::optional<std::pair<UnixTime, UnixTime>> life_of(const Json* object, std::string_view from, std::string_view to) {
  const auto begin = parse_iso8601(word_at(object, from));
  const auto end = parse_iso8601(word_at(object, to));
  if (!begin || !end) return std::nullopt;
  return std::pair(*begin, *end);
}

ReportFinding judge_enrolment(const Json& report) {
  const std::string phase = word_at(&report, "phase");
  const std::string error = word_at(&report, "error");
  const std::string state = word_at(&report, "state");
  if (phase == "waiting-for-ledger")
    return {warning, "enrolment", "waits until the installation has the factory's ledger with this device"};
  if (phase != "enrolled") return {wrong, "enrolment", with_cause(phase.empty() ? "not told" : phase, error)};
  if (state == "suspended" || state == "revoked" || state == "retired") return {wrong, "enrolment", "device " + state};
  return {good, "enrolment", state.empty() ? phase : "device " + state};
}

ReportFinding judge_certificate(const Json& report, const std::string& slot, UnixTime now) {
  const Json* certificate = member(member(&report, "certificates"), slot);
  const std::string what = slot + " certificate";
  const auto life = life_of(certificate, "not_before", "not_after");
  if (!life) return {wrong, what, "none yet"};
  const auto [begin, end] = *life;
  if (now > end) return {wrong, what, "expired " + to_iso8601(end)};
  const bool renews = slot != "factory";
  if (renews && now > begin + (end - begin) / kOverdueDenominator * kOverdueNumerator)
    return {warning, what, fmt::format("until {}: should have been renewed", to_iso8601(end))};
  return {good, what, "until " + to_iso8601(end)};
}

ReportFinding judge_crl(const Json& report, UnixTime now) {
  const Json* crl = report.find("root_crl");
  const auto life = life_of(crl, "this_update", "next_update");
  if (!life) return {warning, "root CRL", "none yet; it comes with the first status check"};
  const auto [begin, end] = *life;
  const std::string text = fmt::format("number {}, until {}", number_at(crl, "number"), to_iso8601(end));
  if (now > end) return {wrong, "root CRL", text + ": overdue; every server is refused"};
  if (now > begin + (end - begin) / kCrlDueDenominator * kCrlDueNumerator)
    return {warning, "root CRL", text + ": a new one is due"};
  return {good, "root CRL", text};
}

ReportFinding judge_control(const Json& report) {
  const Json* control = report.find("control");
  const std::string state = word_at(control, "state");
  if (state == "established") return {good, "connection", "established"};
  if (state.empty()) return {wrong, "connection", "none before enrolment"};
  return {wrong, "connection", with_cause(state, word_at(control, "error"))};
}

void judge_ways(const Json& report, std::vector<ReportFinding>& out) {
  const Json* way_out = report.find("way_out");
  const std::string used = word_at(way_out, "used");
  if (!used.empty()) out.push_back({good, "way out", used});
  for (const Json& way : list_at(way_out, "ways")) {
    if (word_at(&way, "state") != "failed") continue;
    out.push_back(
        {used.empty() ? wrong : warning, "way out", with_cause(word_at(&way, "way"), word_at(&way, "error"))});
  }
}

void judge_servers(const Json& report, std::vector<ReportFinding>& out) {
  for (const Json& check : list_at(&report, "server_checks")) {
    const std::string what = "server " + word_at(&check, "server");
    const std::string text = fmt::format("{}, {}", word_at(&check, "reason"), word_at(&check, "at"));
    if (is_raised(&check, "good")) {
      out.push_back({good, what, text});
    } else {
      out.push_back({wrong, what, with_cause(text, word_at(&check, "detail"))});
    }
  }
}

void judge_log(const Json& report, std::vector<ReportFinding>& out) {
  for (const char* const slot : {"operational", "web"}) {
    const Json* standing = member(report.find("log"), slot);
    if (standing == nullptr || is_raised(standing, "proven")) continue;
    out.push_back({wrong, fmt::format("log, {}", slot), word_at(standing, "detail")});
  }
}

void judge_node(const Json& report, std::vector<ReportFinding>& out) {
  const Json* node = report.find("rpc");
  if (node == nullptr || !node->is_object()) return;
  const std::string state = word_at(node, "state");
  if (state == "running") {
    out.push_back({good, "RPC node", state});
  } else {
    out.push_back({wrong, "RPC node", with_cause(state, word_at(node, "error"))});
  }
}

void judge_telemetry(const Json& report, std::vector<ReportFinding>& out) {
  const Json* telemetry = report.find("telemetry");
  const std::string error = word_at(telemetry, "error");
  if (!error.empty()) out.push_back({error == kTelemetryPaused ? warning : wrong, "telemetry", error});
  const std::int64_t dropped = number_at(telemetry, "dropped");
  const std::int64_t refused = number_at(telemetry, "refused");
  if (dropped + refused > 0) {
    out.push_back({warning, "telemetry",
                   fmt::format("{} values dropped, {} refused: more came than the queue holds", dropped, refused)});
  }
}

}  // namespace

std::vector<ReportFinding> judge_report(const Json& report, UnixTime now) {
  std::vector<ReportFinding> out = {judge_enrolment(report)};
  for (const char* const slot : {"factory", "operational", "web"}) out.push_back(judge_certificate(report, slot, now));
  out.push_back(judge_crl(report, now));
  judge_ways(report, out);
  out.push_back(judge_control(report));
  const std::string error = word_at(&report, "error");
  if (!error.empty() && word_at(&report, "phase") == "enrolled") out.push_back({wrong, "gateway", error});
  const std::string not_listening = word_at(report.find("direct"), "error");
  if (!not_listening.empty()) out.push_back({wrong, "direct access", not_listening});
  judge_servers(report, out);
  judge_log(report, out);
  judge_node(report, out);
  judge_telemetry(report, out);
  return out;
}

}  // namespace sallyport::agent
