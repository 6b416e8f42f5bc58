#include "authority/metrics.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

namespace sallyport::authority {
namespace {

constexpr UnixTime kMade{1'800'000'000};

Figures figures() {
  Figures out;
  out.now = kMade + 61 * kDay;
  out.links = {{LinkKind::root_crl, "root", kMade, kMade + 90 * kDay},
               {LinkKind::permit, "acme", kMade, kMade + 365 * kDay}};
  out.operational = {.in_time = 7, .due = 2, .ended = 1};
  out.sites.resize(1);
  out.sites[0].name = SiteName("acme");
  out.sites[0].permitted = 500;
  out.sites[0].ledger_sequence = 40;
  out.sites[0].activation_quota = 400;
  out.sites[0].enrolled = 30;
  out.cas = {{"online-ca", 10, 3}};
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
      EXPECT_TRUE(line.ends_with(" gauge")) << line;
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

TEST(Metrics, EscapeWhatWouldEndALabel) {
  Figures odd;
  odd.cas = {{"a\"b\\c\nd", 1, 0}};
  const auto lines = lines_of(to_prometheus(odd));
  EXPECT_TRUE(lines.contains("sallyport_certificates_alive{ca=\"a\\\"b\\\\c\\nd\"} 1"));
}

}  // namespace
}  // namespace sallyport::authority
