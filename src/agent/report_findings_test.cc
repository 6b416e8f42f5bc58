#include "agent/report_findings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "agent/telemetry.h"

namespace sallyport::agent {
namespace {

using codec::Json;
using enum FindingLevel;

const UnixTime kJudgedAt = *parse_iso8601("2026-06-01T00:00:00Z");

Json certificate_until(std::string_view end) {
  return Json::Object{{"not_before", "2026-01-01T00:00:00Z"}, {"not_after", std::string(end)}};
}

// The report of a device with which nothing is wrong.
Json::Object report_of_a_well_device() {
  return {
      {"phase", "enrolled"},
      {"state", "claimed"},
      {"error", ""},
      {"certificates", Json::Object{{"factory", certificate_until("2046-01-01T00:00:00Z")},
                                    {"operational", certificate_until("2027-01-01T00:00:00Z")},
                                    {"web", certificate_until("2027-01-01T00:00:00Z")}}},
      {"root_crl",
       Json::Object{{"number", 7}, {"this_update", "2026-05-01T00:00:00Z"}, {"next_update", "2026-08-01T00:00:00Z"}}},
      {"control", Json::Object{{"state", "established"}, {"error", ""}}},
      {"way_out", Json::Object{{"used", "direct to relay:443"},
                               {"ways", Json::Array{Json::Object{
                                            {"way", "direct to relay:443"}, {"state", "works"}, {"error", ""}}}}}},
      {"server_checks", Json::Array{Json::Object{{"server", "gateway.devices.example"},
                                                 {"good", true},
                                                 {"reason", "good"},
                                                 {"detail", ""},
                                                 {"at", "2026-05-31T00:00:00Z"}}}},
      {"log", Json::Object{{"operational", Json::Object{{"proven", true}, {"detail", ""}}}}},
      {"rpc", nullptr},
      {"telemetry", Json::Object{{"items", 0}, {"dropped", 0}, {"refused", 0}, {"error", ""}}}};
}

using Change = std::function<void(Json::Object&)>;

// What is not good about a device that differs from a well one by this.
std::vector<ReportFinding> complaints(const Change& change) {
  auto report = report_of_a_well_device();
  change(report);
  auto all = judge_report(Json(std::move(report)), kJudgedAt);
  std::erase_if(all, [](const ReportFinding& one) { return one.level == good; });
  return all;
}

TEST(ReportFindings, NothingIsWrongWithAWellDevice) {
  EXPECT_TRUE(complaints([](Json::Object&) {}).empty());
}

TEST(ReportFindings, WhateverKeepsADeviceFromItsWorkIsWrong) {
  struct Case {
    const char* what;
    const char* detail;
    Change change;
  };
  const std::vector<Case> cases = {
      {"connection", "down: no PONG in time",
       [](auto& r) { r["control"] = Json::Object{{"state", "down"}, {"error", "no PONG in time"}}; }},
      {"connection", "none before enrolment", [](auto& r) { r["control"] = nullptr; }},
      {"enrolment", "refused: key 1234",
       [](auto& r) {
         r["phase"] = "refused";
         r["error"] = "key 1234";
       }},
      {"enrolment", "device suspended", [](auto& r) { r["state"] = "suspended"; }},
      {"enrolment", "device revoked", [](auto& r) { r["state"] = "revoked"; }},
      {"gateway", "est: cacerts answered 503, want 200",
       [](auto& r) { r["error"] = "est: cacerts answered 503, want 200"; }},
      {"web certificate", "none yet",
       [](auto& r) {
         r["certificates"] = Json::Object{{"factory", certificate_until("2046-01-01T00:00:00Z")},
                                          {"operational", certificate_until("2027-01-01T00:00:00Z")},
                                          {"web", nullptr}};
       }},
      {"operational certificate", "expired 2026-05-01T00:00:00Z",
       [](auto& r) {
         r["certificates"] = Json::Object{{"factory", certificate_until("2046-01-01T00:00:00Z")},
                                          {"operational", certificate_until("2026-05-01T00:00:00Z")},
                                          {"web", certificate_until("2027-01-01T00:00:00Z")}};
       }},
      {"root CRL", "number 7, until 2026-05-31T00:00:00Z: overdue; every server is refused",
       [](auto& r) {
         r["root_crl"] = Json::Object{
             {"number", 7}, {"this_update", "2026-03-01T00:00:00Z"}, {"next_update", "2026-05-31T00:00:00Z"}};
       }},
      {"way out", "direct to relay:443: refused",
       [](auto& r) {
         r["way_out"] = Json::Object{
             {"used", nullptr},
             {"ways",
              Json::Array{Json::Object{{"way", "direct to relay:443"}, {"state", "failed"}, {"error", "refused"}}}}};
       }},
      {"server gateway.devices.example", "revoked, 2026-05-31T00:00:00Z: by its CA",
       [](auto& r) {
         r["server_checks"] = Json::Array{Json::Object{{"server", "gateway.devices.example"},
                                                       {"good", false},
                                                       {"reason", "revoked"},
                                                       {"detail", "by its CA"},
                                                       {"at", "2026-05-31T00:00:00Z"}}};
       }},
      {"log, operational", "not in the tree",
       [](auto& r) {
         r["log"] = Json::Object{{"operational", Json::Object{{"proven", false}, {"detail", "not in the tree"}}}};
       }},
      {"RPC node", "waiting: ended with 3",
       [](auto& r) { r["rpc"] = Json::Object{{"state", "waiting"}, {"error", "ended with 3"}}; }},
      {"telemetry", "the disk is full", [](auto& r) { r["telemetry"] = Json::Object{{"error", "the disk is full"}}; }},
  };
  for (const Case& each : cases) {
    const auto found = complaints(each.change);
    ASSERT_EQ(found.size(), 1U) << each.what << " " << each.detail;
    EXPECT_EQ(found.front(), (ReportFinding{wrong, each.what, each.detail}));
  }
}

TEST(ReportFindings, WhatMendsItselfOrIsOnlyLateIsAWarning) {
  const std::vector<std::pair<const char*, Change>> cases = {
      {"enrolment", [](auto& r) { r["phase"] = "waiting-for-ledger"; }},
      {"root CRL", [](auto& r) { r["root_crl"] = nullptr; }},
      {"root CRL",
       [](auto& r) {
         r["root_crl"] = Json::Object{
             {"number", 7}, {"this_update", "2026-03-20T00:00:00Z"}, {"next_update", "2026-06-18T00:00:00Z"}};
       }},
      {"web certificate",
       [](auto& r) {
         r["certificates"] = Json::Object{{"factory", certificate_until("2026-06-02T00:00:00Z")},
                                          {"operational", certificate_until("2027-01-01T00:00:00Z")},
                                          {"web", certificate_until("2026-06-20T00:00:00Z")}};
       }},
      {"way out",
       [](auto& r) {
         r["way_out"] = Json::Object{
             {"used", "direct to relay:80"},
             {"ways",
              Json::Array{Json::Object{{"way", "direct to relay:443"}, {"state", "failed"}, {"error", "refused"}}}}};
       }},
      {"telemetry", [](auto& r) { r["telemetry"] = Json::Object{{"error", kTelemetryPaused}}; }},
      {"telemetry", [](auto& r) { r["telemetry"] = Json::Object{{"dropped", 3}, {"refused", 0}, {"error", ""}}; }},
  };
  for (const auto& [what, change] : cases) {
    const auto found = complaints(change);
    ASSERT_EQ(found.size(), 1U) << what;
    EXPECT_EQ(found.front().level, warning) << what;
    EXPECT_EQ(found.front().what, what);
  }
}

TEST(ReportFindings, AReportOfAnotherVersionIsNoGoodNews) {
  for (const Json& report : {Json(Json::Object()), Json(Json::Object{{"phase", 7}, {"control", "established"}})}) {
    const auto found = judge_report(report, kJudgedAt);
    EXPECT_TRUE(std::ranges::any_of(found, [](const ReportFinding& one) { return one.level == wrong; }));
    EXPECT_FALSE(std::ranges::any_of(found, [](const ReportFinding& one) { return one.level == good; }));
  }
}

}  // namespace
}  // namespace sallyport::agent
