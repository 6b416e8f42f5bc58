#include "authority/metrics.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

namespace sallyport::authority {
namespace {

constexpr UnixTime kTaken{1'800'000'000};

using records::CaName;

StatusHost answering_host(UnixTime now) {
  StatusHost host;
  host.report.host = "status-1";
  host.report.snapshot_number = 40;
  host.report.answers = {{"cached", 70}, {"live", 9}};
  host.report.refusals = {{"saturated", 2}};
  host.report.signers = {
      {CaName("server-ca"), records::CertificateSerial(Bytes{1}), now, now + 20 * kDay, now + 13 * kDay}};
  host.report.crls = {{CaName("online-ca"), 11, now + kDay}};
  host.number = 41;
  host.reported_at = now - seconds(3);
  host.leased_at = now - seconds(1);
  return host;
}

Figures figures() {
  Figures out;
  out.now = kTaken + 61 * kDay;
  out.links = {{LinkKind::root_crl, "root", kTaken, kTaken + 90 * kDay},
               {LinkKind::permit, "acme", kTaken, kTaken + 365 * kDay}};
  out.operational = {.in_time = 7, .due = 2, .ended = 1};
  out.sites.resize(1);
  out.sites[0].name = SiteName("acme");
  out.sites[0].permitted = 500;
  out.sites[0].ledger_sequence = 40;
  out.sites[0].activation_quota = 400;
  out.sites[0].enrolled = 30;
  out.cas = {{"online-ca", 10, 3}};
  out.status_hosts = {answering_host(out.now)};
  out.crls = {{CaName("online-ca"), 12, out.now - seconds(600), out.now + seconds(85'800), 3, 812}};
  out.root_crl_number = 5;
  out.devices_online = 6;
  return out;
}

std::set<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::set<std::string> out;
  for (std::string line; std::getline(stream, line);) EXPECT_TRUE(out.insert(line).second) << "twice: " << line;
  return out;
}

TEST(Metrics, SayWhatEndsWhenAndHowItStands) {
  const auto lines = lines_of(to_prometheus(figures()));
  for (const char* wanted : {
           "sallyport_link_not_after_seconds{kind=\"root-crl\",name=\"root\"} 1807776000",
           "sallyport_link_due_seconds{kind=\"root-crl\",name=\"root\"} 1805184000",
           "sallyport_link_stage{kind=\"root-crl\",name=\"root\"} 1",
           "sallyport_link_stage{kind=\"permit\",name=\"acme\"} 0",
           "sallyport_device_certificates{kind=\"operational\",stage=\"in-time\"} 7",
           "sallyport_device_certificates{kind=\"operational\",stage=\"due\"} 2",
           "sallyport_device_certificates{kind=\"operational\",stage=\"ended\"} 1",
           "sallyport_certificates_alive{ca=\"online-ca\"} 10",
           "sallyport_certificates_revoked{ca=\"online-ca\"} 3",
           "sallyport_site_permitted{site=\"acme\"} 500",
           "sallyport_site_ledgered{site=\"acme\"} 40",
           "sallyport_site_activation_quota{site=\"acme\"} 400",
           "sallyport_site_activated{site=\"acme\"} 30",
           "sallyport_root_crl_number 5",
           "sallyport_devices_online 6",
           "sallyport_status_connected{host=\"status-1\"} 1",
           "sallyport_status_lease{host=\"status-1\"} 1",
           "sallyport_status_snapshot_number{host=\"status-1\"} 41",
           "sallyport_status_snapshot_age_seconds{host=\"status-1\"} 0",
           "sallyport_status_report_age_seconds{host=\"status-1\"} 3",
           "sallyport_status_signer_left_seconds{host=\"status-1\",ca=\"server-ca\"} 1728000",
           "sallyport_status_crl_number{host=\"status-1\",ca=\"online-ca\"} 11",
           "sallyport_status_answers_total{host=\"status-1\",kind=\"cached\"} 70",
           "sallyport_status_answers_total{host=\"status-1\",kind=\"live\"} 9",
           "sallyport_status_refusals_total{host=\"status-1\",reason=\"saturated\"} 2",
           "sallyport_crl_number{ca=\"online-ca\"} 12",
           "sallyport_crl_age_seconds{ca=\"online-ca\"} 600",
           "sallyport_crl_left_seconds{ca=\"online-ca\"} 85800",
           "sallyport_crl_entries{ca=\"online-ca\"} 3",
       }) {
    EXPECT_TRUE(lines.contains(wanted)) << wanted;
  }
}

// The grammar of the format: a name, labels in quotes, a number; each family announced once, before its samples.
TEST(Metrics, AreALineASampleUnderTheirFamily) {
  std::istringstream stream(to_prometheus(figures()));
  std::string family;
  std::set<std::string> families;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("# HELP ")) continue;
    if (line.starts_with("# TYPE ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << family << " is announced twice";
      EXPECT_TRUE(line.ends_with(family.ends_with("_total") ? " counter" : " gauge")) << line;
      continue;
    }
    const std::string name = line.substr(0, line.find_first_of("{ "));
    EXPECT_EQ(name, family) << line;
    const auto space = line.rfind(' ');
    ASSERT_NE(space, std::string::npos);
    EXPECT_EQ(line.find_first_not_of("-0123456789", space + 1), std::string::npos) << line;
  }
  EXPECT_GE(families.size(), 10U);
}

TEST(Metrics, AHostThatIsCutOffGrowsOld) {
  Figures now = figures();
  now.status_hosts.front().leased_at = now.now - seconds(90);
  auto lines = lines_of(to_prometheus(now));
  EXPECT_TRUE(lines.contains("sallyport_status_connected{host=\"status-1\"} 1"));
  EXPECT_TRUE(lines.contains("sallyport_status_lease{host=\"status-1\"} 0"));
  EXPECT_TRUE(lines.contains("sallyport_status_snapshot_age_seconds{host=\"status-1\"} 90"));
  now.status_hosts.front().gone_at = now.now - seconds(60);
  lines = lines_of(to_prometheus(now));
  EXPECT_TRUE(lines.contains("sallyport_status_connected{host=\"status-1\"} 0"));
  EXPECT_TRUE(lines.contains("sallyport_status_lease{host=\"status-1\"} 0"));
}

TEST(Metrics, EscapeWhatWouldEndALabel) {
  Figures odd;
  odd.cas = {{"a\"b\\c\nd", 1, 0}};
  const auto lines = lines_of(to_prometheus(odd));
  EXPECT_TRUE(lines.contains("sallyport_certificates_alive{ca=\"a\\\"b\\\\c\\nd\"} 1"));
}

}  // namespace
}  // namespace sallyport::authority
