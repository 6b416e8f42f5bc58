#include "agent/ways.h"

#include <gtest/gtest.h>

#include "agent/way_memory.h"

namespace sallyport::agent {
namespace {

constexpr Instant kBegin{std::chrono::hours(100)};
using Order = std::vector<std::size_t>;

Settings settings_with(std::string_view proxy, bool else_direct = false) {
  Settings out;
  out.relay_address = {.host = "relay.example", .port = 443};
  if (!proxy.empty()) out.proxy = *parse_proxy(proxy);
  out.proxy_else_direct = else_direct;
  return out;
}

std::vector<std::string> labels_of(const Ways& ways) {
  std::vector<std::string> out;
  for (const Way& way : ways.all()) out.push_back(way.label());
  return out;
}

TEST(Ways, AreThoseOfTheSettings) {
  const std::string direct = "direct to relay.example:443", other = "direct to relay.example:80";
  const std::string proxied = "to relay.example:443 through the proxy proxy.example:3128";
  const std::string other_proxied = "to relay.example:80 through the proxy proxy.example:3128";
  EXPECT_EQ(labels_of(Ways(settings_with(""))), (std::vector{direct, other}));
  // A password is in no label.
  EXPECT_EQ(labels_of(Ways(settings_with("ada:hunter2@proxy.example:3128"))), (std::vector{proxied, other_proxied}));
  EXPECT_EQ(labels_of(Ways(settings_with("proxy.example:3128", true))),
            (std::vector{proxied, other_proxied, direct, other}));
}

TEST(Ways, LeadPastTheProxyWhereTheEnvironmentSaysSo) {
  Settings settings = settings_with("proxy.example:3128");
  settings.no_proxy = *NoProxy::parse("example");
  EXPECT_EQ(labels_of(Ways(settings)).front(), "direct to relay.example:443");
  settings.no_proxy = *NoProxy::parse("relay.example:80");
  EXPECT_EQ(labels_of(Ways(settings)),
            (std::vector<std::string>{"to relay.example:443 through the proxy proxy.example:3128",
                                      "direct to relay.example:80"}));
}

TEST(Ways, HaveNoFallBackWherePortsAreOnesOwn) {
  Settings settings = settings_with("");
  settings.relay_address.port = 8443;
  EXPECT_EQ(Ways(settings).all().size(), 1U);
  settings.relay_fallback = net::Address{.host = "relay.example", .port = 8080};
  EXPECT_EQ(Ways(settings).all().back().label(), "direct to relay.example:8080");
}

TEST(Ways, ByWebSocketAreLast) {
  Settings settings = settings_with("proxy.example:3128", true);
  settings.relay_web_socket = net::Address{.host = "gateway.example", .port = 80};
  const std::string by = " by WebSocket";
  const auto labels = labels_of(Ways(settings));
  ASSERT_EQ(labels.size(), 6U);
  EXPECT_EQ(labels[2], "to gateway.example:80 through the proxy proxy.example:3128" + by);
  EXPECT_EQ(labels[5], "direct to gateway.example:80" + by);
  // It is another way than the same port without it.
  settings = settings_with("");
  settings.relay_web_socket = settings.fallback();
  const Ways ways(settings, "direct to relay.example:80" + by);
  EXPECT_EQ(ways.used(), 2U);
}

TEST(Ways, WhatWorkedIsTriedFirst) {
  Ways ways(settings_with("proxy.example:3128", true));
  EXPECT_EQ(ways.order(kBegin), (Order{0, 1, 2, 3}));
  EXPECT_TRUE(ways.on_failed(0, {.hurdle = Hurdle::proxy, .detail = "refused"}, kBegin));
  EXPECT_TRUE(ways.on_failed(1, {.hurdle = Hurdle::proxy, .detail = "refused"}, kBegin));
  ways.on_worked(2);
  EXPECT_EQ(ways.used(), 2U);
  EXPECT_EQ(ways.order(kBegin), (Order{2, 0, 1, 3}));
  EXPECT_EQ(ways.record(0).error, "refused");
}

TEST(Ways, BetterOnesAreTriedAgainLater) {
  Ways ways(settings_with(""));
  EXPECT_EQ(ways.order(kBegin), (Order{0, 1}));
  ways.on_failed(0, {.hurdle = Hurdle::unreachable, .detail = "dropped"}, kBegin);
  ways.on_worked(1);
  EXPECT_EQ(ways.order(kBegin + kTryBetterAfter - milliseconds(1)), (Order{1, 0}));
  const Instant later = kBegin + kTryBetterAfter;
  EXPECT_EQ(ways.order(later), (Order{0, 1}));
  ways.on_failed(0, {.hurdle = Hurdle::unreachable, .detail = "dropped"}, later);
  EXPECT_EQ(ways.order(later), (Order{1, 0}));
  ways.on_worked(0);
  // A worse one is not.
  EXPECT_EQ(ways.order(later + 2 * kTryBetterAfter), (Order{0, 1}));
}

TEST(Ways, GoOnFromWhatIsRemembered) {
  Ways ways(settings_with(""), "direct to relay.example:80");
  EXPECT_EQ(ways.order(kBegin), (Order{1, 0}));
  EXPECT_EQ(ways.order(kBegin + kTryBetterAfter), (Order{0, 1}));
  Ways foreign(settings_with(""), "direct to elsewhere.example:80");
  EXPECT_EQ(foreign.order(kBegin), (Order{0, 1}));
}

TEST(Ways, AConnectionThatBreaksOnTheWayThatWorkedLeadsElsewhereOnlyWhenItRepeats) {
  Ways ways(settings_with(""));
  const Attempt broken{.hurdle = Hurdle::broken, .detail = "reset"};
  EXPECT_TRUE(ways.on_failed(0, broken, kBegin)) << "nothing has worked yet";
  ways.on_worked(0);
  EXPECT_FALSE(ways.on_failed(0, broken, kBegin));
  EXPECT_FALSE(ways.on_failed(0, broken, kBegin));
  EXPECT_TRUE(ways.on_failed(0, broken, kBegin));
  ways.on_worked(0);
  EXPECT_FALSE(ways.on_failed(0, broken, kBegin)) << "counted anew";
  EXPECT_TRUE(ways.on_failed(0, {.hurdle = Hurdle::unreachable, .detail = "refused"}, kBegin));
  EXPECT_TRUE(ways.on_failed(0, {.hurdle = Hurdle::inspected, .detail = "by x"}, kBegin));
  EXPECT_TRUE(ways.record(0).is_inspected);
}

TEST(WayMemory, KeepsTheNewestNetworks) {
  WayMemory memory;
  for (std::size_t i = 0; i < kMaxNetworks + 2; ++i) memory.enter(std::to_string(i)).is_sealed = true;
  memory.enter("5");
  EXPECT_EQ(memory.networks.size(), kMaxNetworks);
  EXPECT_EQ(memory.networks.front().network, "5");
  EXPECT_TRUE(memory.networks.front().is_sealed);
  EXPECT_EQ(memory.networks.back().network, "2");
}

TEST(WayMemory, ReadsWhatItWrites) {
  WayMemory memory{.way = "direct to relay.example:80", .networks = {}};
  memory.enter("10.0.3.0/24 direct to relay.example:80") = {.network = "10.0.3.0/24 direct to relay.example:80",
                                                            .ping = {.current = seconds(7), .ceiling = seconds(8)},
                                                            .is_sealed = true};
  memory.enter("fd00::/64 \"quoted\"");
  const auto read = parse_way_memory(as_bytes(encode_way_memory(memory)));
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(*read, memory);
  // As large as it gets.
  WayMemory whole{.way = std::string(kMaxWayText, 'w'), .networks = {}};
  for (std::size_t i = 0; i < kMaxNetworks; ++i) whole.enter(std::string(kMaxWayText, static_cast<char>('a' + i)));
  EXPECT_TRUE(parse_way_memory(as_bytes(encode_way_memory(whole))));
}

TEST(WayMemory, RefusesWhatItDoesNotWrite) {
  const std::string network = R"({"network":"n","ping_s":7,"ceiling_s":8,"sealed":false})";
  ASSERT_TRUE(parse_way_memory(as_bytes(R"({"way":"","networks":[)" + network + "]}")));
  const std::string wrong[] = {
      "",
      "[]",
      R"({"way":""})",
      R"({"networks":[]})",
      R"({"way":1,"networks":[]})",
      R"({"way":"","networks":{}})",
      R"({"way":"","networks":[],"more":1})",
      R"({"way":"","networks":[1]})",
      R"({"way":"","networks":[)" + network + "," + network + "]}",
      R"({"way":"","networks":[{"network":"n","ping_s":-1,"ceiling_s":8,"sealed":false}]})",
      R"({"way":"","networks":[{"network":"n","ping_s":7,"ceiling_s":9223372036854775807,"sealed":false}]})",
      R"({"way":"","networks":[{"network":"n","ping_s":7,"ceiling_s":8,"sealed":"no"}]})",
      R"({"way":"","networks":[{"network":"n","ping_s":7,"ceiling_s":8}]})",
      R"({"way":"\n","networks":[]})",
      R"({"way":"ä","networks":[]})",
      R"({"way":")" + std::string(kMaxWayText + 1, 'w') + R"(","networks":[]})",
  };
  for (const std::string& text : wrong) EXPECT_FALSE(parse_way_memory(as_bytes(text))) << text;
}

TEST(WayMemory, ANetworkIsTheFirstBitsOfTheOwnAddress) {
  EXPECT_EQ(network_of("10.0.3.7"), "10.0.3.0/24");
  EXPECT_EQ(network_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(network_of(""), "");
  EXPECT_EQ(network_of("relay.example"), "");
}

}  // namespace
}  // namespace sallyport::agent
