#include "agent/web_socket_way.h"

#include "agent/detail/test_way_out.h"
#include "agent/tunnel_request.h"
#include "net/websocket_stream.h"
#include "tunnel/websocket_upgrade.h"

namespace sallyport::agent {
namespace {

using testing::kSoon;
using testing::read_head;
using testing::Road;
using testing::SocksProxy;
using testing::WayOutTest;

// The plain port of a relay: takes WebSockets off, and leads on.
class PlainPort {
 public:
  PlainPort(net::Io& io, net::Address relay)
      : relay_(std::move(relay)),
        road_(io, [this](net::StreamPtr stream) { return serve(*this, std::move(stream)); }) {}
  const net::Address& address() const { return road_.address(); }
  std::vector<std::string> asked;
  std::string answer;        // instead, where it is not empty
  unsigned misdirected = 0;  // so many times

 private:
  static net::Task<void> serve(PlainPort& self, net::StreamPtr stream) {
    self.asked.push_back(co_await read_head(*stream));
    const auto upgrade = tunnel::find_upgrade(as_bytes(self.asked.back()));
    CO_ASSERT(upgrade && *upgrade);
    if (self.misdirected > 0) {
      --self.misdirected;
      static_cast<void>(co_await stream->write_all(as_bytes("HTTP/1.1 421 Not here\r\n\r\n"), kSoon));
      co_return;
    }
    const Bytes reply = self.answer.empty() ? (*upgrade)->bytes : to_bytes(self.answer);
    CO_ASSERT(co_await stream->write_all(reply, kSoon));
    if (self.answer.empty() && (*upgrade)->is_accepted)
      co_await testing::carry_to(net::make_web_socket_server(std::move(stream), {}), self.relay_);
  }
  net::Address relay_;
  Road road_;
};

class WebSocketWay : public WayOutTest {
 protected:
  WebSocketWay() : plain(io, relay.address()) {
    // Nothing else leads anywhere.
    settings.relay_address = {.host = "127.0.0.1", .port = 1};
    settings.relay_web_socket = plain.address();
  }
  PlainPort plain;
};

TEST_F(WebSocketWay, IsTakenWhereNothingElseLeadsOut) {
  WayOut way_out(settings, random);
  const auto reached = connect(way_out);
  ASSERT_TRUE(reached) << reached.error().detail;
  EXPECT_EQ(reached->way, 1U);
  // The network is known by the address that the connection left by.
  EXPECT_EQ(reached->network, "127.0.0.0/24 direct to " + net::to_string(plain.address()) + " by WebSocket");
  ASSERT_EQ(plain.asked.size(), 1U);
  EXPECT_TRUE(plain.asked.front().starts_with("GET /sallyport-tunnel HTTP/1.1\r\n")) << plain.asked.front();
}

TEST_F(WebSocketWay, LeadsThroughASocksProxyWithoutALoginForWhoStandsBehindIt) {
  SocksProxy proxy(io, "ada", "hunter2");
  settings.proxy = parse_proxy("socks5://ada:hunter2@" + net::to_string(proxy.address())).value();
  settings.proxy_login = tunnel::LoginRule::basic_at_once;
  WayOut way_out(settings, random);
  const auto reached = connect(way_out);
  ASSERT_TRUE(reached) << reached.error().detail;
  EXPECT_EQ(proxy.asked.back(), plain.address());
  EXPECT_EQ(plain.asked.front().find("Proxy-Authorization"), std::string::npos);
}

// A proxy that knows no CONNECT but lets WebSockets pass, to who has a login.
class UpgradingProxy {
 public:
  explicit UpgradingProxy(net::Io& io)
      : road_(io, [this](net::StreamPtr stream) { return serve(*this, std::move(stream)); }) {}
  const net::Address& address() const { return road_.address(); }
  std::vector<std::string> asked;

 private:
  static net::Task<void> serve(UpgradingProxy& self, net::StreamPtr stream) {
    for (;;) {
      std::string head = co_await read_head(*stream);
      if (head.empty()) co_return;
      self.asked.push_back(head);
      constexpr std::string_view kScheme = "GET http://";
      const bool is_known = head.find("Proxy-Authorization: Digest") != std::string::npos;
      if (is_known && head.starts_with(kScheme)) {
        const std::size_t path = head.find('/', kScheme.size());
        const auto target = net::parse_address(head.substr(kScheme.size(), path - kScheme.size()));
        CO_ASSERT(target);
        auto far = co_await net::connect_tcp(*target, kSoon);
        CO_ASSERT(far);
        CO_ASSERT(co_await (*far)->write_all(as_bytes("GET " + head.substr(path)), kSoon));
        static_cast<void>(co_await net::copy_both_ways(*stream, **far, kSoon));
        co_return;
      }
      const std::string_view refusal = head.starts_with("CONNECT ")
                                           ? "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n"
                                           : "HTTP/1.1 407 Who\r\nProxy-Authenticate: Digest realm=r, nonce=n, "
                                             "qop=auth\r\nContent-Length: 0\r\n\r\n";
      if (!co_await stream->write_all(as_bytes(refusal), kSoon)) co_return;
    }
  }
  Road road_;
};

TEST_F(WebSocketWay, LeadsThroughAProxyThatKnowsNoConnect) {
  UpgradingProxy proxy(io);
  WayOut way_out(through(proxy.address()), random);
  const auto reached = connect(way_out);
  ASSERT_TRUE(reached) << reached.error().detail;
  const std::string target = "GET http://" + net::to_string(plain.address()) + "/sallyport-tunnel HTTP/1.1\r\n";
  ASSERT_EQ(proxy.asked.size(), 3U);  // CONNECT, an upgrade, one with a login
  EXPECT_TRUE(proxy.asked[1].starts_with(target)) << proxy.asked[1];
  EXPECT_NE(proxy.asked[2].find("uri=\"http://" + net::to_string(plain.address()) + "/sallyport-tunnel\""),
            std::string::npos)
      << proxy.asked[2];
}

TEST_F(WebSocketWay, IsAskedForAgainWhereItCameToSomebodyElse) {
  plain.misdirected = 3;
  WayOut way_out(settings, random);
  const auto reached = connect(way_out);
  ASSERT_TRUE(reached) << reached.error().detail;
  EXPECT_EQ(plain.asked.size(), 4U);
  plain.misdirected = kMaxMisdirected + 1;
  plain.asked.clear();
  WayOut another(settings, random);
  const auto refused = connect(another);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail.find("answered 421 to a WebSocket"), std::string::npos) << refused.error().detail;
  EXPECT_EQ(plain.asked.size(), kMaxMisdirected + 1);
}

TEST_F(WebSocketWay, SaysWhatIsInItsWay) {
  const struct {
    std::string answer, says;
  } cases[] = {
      {"HTTP/1.1 404 Not Found\r\n\r\n", "answered 404 to a WebSocket, want 101"},
      {"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", "wants a user name and password"},
      {"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: another\r\n\r\n",
       "another Sec-WebSocket-Accept"},
      {"SSH-2.0-OpenSSH_9.2\r\n", "does not begin with HTTP/1."},
  };
  for (const auto& one : cases) {
    plain.answer = one.answer;
    WayOut way_out(settings, random);
    const auto reached = connect(way_out);
    ASSERT_FALSE(reached);
    const std::string want = net::to_string(plain.address()) + ": ";
    EXPECT_NE(reached.error().detail.find(want), std::string::npos) << reached.error().detail;
    EXPECT_NE(reached.error().detail.find(one.says), std::string::npos) << reached.error().detail;
  }
}

}  // namespace
}  // namespace sallyport::agent
