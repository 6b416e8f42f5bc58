#include "net/hand_over.h"
#include "relay/detail/test_relay.h"
#include "relay/redirect.h"
#include "relay/route.h"

namespace sallyport::relay::testing {
namespace {

class Door : public RelayTest {};

TEST(Route, NamesGoWhereTheyBelong) {
  const auto role = [](std::string_view name) -> std::string {
    const auto route = find_route(DnsName(std::string(name)), kZone, kConsole);
    const auto* found = std::get_if<ToRole>(&route);
    return found == nullptr ? "" : std::string(found->role);
  };
  EXPECT_EQ(role("gateway.devices.example"), "gateway");
  EXPECT_EQ(role("status.devices.example"), "status");
  EXPECT_EQ(role("console.example"), "console");
  EXPECT_EQ(role("api.console.example"), "console");
  for (const char* nobody : {"devices.example", "relay.devices.example", "x.gateway.devices.example",
                             "gatewayxdevices.example", "xapi.console.example", "gateway.devices.example.org"}) {
    EXPECT_TRUE(std::holds_alternative<ToNobody>(find_route(DnsName(nobody), kZone, kConsole))) << nobody;
  }
  const auto control = find_route(DnsName("abcdefgh23.relay.devices.example"), kZone, kConsole);
  ASSERT_TRUE(std::holds_alternative<ToControl>(control));
  EXPECT_EQ(std::get<ToControl>(control).device, DeviceName("abcdefgh23"));
  const auto device = find_route(DnsName("abcdefghijklmno2.abcdefgh23.devices.example"), kZone, kConsole);
  ASSERT_TRUE(std::holds_alternative<ToDevice>(device));
  EXPECT_EQ(std::get<ToDevice>(device).label, GrantLabel("abcdefghijklmno2"));
  // A device's own web name, without a label, is nobody's.
  EXPECT_TRUE(std::holds_alternative<ToNobody>(find_route(DnsName("abcdefgh23.devices.example"), kZone, kConsole)));
  EXPECT_TRUE(std::holds_alternative<ToNobody>(
      find_route(DnsName("x.abcdefghijklmno2.abcdefgh23.devices.example"), kZone, kConsole)));
}

TEST(Route, OwnersAreStableAndSpread) {
  // DO NOT CHANGE: workers of two versions share a machine during an upgrade.
  EXPECT_EQ(owner_of(DeviceName("abcdefgh23"), 7).get(), owner_of(DeviceName("abcdefgh23"), 7).get());
  EXPECT_EQ(owner_of(DeviceName("abcdefgh23"), 1).get(), 0);
  SeededRandom random(1);
  std::array<int, 4> counts{};
  for (int i = 0; i < 4'000; ++i) ++counts.at(owner_of(draw_device_name(random), 4).get());
  for (const int count : counts) EXPECT_NEAR(count, 1'000, 150);
}

std::string redirect(std::string_view head, std::uint16_t port = 443) {
  const auto answer = find_redirect(as_bytes(head), kZone, kConsole, port);
  if (!answer) return std::string(to_string(answer.error().code));
  if (!*answer) return "more";
  const std::string_view text = as_text(**answer);
  const auto from = text.find("Location: ") + 10;
  return std::string(text.substr(from, text.find("\r\n", from) - from));
}

TEST(Redirect, SendsToHttpsUnderOurNamesAlone) {
  EXPECT_EQ(redirect("GET /a?b=c HTTP/1.1\r\nHost: console.example\r\n\r\n"), "https://console.example/a?b=c");
  EXPECT_EQ(redirect("GET / HTTP/1.1\r\nhost:  Console.Example:80 \r\n\r\n", 8443), "https://console.example:8443/");
  EXPECT_EQ(redirect("GET / HTTP/1.1\r\nHost: x.devices.example\r\n"), "more");
  for (const char* wrong :
       {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: console.example\r\nHost: console.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: console.example@evil.example\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: console.example\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\nHost: console.example\r\n\r\n", "GET\r\nHost: console.example\r\n\r\n"}) {
    EXPECT_EQ(redirect(wrong), "malformed") << wrong;
  }
  EXPECT_EQ(redirect(std::string(kMaxPlainHead, 'a')), "malformed");
}

net::Task<Result<Bytes>> talk(std::uint16_t port, std::string bytes) {
  CO_TRY(auto stream, co_await net::connect_tcp(loopback(port), kPatience));
  CO_TRY_VOID(co_await stream->write_all(as_bytes(bytes), kPatience));
  co_return co_await net::read_to_end(*stream, 4096, kPatience);
}

TEST_F(Door, PlainHttpIsRedirectedAndGarbageHearsNothing) {
  const auto port = start_worker();
  run([](Door&, std::uint16_t at) -> net::Task<void> {
    const auto moved = co_await talk(at, "GET /devices HTTP/1.1\r\nHost: console.example\r\n\r\n");
    CO_ASSERT(moved.has_value());
    EXPECT_NE(as_text(*moved).find("308"), std::string_view::npos);
    EXPECT_NE(as_text(*moved).find("https://console.example:8443/devices"), std::string_view::npos);
    for (const char* noise : {"\x01\x02garbage", "SSH-2.0-x\r\n", "SPDX----------------------------------"}) {
      const auto answer = co_await talk(at, noise);
      EXPECT_TRUE(!answer || answer->empty());
    }
  }(*this, port));
}

struct Given {
  net::StreamPtr stream;
  bool is_tls = false;
  std::string source;
};

TEST_F(Door, RolesGetConnectionsWithTheirBytesUnread) {
  const auto port = start_worker();
  auto gateway = net::Listener::unix_socket(io_.executor(), folder_ + "/gateway.sock");
  auto status = net::Listener::unix_socket(io_.executor(), folder_ + "/status.sock");
  std::vector<Given> given;
  const auto take = [&given](net::HandedOver one) {
    given.push_back({std::move(one.stream), one.is_tls, std::move(one.source)});
  };
  net::spawn(io_.executor(), net::serve_hand_over(**gateway, {::geteuid()}, take), "test.gateway");
  net::spawn(io_.executor(), net::serve_hand_over(**status, {::geteuid()}, take), "test.status");
  run([](Door& t, std::uint16_t at, std::vector<Given>& taken) -> net::Task<void> {
    auto plain = co_await net::connect_tcp(loopback(at), kPatience);
    CO_ASSERT(plain.has_value());
    const std::string request = "POST /ocsp HTTP/1.1\r\nHost: status.devices.example\r\n\r\n";
    CO_ASSERT((co_await (*plain)->write_all(as_bytes(request), kPatience)).has_value());
    CO_ASSERT(co_await until([&] { return taken.size() == 1; }));
    EXPECT_FALSE(taken.front().is_tls);
    EXPECT_EQ(taken.front().source.substr(0, 10), "127.0.0.1:");
    Bytes read(request.size());
    CO_ASSERT((co_await net::read_exactly(*taken.front().stream, read, kPatience)).has_value());
    EXPECT_EQ(as_text(read), request);
    // The role ends TLS itself, on the connection that was accepted here.
    net::spawn(
        t.io_.executor(),
        [](Door& self, std::uint16_t to) -> net::Task<void> {
          static_cast<void>(co_await visit(self.tree_, to, "gateway." + kZone.get()));
        }(t, at),
        "test.device");
    CO_ASSERT(co_await until([&] { return taken.size() == 2; }));
    EXPECT_TRUE(taken.back().is_tls);
    crypto::TlsServerSettings settings;
    const auto leaf = t.tree_.make_leaf(pki::ProfileId::server, t.tree_.server_ca, {"gateway." + kZone.get()});
    settings.identity = t.tree_.identity(leaf, t.tree_.server_ca);
    auto context = crypto::TlsContext::server(std::move(settings));
    auto inner = co_await net::tls_accept(std::move(taken.back().stream), *std::move(context), kPatience);
    // The visitor wants a device's certificate and ends it: that he has seen ours is enough.
    EXPECT_FALSE(inner.has_value());
    EXPECT_NE(inner.error().detail.find("alert"), std::string::npos) << inner.error().detail;
  }(*this, port, given));
}

TEST_F(Door, SlowHelloRunsIntoItsDeadlineAndManyIntoTheCap) {
  Settings chosen = settings(0, 1);
  chosen.first_flight = milliseconds(300);
  chosen.caps.per_source = 2;
  const auto port = start_worker(chosen);
  run([](Door& t, std::uint16_t at) -> net::Task<void> {
    // Half a hello, and nothing more.
    const Bytes half = {22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3};
    std::vector<net::StreamPtr> slow;
    for (int i = 0; i < 2; ++i) {
      auto stream = co_await net::connect_tcp(loopback(at), kPatience);
      CO_ASSERT(stream.has_value());
      CO_ASSERT((co_await (*stream)->write_all(half, kPatience)).has_value());
      slow.push_back(*std::move(stream));
    }
    CO_ASSERT(co_await until([&] { return t.worker().counts().strangers == 2; }));
    auto third = co_await net::connect_tcp(loopback(at), kPatience);
    std::array<std::uint8_t, 16> buffer;
    // Reset, which connecting itself may already see.
    EXPECT_FALSE(third && (co_await (*third)->read_some(buffer, kPatience)).has_value());
    EXPECT_EQ(t.worker().counts().strangers, 2U);
    for (const auto& stream : slow) EXPECT_FALSE((co_await stream->read_some(buffer, kPatience)).has_value());
    CO_ASSERT(co_await until([&] { return t.worker().counts().strangers == 0; }));
  }(*this, port));
}

}  // namespace
}  // namespace sallyport::relay::testing
