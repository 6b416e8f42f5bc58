#include "agent/way_out.h"

#include <fstream>

#include "agent/detail/test_way_out.h"

namespace sallyport::agent {
namespace {

using testing::HttpProxy;
using testing::kSoon;
using testing::kStart;
using testing::kZone;
using testing::Road;
using testing::SocksProxy;
using testing::Tree;
using testing::WayOutTest;

TEST_F(WayOutTest, GoesDirectlyWhereNothingElseIsNamed) {
  WayOut way_out(settings, random);
  const auto reached = connect(way_out);
  ASSERT_TRUE(reached) << reached.error().detail;
  EXPECT_EQ(reached->way, 0U);
  EXPECT_EQ(reached->network, "127.0.0.0/24 direct to " + net::to_string(relay.address()));
  EXPECT_EQ(way_out.ways().used(), 0U);
}

TEST_F(WayOutTest, GoesThroughASocksProxy) {
  SocksProxy open(io), closed(io, "ada", "open sesame");
  for (const auto& [proxy, login] : {std::pair(&open, ""), std::pair(&closed, "ada:open%20sesame@")}) {
    settings.proxy = parse_proxy(fmt::format("socks5://{}{}", login, net::to_string(proxy->address()))).value();
    WayOut way_out(settings, random);
    const auto reached = connect(way_out);
    ASSERT_TRUE(reached) << reached.error().detail;
    EXPECT_EQ(proxy->asked, std::vector{relay.address()});
    EXPECT_NE(reached->network.find("through the SOCKS proxy 127.0.0.1:"), std::string::npos) << reached->network;
  }
}

TEST_F(WayOutTest, LetsASocksProxyLookUpNames) {
  SocksProxy proxy(io);
  proxy.leads_to = relay.address();
  settings.relay_address = {.host = "relay.devices.example", .port = 8443};
  settings.proxy = Proxy{.address = proxy.address(), .credentials = nullptr, .kind = ProxyKind::socks5};
  WayOut way_out(settings, random);
  const auto reached = connect(way_out);
  ASSERT_TRUE(reached) << reached.error().detail;
  EXPECT_EQ(proxy.asked, std::vector{settings.relay_address});
}

TEST_F(WayOutTest, SaysWhatASocksProxyHasAgainstIt) {
  SocksProxy closed(io, "ada", "open sesame"), refuses(io);
  Road speaks_http(io, [](net::StreamPtr stream) -> net::Task<void> {
    static_cast<void>(co_await stream->write_all(as_bytes("HTTP/1.1 400 Bad Request\r\n\r\n"), kSoon));
  });
  refuses.reply = 2;
  const struct {
    std::string url;
    std::string_view says;
  } cases[] = {
      {"socks5://" + net::to_string(closed.address()), "wants a login"},
      {"socks5://ada:hunter2@" + net::to_string(closed.address()), "refused user name or password"},
      {"socks5://" + net::to_string(refuses.address()), "not allowed by its rules"},
      {"socks5://" + net::to_string(speaks_http.address()), "does not speak SOCKS 5"},
  };
  for (const auto& one : cases) {
    settings.proxy = parse_proxy(one.url).value();
    WayOut way_out(settings, random);
    const auto reached = connect(way_out);
    ASSERT_FALSE(reached) << one.says;
    EXPECT_NE(reached.error().detail.find("proxy 127.0.0.1:"), std::string::npos) << reached.error().detail;
    EXPECT_NE(reached.error().detail.find(one.says), std::string::npos) << reached.error().detail;
    EXPECT_EQ(reached.error().detail.find("hunter2"), std::string::npos);
  }
}

TEST_F(WayOutTest, SaysWhatAProxyHasAgainstIt) {
  const struct {
    std::string answer, says;
  } cases[] = {
      {"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", "wants a user name and password"},
      {"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n", "ntlm, negotiate"},
      {"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nevil", "does not let CONNECT"},
      {"HTTP/1.1 502 Bad Gateway\r\n\r\n", "answered 502"},
      {"HTTP/1.1 301 Moved\r\nLocation: http://login.example\r\n\r\n", "answered 301"},
      {"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>log in</html>", "bytes behind its reply"},
      {"SSH-2.0-OpenSSH_9.2\r\n", "does not begin with HTTP/1."},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(tunnel::kMaxConnectReply, 'x'), "head over"},
  };
  for (const auto& one : cases) {
    const std::string said = refusal_by(one.answer);
    EXPECT_NE(said.find(one.says), std::string::npos) << said;
    EXPECT_NE(said.find("proxy 127.0.0.1:"), std::string::npos) << said;
  }
}

TEST_F(WayOutTest, IsNotHeldByAProxyThatClosesOrDrips) {
  Road closes(io, [](net::StreamPtr stream) -> net::Task<void> {
    stream->close();
    co_return;
  });
  settings.proxy = Proxy{.address = closes.address(), .credentials = nullptr};
  WayOut first(settings, random);
  const auto closed = connect(first);
  ASSERT_FALSE(closed);
  EXPECT_NE(closed.error().detail.find("closed before it answered"), std::string::npos) << closed.error().detail;

  // An octet each 5 ms, for ever.
  Road drips(io, [](net::StreamPtr stream) -> net::Task<void> {
    for (std::string_view next = "HTTP/1.1 200 ";; next = "x") {
      if (auto told = co_await stream->write_all(as_bytes(next), kSoon); !told) co_return;
      co_await net::sleep_for(milliseconds(5));
    }
  });
  settings.proxy = Proxy{.address = drips.address(), .credentials = nullptr};
  WayOut second(settings, random);
  std::optional<Result<net::StreamPtr>> dialled;
  const auto dial = [](WayOut& way_out, std::optional<Result<net::StreamPtr>>& into) -> net::Task<void> {
    into.emplace(co_await way_out.dial(0, milliseconds(100)));
  };
  io.restart();
  net::run(io, dial(second, dialled));
  ASSERT_TRUE(dialled && !*dialled);
  EXPECT_EQ(dialled->error().code, Errc::expired);
  EXPECT_NE(dialled->error().detail.find("did not answer in time"), std::string::npos) << dialled->error().detail;
}

TEST_F(WayOutTest, GoesDirectlyPastAProxyOnlyWhereThatIsWanted) {
  settings.proxy = Proxy{.address = {.host = "127.0.0.1", .port = 1}, .credentials = nullptr};
  WayOut strict(settings, random);
  EXPECT_FALSE(connect(strict));
  settings.proxy_else_direct = true;
  WayOut lenient(settings, random);
  const auto reached = connect(lenient);
  ASSERT_TRUE(reached) << reached.error().detail;
  EXPECT_EQ(lenient.ways().record(0).state, WayState::failed);
  EXPECT_NE(lenient.ways().record(0).error, "");
}

TEST_F(WayOutTest, TakesTheOtherPortAndRemembersItOverARestart) {
  settings.relay_address = {.host = "127.0.0.1", .port = 1};
  settings.relay_fallback = relay.address();
  testing::Folder folder;
  {
    auto state = AgentState::initialise(folder / "state", settings, tree.root, random);
    ASSERT_TRUE(state);
    WayOut way_out(*state, random);
    ASSERT_TRUE(connect(way_out));
    EXPECT_EQ(way_out.ways().used(), 1U);
    NetworkMemory known = way_out.find_network("n");
    known.is_sealed = true;
    known.ping = {.current = seconds(7), .ceiling = seconds(8)};
    way_out.keep_network(known);
  }
  auto state = AgentState::open(folder / "state");
  ASSERT_TRUE(state);
  WayOut way_out(*state, random);
  EXPECT_EQ(way_out.ways().used(), 1U);
  EXPECT_TRUE(way_out.find_network("n").is_sealed);
  EXPECT_EQ(way_out.find_network("n").ping.ceiling, seconds(8));
  EXPECT_FALSE(way_out.find_network("another").is_sealed);
  ASSERT_TRUE(state->reset());
  EXPECT_EQ(state->way_memory(), WayMemory());
}

TEST_F(WayOutTest, AFileThatIsNoMemoryIsNone) {
  testing::Folder folder;
  auto state = AgentState::initialise(folder / "state", settings, tree.root, random);
  ASSERT_TRUE(state);
  std::ofstream(state->file("ways-out")) << "{\"way\":";
  WayOut way_out(*state, random);
  EXPECT_EQ(way_out.ways().used(), std::nullopt);
  EXPECT_TRUE(connect(way_out));
  EXPECT_EQ(state->way_memory().way, "direct to " + net::to_string(relay.address()));
}

TEST_F(WayOutTest, NamesWhoInspectsTlsAndWhatToAskFor) {
  HttpProxy proxy(io);
  proxy.leads_to = foreign.address();
  settings.proxy = Proxy{.address = proxy.address(), .credentials = nullptr};
  WayOut way_out(settings, random);
  const auto reached = connect(way_out);
  ASSERT_FALSE(reached);
  const std::string& said = reached.error().detail;
  EXPECT_NE(said.find("the proxy " + net::to_string(proxy.address()) + " ends TLS"), std::string::npos) << said;
  EXPECT_NE(said.find(others.server_ca.certificate.subject().text()), std::string::npos) << said;
  EXPECT_NE(said.find("exempt " + net::to_string(relay.address()) + " and *.devices.example"), std::string::npos)
      << said;
  EXPECT_TRUE(way_out.ways().record(0).is_inspected);
  EXPECT_EQ(reached.error().code, Errc::unauthorized);
}

TEST_F(WayOutTest, GoesRoundWhoInspectsTls) {
  settings.relay_address = foreign.address();
  settings.relay_fallback = relay.address();
  WayOut way_out(settings, random);
  const auto reached = connect(way_out);
  ASSERT_TRUE(reached) << reached.error().detail;
  EXPECT_EQ(reached->way, 1U);
  EXPECT_TRUE(way_out.ways().record(0).is_inspected);
}

// What a server of ours is refused for is no matter of the way.
TEST_F(WayOutTest, TakesNoOtherWayToAServerOfOursThatIsRefused) {
  Road other(io, [this](net::StreamPtr stream) { return testing::carry_to(std::move(stream), relay.address()); });
  settings.relay_fallback = other.address();
  expected = under("gateway", kZone);
  WayOut way_out(settings, random);
  const auto reached = connect(way_out);
  ASSERT_FALSE(reached);
  EXPECT_EQ(reached.error().detail.find("ends TLS"), std::string::npos) << reached.error().detail;
  EXPECT_EQ(other.connections, 0U);
}

net::Task<void> answer_404(std::string& head, net::StreamPtr stream) {
  head = co_await testing::read_head(*stream);
  static_cast<void>(co_await stream->write_all(as_bytes("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), kSoon));
}

TEST_F(WayOutTest, AsksForStatusDirectlyWhereAProxyLeadsNowhereAndThatIsAllowed) {
  std::string head;
  Road status_host(io, [&head](net::StreamPtr stream) { return answer_404(head, std::move(stream)); });
  SocksProxy refuses(io);
  refuses.reply = 2;
  settings.http_address = status_host.address();
  settings.proxy = Proxy{.address = refuses.address(), .credentials = nullptr, .kind = ProxyKind::socks5};
  settings.proxy_else_direct = true;
  WayOut way_out(settings, random);
  EXPECT_EQ(status_by(way_out), 404U);
  EXPECT_EQ(refuses.asked.size(), 1U);
}

TEST_F(WayOutTest, AsksForStatusThroughASocksProxyAsWithoutOne) {
  std::string head;
  Road status_host(io, [&head](net::StreamPtr stream) { return answer_404(head, std::move(stream)); });
  SocksProxy proxy(io);
  proxy.leads_to = status_host.address();
  settings.proxy = Proxy{.address = proxy.address(), .credentials = nullptr, .kind = ProxyKind::socks5};
  settings.http_address = {.host = "status.devices.example", .port = 80};
  WayOut way_out(settings, random);
  EXPECT_EQ(status_by(way_out), 404U);
  EXPECT_EQ(proxy.asked, std::vector{settings.http_address});
  EXPECT_TRUE(head.starts_with("GET /crl/witness HTTP/1.1\r\n")) << head;
}

}  // namespace
}  // namespace sallyport::agent
