#include "rpcnode/settings.h"

#include <gtest/gtest.h>

namespace sallyport::rpcnode {
namespace {

constexpr std::string_view kWhole = R"(
node = "pump-1"
prefix = "plant/hall-1"
[[broker]]
url = "mqtts://broker.example"
version = "5"
username = "pump"
password_file = "password"
ca = "ca.pem"
[[broker]]
url = "mqtt://127.0.0.1:1884"
[[method]]
name = "pump.start"
description = "starts it"
command = ["/usr/bin/pump", "start"]
limit = "30s"
concurrent = 1
[[method]]
name = "plc.read"
http = "http://127.0.0.1:8080/read?fast=1"
idempotent = true
)";

TEST(RpcSettings, EverythingThatIsWrittenIsRead) {
  const auto settings = parse_settings(kWhole, "rpc.toml", "/etc/rpc");
  ASSERT_TRUE(settings) << settings.error().detail;
  EXPECT_EQ(settings->node.get(), "pump-1");
  EXPECT_EQ(settings->prefix.get(), "plant/hall-1");
  ASSERT_EQ(settings->brokers.size(), 2U);
  EXPECT_EQ(settings->brokers[0].address.port, 8'883);
  EXPECT_EQ(settings->brokers[0].ca_file, "/etc/rpc/ca.pem");
  EXPECT_TRUE(settings->brokers[0].mqtt5);
  EXPECT_FALSE(settings->brokers[1].mqtt5);
  ASSERT_EQ(settings->methods.size(), 2U);
  EXPECT_EQ(settings->methods[0].limit, seconds(30));
  EXPECT_EQ(settings->methods[1].endpoint->target, "/read?fast=1");
}

TEST(RpcSettings, WhatIsWrongIsRefusedWithItsLine) {
  const auto refused = [](std::string_view text, std::string_view why) {
    const auto settings = parse_settings(text, "rpc.toml");
    ASSERT_FALSE(settings) << text;
    EXPECT_NE(settings.error().detail.find("rpc.toml:"), std::string::npos) << settings.error().detail;
    EXPECT_NE(settings.error().detail.find(why), std::string::npos) << settings.error().detail;
  };
  const std::string head = "node = \"a\"\n[[broker]]\nurl = \"mqtt://127.0.0.1\"\n";
  refused("node = \"a\"\n", "broker");
  refused("node = \"a b\"\n", "node");
  refused("node = \"a\"\n[[broker]]\nurl = \"http://x\"\n", "url");
  refused("node = \"a\"\n[[broker]]\nurl = \"mqtts://x.example\"\n", "ca");
  refused("node = \"a\"\n[[broker]]\nurl = \"mqtt://x.example\"\nca = \"a\"\n", "ca");
  refused("node = \"a\"\n[[broker]]\nurl = \"mqtt://x.example\"\nusername = \"u\"\npassword_file = \"p\"\n", "clear");
  refused(head + "version = \"4\"\n", "version");
  refused(head + "[[method]]\nname = \"a\"\n", "command");
  refused(head + "[[method]]\nname = \"a\"\ncommand = [\"pump\"]\n", "absolute");
  refused(head + "[[method]]\nname = \"a\"\nhttp = \"http://plc.example:80/\"\n", "loopback");
  refused(head + "[[method]]\nname = \"rpc.a\"\ncommand = [\"/a\"]\n", "reserved");
  refused(head + "[[method]]\nname = \"a\"\ncommand = [\"/a\"]\n[[method]]\nname = \"a\"\ncommand = [\"/b\"]\n",
          "twice");
  refused(head + "[[method]]\nname = \"a\"\ncommand = [\"/a\"]\nlimit = \"11m\"\n", "limit");
  refused(head + "[[method]]\nname = \"a\"\ncommand = [\"/a\"]\nidempotnt = true\n", "did you mean");
}

TEST(RpcSettings, AnEndpointIsPlainAndThereforeOfThisMachine) {
  EXPECT_TRUE(parse_http_endpoint("http://127.0.0.1:80/a"));
  EXPECT_TRUE(parse_http_endpoint("http://[::1]:80"));
  for (const std::string_view bad : {"https://127.0.0.1:80/a", "http://10.0.0.1:80/a", "http://127.0.0.1:80/a b",
                                     "http://127.0.0.1:80/a#b", "http://127.0.0.1/\r\nX: y", "127.0.0.1:80", ""})
    EXPECT_FALSE(parse_http_endpoint(bad)) << bad;
}

TEST(BrokerUrl, PortsAreThoseOfMqttWithoutOne) {
  EXPECT_EQ(parse_broker_url("mqtt://a.example")->address.port, 1'883);
  EXPECT_EQ(parse_broker_url("mqtts://a.example")->address.port, 8'883);
  EXPECT_EQ(parse_broker_url("mqtt://[::1]")->address.port, 1'883);
  EXPECT_EQ(parse_broker_url("mqtt://[::1]:1884")->address.port, 1'884);
  for (const std::string_view bad :
       {"a.example", "tcp://a.example", "mqtt://", "mqtt://a b", "mqtt://a:99999", "mqtt://a/b"})
    EXPECT_FALSE(parse_broker_url(bad)) << bad;
}

TEST(RpcSettings, TheMemoryOfTheProcessIsLimited) {
  const std::string rest = "node = \"a\"\n[[broker]]\nurl = \"mqtt://127.0.0.1\"\n";
  EXPECT_EQ(parse_settings(rest, "rpc.toml")->memory_limit, kDefaultNodeMemory);
  EXPECT_EQ(parse_settings("memory_limit = \"256MiB\"\n" + rest, "rpc.toml")->memory_limit, 256U << 20U);
  for (const std::string_view wrong : {"\"1MiB\"", "\"65GiB\"", "0", "\"none\"", "-1"})
    EXPECT_FALSE(parse_settings("memory_limit = " + std::string(wrong) + "\n" + rest, "rpc.toml")) << wrong;
}

TEST(RpcSettings, HttpsNeedsAKeyOfItsOwn) {
  const std::string text =
      "node = \"a\"\nhttps_listen = \"127.0.0.1:1\"\n[[broker]]\nurl = \"mqtt://127.0.0.1\"\n"
      "[[caller]]\nwho = \"device:abcdefghij\"\nallow = [\"test\"]\n";
  const auto settings = parse_settings(text, "rpc.toml");
  ASSERT_FALSE(settings) << "an agent signs for no TLS";
  EXPECT_NE(settings.error().detail.find("https_listen"), std::string::npos) << settings.error().detail;
}

}  // namespace
}  // namespace sallyport::rpcnode
