#include "agent/detail/test_way_out.h"
#include "agent/way_out.h"

namespace sallyport::agent {
namespace {

using testing::HttpProxy;
using testing::kSoon;
using testing::Road;
using testing::WayOutTest;

constexpr std::string_view kConsent = "HTTP/1.1 200 OK\r\n\r\n";

bool shows_basic(std::string_view head) {
  return head.find("Proxy-Authorization: Basic") != std::string_view::npos;
}

// A proxy that answers as it is told, and leads to one place.
class ScriptedProxy {
 public:
  using Reply = std::function<std::string(unsigned connection, const std::string& head)>;
  ScriptedProxy(net::Io& io, net::Address leads_to, Reply reply)
      : leads_to_(std::move(leads_to)),
        reply_(std::move(reply)),
        road_(io, [this](net::StreamPtr stream) { return serve(*this, std::move(stream)); }) {}
  const net::Address& address() const { return road_.address(); }
  unsigned connections = 0;

 private:
  static net::Task<void> serve(ScriptedProxy& self, net::StreamPtr stream) {
    const unsigned connection = ++self.connections;
    for (std::string reply; reply != kConsent;) {
      const std::string head = co_await testing::read_head(*stream);
      if (head.empty()) co_return;
      reply = self.reply_(connection, head);
      if (!co_await stream->write_all(as_bytes(reply), kSoon)) co_return;
    }
    co_await testing::carry_to(std::move(stream), self.leads_to_);
  }
  net::Address leads_to_;
  Reply reply_;
  Road road_;
};

TEST_F(WayOutTest, GoesThroughAProxyThatAsksForALogin) {
  HttpProxy proxy(io, "Basic YWRhOm9wZW4gc2VzYW1l");
  settings.proxy = parse_proxy("http://ada:open%20sesame@" + net::to_string(proxy.address())).value();
  WayOut way_out(settings, random);
  const auto reached = connect(way_out);
  ASSERT_TRUE(reached) << reached.error().detail;
  // The first request shows nothing, the second what is asked for, the next connection's the same at once.
  ASSERT_TRUE(connect(way_out));
  ASSERT_EQ(proxy.asked.size(), 3U);
  for (const std::string& head : proxy.asked)
    EXPECT_TRUE(head.starts_with("CONNECT " + net::to_string(relay.address()) + " HTTP/1.1\r\n")) << head;
  EXPECT_EQ(proxy.asked.front().find("Proxy-Authorization"), std::string::npos);
}

TEST_F(WayOutTest, SaysNoPasswordToAProxyThatTakesDigest) {
  HttpProxy proxy(io,
                  "Digest username=\"ada\", realm=\"plant\", nonce=\"n\", uri=\"" + net::to_string(relay.address()));
  proxy.asks = "Basic realm=x, Digest realm=plant, nonce=n, qop=auth, algorithm=SHA-256";
  settings.proxy = parse_proxy("http://ada:hunter2@" + net::to_string(proxy.address())).value();
  WayOut way_out(settings, random);
  const auto reached = connect(way_out);
  ASSERT_TRUE(reached) << reached.error().detail;
  ASSERT_TRUE(connect(way_out));
  ASSERT_EQ(proxy.asked.size(), 3U);
  EXPECT_NE(proxy.asked[1].find("nc=00000001"), std::string::npos) << proxy.asked[1];
  EXPECT_NE(proxy.asked[2].find("nc=00000002"), std::string::npos) << proxy.asked[2];
  for (const std::string& head : proxy.asked) EXPECT_EQ(head.find("Basic"), std::string::npos) << head;
}

// A nonce that is good on its own connection alone, as with a proxy of several processes.
TEST_F(WayOutTest, AnswersByTheConnectionThatWasAsked) {
  const std::string page(3'000, 'x');
  ScriptedProxy proxy(io, relay.address(), [&](unsigned connection, const std::string& head) {
    if (head.find(fmt::format("nonce=\"n{}\"", connection)) != std::string::npos) return std::string(kConsent);
    return fmt::format(
        "HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm=r, qop=auth, nonce=n{}\r\n"
        "Content-Length: {}\r\n\r\n{}",
        connection, page.size(), page);
  });
  // As if each were another device's: a nonce of before, unproven here, is no good.
  for (unsigned i = 1; i <= 3; ++i) {
    WayOut way_out(through(proxy.address()), random);
    const auto reached = connect(way_out);
    ASSERT_TRUE(reached) << reached.error().detail;
    EXPECT_EQ(proxy.connections, i);
  }
}

// By a login that was let through before, with a nonce of another connection.
TEST_F(WayOutTest, LogsInAnewWhereARememberedNonceIsNoGood) {
  ScriptedProxy proxy(io, relay.address(), [](unsigned connection, const std::string& head) {
    if (head.find(fmt::format("nonce=\"n{}\"", connection)) != std::string::npos) return std::string(kConsent);
    return fmt::format(
        "HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm=r, qop=auth, nonce=n{}\r\n"
        "Content-Length: 0\r\n\r\n",
        connection);
  });
  WayOut way_out(through(proxy.address()), random);
  for (unsigned i = 1; i <= 3; ++i) {
    const auto reached = connect(way_out);
    ASSERT_TRUE(reached) << reached.error().detail;
    EXPECT_EQ(proxy.connections, i);
  }
}

TEST_F(WayOutTest, LogsInByAnotherConnectionWhereTheFirstEnds) {
  const std::string_view cases[] = {
      "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.0 407 No\r\nProxy-Authenticate: Basic realm=x\r\n\r\n<html>",
      "HTTP/1.1 407 No\r\nContent-Length: 0\r\nProxy-Connection: close\r\n\r\n",
      "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 9\r\n\r\nmore than nine",
  };
  for (const std::string_view one : cases) {
    ScriptedProxy proxy(io, relay.address(), [&](unsigned, const std::string& head) {
      return std::string(shows_basic(head) ? kConsent : one);
    });
    WayOut way_out(through(proxy.address()), random);
    const auto reached = connect(way_out);
    ASSERT_TRUE(reached) << one << reached.error().detail;
    EXPECT_EQ(proxy.connections, 2U) << one;
  }
}

// Not 407: what it wants is not known, unless it is told.
TEST_F(WayOutTest, ShowsBasicUnaskedToAProxyThatNeverAsks) {
  ScriptedProxy proxy(io, relay.address(), [](unsigned, const std::string& head) {
    return std::string(shows_basic(head) ? kConsent : "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  });
  WayOut waits(through(proxy.address()), random);
  EXPECT_FALSE(connect(waits));
  settings.proxy_login = tunnel::LoginRule::basic_at_once;
  WayOut asks_first(settings, random);
  const auto reached = connect(asks_first);
  ASSERT_TRUE(reached) << reached.error().detail;
}

TEST_F(WayOutTest, KeepsThePasswordFromAProxyThatTakesBasicAloneWhereDigestIsWanted) {
  HttpProxy proxy(io, "Basic YWRhOm9wZW4gc2VzYW1l");
  settings.proxy = parse_proxy("http://ada:open%20sesame@" + net::to_string(proxy.address())).value();
  settings.proxy_login = tunnel::LoginRule::digest_alone;
  WayOut way_out(settings, random);
  const auto reached = connect(way_out);
  ASSERT_FALSE(reached);
  EXPECT_NE(reached.error().detail.find("answered 407: wants a login by basic; want one that takes Digest"),
            std::string::npos)
      << reached.error().detail;
  ASSERT_EQ(proxy.asked.size(), 1U);
  EXPECT_EQ(proxy.asked.front().find("Proxy-Authorization"), std::string::npos);
}

TEST_F(WayOutTest, NamesWrongCredentialsWithoutShowingThem) {
  HttpProxy proxy(io, "Basic somebody-else");
  settings.proxy = parse_proxy("http://ada:hunter2@" + net::to_string(proxy.address())).value();
  WayOut way_out(settings, random);
  const auto reached = connect(way_out);
  ASSERT_FALSE(reached);
  EXPECT_NE(reached.error().detail.find("refused user name or password"), std::string::npos) << reached.error().detail;
  EXPECT_EQ(reached.error().detail.find("hunter2"), std::string::npos);
  EXPECT_EQ(reached.error().detail.find("aHVudGVyMg"), std::string::npos);
}

TEST_F(WayOutTest, AsksAProxyForPlainHttpInAbsoluteForm) {
  const struct {
    std::string login, asks;
  } cases[] = {
      {"", ""},
      {"Basic YWRhOmh1bnRlcjI=\r\n\r\n", "Basic realm=x"},
      {"Digest username=\"ada\", realm=\"x\", nonce=\"n\", uri=\"http://status.devices.example:80/crl/witness\"",
       "Digest realm=x, nonce=n, qop=auth"},
  };
  for (const auto& one : cases) {
    HttpProxy proxy(io, one.login);
    proxy.asks = one.asks;
    proxy.answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    settings.proxy = parse_proxy("ada:hunter2@" + net::to_string(proxy.address())).value();
    settings.http_address = {.host = "status.devices.example", .port = 80};
    WayOut way_out(settings, random);
    EXPECT_EQ(status_by(way_out), 404U);
    EXPECT_EQ(proxy.asked.size(), one.login.empty() ? 1U : 2U);
    for (const std::string& head : proxy.asked)
      EXPECT_TRUE(head.starts_with("GET http://status.devices.example:80/crl/witness HTTP/1.1\r\n")) << head;
  }
}

// Longer than any answer that is waited for.
TEST_F(WayOutTest, ReadsPastTheLongPageOfAProxyThatAsks) {
  const std::string page(70'000, 'x');
  ScriptedProxy proxy(io, relay.address(), [&](unsigned, const std::string& head) {
    if (shows_basic(head)) return std::string("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    return fmt::format("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: {}\r\n\r\n{}",
                       page.size(), page);
  });
  settings.http_address = {.host = "status.devices.example", .port = 80};
  WayOut way_out(through(proxy.address()), random);
  EXPECT_EQ(status_by(way_out), 404U);
}

TEST_F(WayOutTest, IsToldOfAWrongLoginForPlainHttpOnce) {
  HttpProxy proxy(io, "Basic somebody-else");
  settings.proxy = parse_proxy("ada:hunter2@" + net::to_string(proxy.address())).value();
  settings.http_address = {.host = "status.devices.example", .port = 80};
  WayOut way_out(settings, random);
  EXPECT_EQ(status_by(way_out), 407U);
  EXPECT_EQ(proxy.asked.size(), 2U);
}

}  // namespace
}  // namespace sallyport::agent
