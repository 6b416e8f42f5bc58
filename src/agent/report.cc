#include "agent/report.h"

#include "codec/text.h"

namespace sallyport::agent {
namespace {

using codec::Json;

Json describe(const std::optional<Credential>& credential) {
  if (!credential) return nullptr;
  const pki::Certificate& leaf = credential->leaf();
  return Json::Object{{"serial", leaf.serial().hex()},
                      {"fingerprint", codec::encode_hex(leaf.fingerprint())},
                      {"not_before", to_iso8601(leaf.validity().not_before)},
                      {"not_after", to_iso8601(leaf.validity().not_after)}};
}

Json describe_checks(const ServerCheck& check) {
  Json::Array out;
  for (const auto& [name, record] : check.records()) {
    out.push_back(Json::Object{{"server", name},
                               {"good", record.is_good()},
                               {"reason", record.reason},
                               {"detail", record.detail},
                               {"certificate", record.certificate},
                               {"at", to_iso8601(record.at)}});
  }
  return out;
}

Json describe_claim(const Enrolment& enrolment) {
  auto code = enrolment.claim_code();
  if (!code) return Json::Object{{"code", nullptr}, {"why", code.error().detail}};
  return Json::Object{{"code", *std::move(code)}, {"why", ""}};
}

Json describe_crl(const AgentState& state) {
  const auto crl = state.root_crl();
  if (!crl) return nullptr;
  return Json::Object{{"number", crl->number()},
                      {"this_update", to_iso8601(crl->this_update())},
                      {"next_update", to_iso8601(crl->next_update())}};
}

Json describe_roots(const AgentState& state) {
  Json::Array out;
  for (const pki::Certificate& root : state.anchors()) out.emplace_back(codec::encode_hex(root.fingerprint()));
  return out;
}

Json describe_control(const ControlConnection& control) {
  Json::Object out{{"state", to_string(control.state())},
                   {"error", control.last_error()},
                   {"ping_interval_s", std::int64_t{control.ping_interval().count()}}};
  if (const auto round_trip = control.round_trip()) out["round_trip_ms"] = round_trip->count();
  return out;
}

Json describe_ways(const ReportSources& sources) {
  const Ways& ways = sources.way_out->ways();
  Json::Object out{{"used", nullptr}, {"data_inside_tls", false}};
  Json::Array all;
  for (std::size_t way = 0; way < ways.all().size(); ++way) {
    const WayRecord& record = ways.record(way);
    const std::string label = ways.all()[way].label();
    if (way == ways.used() && record.state == WayState::works) out["used"] = label;
    all.push_back(Json::Object{{"way", label},
                               {"state", to_string(record.state)},
                               {"error", record.error},
                               {"inspected", record.is_inspected}});
  }
  out["ways"] = std::move(all);
  if (sources.control != nullptr) out["data_inside_tls"] = sources.control->is_data_sealed();
  return out;
}

Json describe_direct(const Settings& settings, const std::string& error) {
  if (!settings.direct) return nullptr;
  const DirectChoice& direct = *settings.direct;
  return Json::Object{{"listen", net::to_string(direct.listen)},
                      {"public_port", std::uint64_t{direct.public_port.value_or(direct.listen.port)}},
                      {"error", error.empty() ? Json(nullptr) : Json(error)}};
}

Json describe_queue(const telemetry::QueueState& queue, const std::string& error) {
  return Json::Object{{"items", queue.items},
                      {"bytes", queue.bytes},
                      {"dropped", queue.dropped},
                      {"refused", queue.refused},
                      {"error", error}};
}

Json describe_log(const LogWitness& witness) {
  Json::Object out;
  for (const auto& [slot, standing] : witness.standings()) {
    out[slot] = Json::Object{{"proven", standing.is_proven}, {"detail", standing.detail}};
  }
  return out;
}

std::string text_of(const Json* value) {
  if (value == nullptr || value->is_null()) return "-";
  if (auto text = value->text()) return text->empty() ? "-" : *text;
  if (auto flag = value->boolean()) return *flag ? "yes" : "no";
  return value->write();
}

std::string text_at(const Json& report, std::string_view group, std::string_view key) {
  const Json* found = report.find(group);
  return text_of(found == nullptr || !found->is_object() ? nullptr : found->find(key));
}

// The ways that failed, each with the reason.
std::vector<PageRow> rows_of_ways(const Json& report) {
  const Json* way_out = report.find("way_out");
  if (way_out == nullptr || !way_out->is_object()) return {};
  std::vector<PageRow> rows = {{"Way out", text_of(way_out->find("used"))}};
  if (text_of(way_out->find("data_inside_tls")) == "yes")
    rows.push_back({"Users' connections", "inside TLS: the network lets nothing else through"});
  const Json* ways = way_out->find("ways");
  const auto list = ways == nullptr ? Result<Json::Array>(Json::Array()) : ways->array();
  for (const Json& way : list ? *list : Json::Array()) {
    if (text_of(way.find("state")) != "failed") continue;
    rows.push_back({"Way that failed", fmt::format("{}: {}", text_of(way.find("way")), text_of(way.find("error")))});
  }
  return rows;
}

std::string closed_text(const Json& report) {
  const Json* services = report.find("services");
  const auto list = services == nullptr ? Result<Json::Array>(Json::Array()) : services->array();
  std::string out;
  for (const Json& service : list ? *list : Json::Array()) {
    if (text_of(service.find("open")) == "no") out += (out.empty() ? "" : " ") + text_of(service.find("name"));
  }
  return out;
}

// The process of the node, where there is to be one.
std::vector<PageRow> rows_of_node(const Json& report) {
  const Json* node = report.find("rpc");
  if (node == nullptr || !node->is_object()) return {};
  const std::string error = text_of(node->find("error"));
  return {{"RPC node", fmt::format("{} since {}", text_of(node->find("state")), text_of(node->find("since")))},
          {"RPC node, last end", error}};
}

// The code, or why it is not shown.
std::string claim_text(const Json& report) {
  const std::string code = text_at(report, "claim", "code");
  return code != "-" ? code : text_at(report, "claim", "why");
}

}  // namespace

Json services_report(const AgentState& state) {
  const Settings& settings = state.settings();
  const auto closed = state.closed_services();
  Json::Array out;
  for (const tunnel::Service& service : settings.offered()) {
    Json::Object one{{"name", service.name.get()}, {"open", closed && !closed->contains(service.name)}};
    const LocalTarget* target = settings.find(service.name);
    one["target"] = target == nullptr ? std::string("built in") : net::to_string(target->target);
    out.push_back(std::move(one));
  }
  return out;
}

Json make_report(const ReportSources& sources) {
  const Settings& settings = sources.state->settings();
  Json::Object out{{"serial_id", settings.serial_id.get()},
                   {"site", settings.site.get()},
                   {"zone", settings.zone.get()},
                   {"running", sources.enrolment != nullptr},
                   {"name", nullptr},
                   {"state", nullptr},
                   {"claim", nullptr},
                   {"remote_access", sources.state->remote_access()},
                   {"services", services_report(*sources.state)},
                   {"direct", describe_direct(settings, sources.direct_error)},
                   {"roots", describe_roots(*sources.state)},
                   {"root_crl", describe_crl(*sources.state)},
                   {"control", nullptr},
                   {"way_out", nullptr},
                   {"telemetry", nullptr},
                   {"rpc", sources.node},
                   {"server_checks", Json::Array()}};
  const auto factory = sources.state->factory();
  out["certificates"] = Json::Object{{"factory", describe(factory ? *factory : std::nullopt)},
                                     {"operational", describe(sources.operational)},
                                     {"web", describe(sources.web)}};
  if (const Enrolment* enrolment = sources.enrolment) {
    out["phase"] = to_string(enrolment->phase());
    out["error"] = enrolment->last_error();
    out["claim"] = describe_claim(*enrolment);
    if (enrolment->name()) out["name"] = enrolment->name()->get();
    if (enrolment->facts()) out["state"] = enrolment->facts()->state;
    out["log"] = describe_log(enrolment->log_witness());
  }
  if (sources.check != nullptr) out["server_checks"] = describe_checks(*sources.check);
  if (sources.control != nullptr) out["control"] = describe_control(*sources.control);
  if (sources.way_out != nullptr) out["way_out"] = describe_ways(sources);
  if (sources.queue) out["telemetry"] = describe_queue(*sources.queue, sources.telemetry_error);
  if (sources.access != nullptr) {
    out["sessions"] = std::uint64_t{sources.access->grants().size()};
    out["connections"] = std::uint64_t{sources.access->open_connections()};
  }
  return out;
}

std::vector<PageRow> make_rows(const Json& report) {
  std::vector<PageRow> rows = {
      {"Serial id", text_of(report.find("serial_id"))},
      {"Factory", text_of(report.find("site"))},
      {"Name", text_of(report.find("name"))},
      {"State", text_of(report.find("state"))},
      {"Enrolment", text_of(report.find("phase"))},
      {"Claim code", claim_text(report)},
      {"Remote access", text_of(report.find("remote_access"))},
      {"Connection", text_at(report, "control", "state")},
  };
  if (const std::string listen = text_at(report, "direct", "listen"); listen != "-") {
    const std::string error = text_at(report, "direct", "error");
    const std::string port = text_at(report, "direct", "public_port");
    rows.push_back({"Direct access", error == "-" ? fmt::format("{}, to users port {}", listen, port)
                                                  : fmt::format("not at {}: {}", listen, error)});
  }
  for (PageRow& row : rows_of_ways(report)) rows.push_back(std::move(row));
  if (const Json* certificates = report.find("certificates")) {
    rows.push_back({"Operational until", text_at(*certificates, "operational", "not_after")});
    rows.push_back({"Web certificate until", text_at(*certificates, "web", "not_after")});
  }
  for (const std::string_view slot : {"operational", "web"}) {
    const Json* log = report.find("log");
    const Json* standing = log == nullptr || !log->is_object() ? nullptr : log->find(slot);
    if (standing == nullptr) continue;
    const bool proven = text_of(standing->find("proven")) == "yes";
    rows.push_back({fmt::format("Log, {} certificate", slot),
                    proven ? text_of(standing->find("detail")) : "ALARM: " + text_of(standing->find("detail"))});
  }
  rows.push_back({"Root CRL", text_at(report, "root_crl", "number")});
  rows.push_back({"Root CRL until", text_at(report, "root_crl", "next_update")});
  rows.push_back({"Telemetry waiting", text_at(report, "telemetry", "items")});
  if (std::string closed = closed_text(report); !closed.empty()) rows.push_back({"Services closed", std::move(closed)});
  for (PageRow& row : rows_of_node(report)) rows.push_back(std::move(row));
  const Json* checks = report.find("server_checks");
  const auto list = checks == nullptr ? Result<Json::Array>(Json::Array()) : checks->array();
  for (const Json& check : list ? *list : Json::Array()) {
    rows.push_back({"Server " + text_of(check.find("server")),
                    fmt::format("{}, {} ({})", text_of(check.find("reason")), text_of(check.find("at")),
                                text_of(check.find("detail")))});
  }
  return rows;
}

std::string format_report(const Json& report) {
  std::string out;
  for (const PageRow& row : make_rows(report)) out += fmt::format("{:<28} {}\n", row.name, row.value);
  for (const std::string_view group : {"control", "telemetry"}) {
    const std::string error = text_at(report, group, "error");
    if (error != "-") out += fmt::format("{:<28} {}\n", std::string(group) + " error", error);
  }
  const std::string error = text_of(report.find("error"));
  if (error != "-") out += fmt::format("{:<28} {}\n", "gateway error", error);
  return out;
}

}  // namespace sallyport::agent
