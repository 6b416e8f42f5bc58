#include "http/proxy.h"

#include <gtest/gtest.h>

#include <deque>

#include "net/run.h"
#include "net/timer.h"

namespace sallyport::http {
namespace {

using net::Io;
using net::StreamPtr;
using net::Task;

constexpr milliseconds kSoon{5'000};

// What one upstream connection does: reads until `until` has come, answers, and so on; then half-closes if `closes`.
struct Script {
  struct Step {
    std::string until;
    std::string answer;
  };
  std::vector<Step> steps;
  bool closes = true;
};

// A proxy in front of scripted upstreams, and all that happened.
struct Bench {
  explicit Bench(Io& loop) : io(loop) {}

  Io& io;
  std::deque<Script> upstreams;
  std::vector<std::string> seen;  // per upstream connection
  std::vector<std::string> decided;
  ProxyOptions options;
  ProxyTotals totals;
  std::string to_user;
};

Task<void> play(Bench& bench, StreamPtr stream, Script script, std::size_t index) {
  std::array<std::uint8_t, 4096> buffer{};
  for (const auto& step : script.steps) {
    while (bench.seen[index].find(step.until) == std::string::npos) {
      auto got = co_await stream->read_some(buffer, kSoon);
      if (!got || *got == 0) co_return;
      bench.seen[index] += as_text(ByteView(buffer).first(*got));
    }
    if (!co_await stream->write_all(as_bytes(step.answer), kSoon)) co_return;
  }
  if (script.closes) co_return;
  auto rest = co_await net::read_to_end(*stream, 1 << 20, kSoon);
  if (rest) bench.seen[index] += as_text(*rest);
}

Task<Result<StreamPtr>> connect(Bench& bench) {
  if (bench.upstreams.empty()) co_return fail(Errc::unavailable, "test: no upstream");
  auto script = std::move(bench.upstreams.front());
  bench.upstreams.pop_front();
  auto ends = net::make_pipe(bench.io.executor());
  bench.seen.emplace_back();
  net::spawn(bench.io.executor(), play(bench, std::move(ends.first), std::move(script), bench.seen.size() - 1),
             "upstream");
  co_return std::move(ends.second);
}

Task<Response> entered(Request request, net::PeerInfo) {
  co_return Response::text("entered " + std::string(as_text(request.body)));
}

Task<Decision> decide(Bench& bench, Request head) {
  bench.decided.push_back(head.method + " " + head.target);
  if (head.target == "/refused") co_return Response::error(403);
  if (head.target == "/enter") co_return AnswerHere{.handler = entered, .body_limit = 10};
  head.headers.remove("X-Forwarded-For");
  head.headers.set("X-Added", "1");
  co_return Forward{.head = std::move(head)};
}

Task<void> run_proxy(Bench& bench, StreamPtr user) {
  ProxyHooks hooks;
  hooks.decide = [&bench](Request head, net::PeerInfo) { return decide(bench, std::move(head)); };
  hooks.connect_upstream = [&bench] { return connect(bench); };
  hooks.edit_response = [](const Request&, Response& head) { head.headers.set("X-Edited", "1"); };
  ProxyConnection proxy(std::move(user), std::move(hooks), bench.options);
  bench.totals = co_await proxy.run();
}

Task<void> use(Bench& bench, StreamPtr stream, std::string bytes, bool half_close) {
  EXPECT_TRUE(co_await stream->write_all(as_bytes(bytes), kSoon));
  if (half_close) EXPECT_TRUE(co_await stream->shutdown_write(kSoon));
  auto all = co_await net::read_to_end(*stream, 1 << 24, kSoon);
  bench.to_user = as_text(all.value_or(Bytes()));
}

void converse(Bench& bench, const std::string& bytes, bool half_close = true) {
  auto ends = net::make_pipe(bench.io.executor());
  auto user = use(bench, std::move(ends.first), bytes, half_close);
  net::run(bench.io, net::join(std::move(user), run_proxy(bench, std::move(ends.second))));
}

std::string ok(const std::string& body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(Proxy, DecidesOnEveryRequestAndKeepsOneUpstream) {
  Io io;
  Bench bench(io);
  bench.upstreams = {{.steps = {{"/a", ok("first")}, {"/b", ok("second")}}, .closes = false}};
  converse(bench,
           "GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: evil\r\nConnection: keep-alive, X-Drop\r\nX-Drop: 1\r\n\r\n"
           "GET /refused HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(bench.decided, (std::vector<std::string>{"GET /a", "GET /refused", "GET /b"}));
  ASSERT_EQ(bench.seen.size(), 1U);
  EXPECT_TRUE(contains(bench.seen[0], "X-Added: 1\r\n"));
  for (const auto* gone : {"evil", "X-Drop", "Connection", "refused"})
    EXPECT_FALSE(contains(bench.seen[0], gone)) << gone;
  EXPECT_TRUE(contains(bench.to_user, "X-Edited: 1\r\n"));
  EXPECT_TRUE(contains(bench.to_user, "first"));
  EXPECT_TRUE(contains(bench.to_user, "403 Forbidden"));
  EXPECT_TRUE(bench.to_user.ends_with("second"));
  EXPECT_EQ(bench.totals.requests, 3U);
  EXPECT_EQ(bench.totals.bytes_to_user, 11U);
  EXPECT_FALSE(bench.totals.error);
}

TEST(Proxy, ASmuggledRequestReachesNobody) {
  for (const auto* fields :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding : chunked\r\n", "X: a\r\n Content-Length: 5\r\n",
        "X: a\nContent-Length: 5\r\n"}) {
    Io io;
    Bench bench(io);
    bench.upstreams = {{.steps = {{"\r\n\r\n", ok("never")}}}};
    converse(bench,
             std::string("POST / HTTP/1.1\r\nHost: h\r\n") + fields + "\r\n0\r\n\r\nGET /refused HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(bench.to_user.starts_with("HTTP/1.1 400 ")) << fields;
    EXPECT_TRUE(bench.decided.empty() && bench.seen.empty()) << fields;
  }
}

TEST(Proxy, TheHooksHeadCannotChangeTheFraming) {
  Io io;
  Bench bench(io);
  bench.upstreams = {{.steps = {{"hello", ok("")}}}};
  converse(bench, "POST / HTTP/1.1\r\nHost: h\r\nConnection: Content-Length, close\r\nContent-Length: 5\r\n\r\nhello");
  ASSERT_EQ(bench.seen.size(), 1U);
  EXPECT_TRUE(contains(bench.seen[0], "Content-Length: 5\r\n"));
  EXPECT_TRUE(bench.seen[0].ends_with("\r\n\r\nhello"));
}

TEST(Proxy, BodiesStreamInChunksBothWays) {
  Io io;
  Bench bench(io);
  bench.upstreams = {
      {.steps = {{"\r\n0\r\n\r\n",
                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n1\r\nc\r\n0\r\n\r\n"}}}};
  converse(bench, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n");
  EXPECT_TRUE(contains(bench.seen[0], "Transfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(bench.seen[0].ends_with("3\r\nabc\r\n0\r\n\r\n"));
  EXPECT_TRUE(contains(bench.to_user, "Transfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(bench.to_user.ends_with("0\r\n\r\n"));
  EXPECT_EQ(bench.totals.bytes_from_user, 3U);
  EXPECT_EQ(bench.totals.bytes_to_user, 3U);
}

TEST(Proxy, LargeBodiesPassThroughSmallBuffers) {
  Io io;
  Bench bench(io);
  const std::string big(1'000'000, 'x');
  bench.upstreams = {{.steps = {{"xend", ok(big)}}}};
  converse(bench, fmt::format("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}end", big.size() + 3, big));
  EXPECT_EQ(bench.totals.bytes_from_user, big.size() + 3);
  EXPECT_EQ(bench.totals.bytes_to_user, big.size());
  EXPECT_TRUE(bench.to_user.ends_with(big));
}

TEST(Proxy, AnOldUpstreamEndsItsBodyByClosing) {
  Io io;
  Bench bench(io);
  bench.upstreams = {{.steps = {{"/a", "HTTP/1.0 200 OK\r\n\r\nold"}}}, {.steps = {{"/b", ok("new")}}}};
  converse(bench, "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(contains(bench.to_user, "3\r\nold\r\n0\r\n\r\n"));
  EXPECT_TRUE(bench.to_user.ends_with("new"));
  EXPECT_EQ(bench.seen.size(), 2U);
}

TEST(Proxy, AnUpstreamThatClosedWhileIdleIsReplaced) {
  Io io;
  Bench bench(io);
  bench.upstreams = {{.steps = {{"/a", ok("one")}}}, {.steps = {{"/b", ok("two")}}}};
  converse(bench, "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(contains(bench.to_user, "one"));
  EXPECT_TRUE(bench.to_user.ends_with("two"));
}

TEST(Proxy, ABrokenUpstreamIsABadGateway) {
  for (const auto* answer :
       {"", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"}) {
    Io io;
    Bench bench(io);
    bench.upstreams = {{.steps = {{"\r\n\r\n", answer}}}};
    converse(bench, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_TRUE(bench.to_user.starts_with("HTTP/1.1 502 ")) << answer;
    EXPECT_TRUE(bench.totals.error) << answer;
  }
  Io io;
  Bench bench(io);
  converse(bench, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(bench.to_user.starts_with("HTTP/1.1 502 "));
}

TEST(Proxy, AHalfResponseDoesNotLookWhole) {
  Io io;
  Bench bench(io);
  bench.upstreams = {{.steps = {{"\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"}}}};
  converse(bench, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_FALSE(contains(bench.to_user, "0\r\n\r\n"));
  EXPECT_TRUE(bench.totals.error);
}

TEST(Proxy, ASilentUpstreamTimesOut) {
  Io io;
  Bench bench(io);
  bench.options.response_limit = milliseconds(10);
  bench.upstreams = {{.steps = {{"never comes", ""}}}};
  converse(bench, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(bench.to_user.starts_with("HTTP/1.1 504 ")) << bench.to_user;
}

TEST(Proxy, HeadAndNotModifiedHaveNoBody) {
  Io io;
  Bench bench(io);
  bench.upstreams = {{.steps = {{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"},
                                {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"}}}};
  converse(bench, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(contains(bench.to_user, "200 OK\r\nX-Edited: 1\r\nContent-Length: 99\r\n\r\nHTTP/1.1 304 "));
  EXPECT_EQ(bench.totals.bytes_to_user, 0U);
}

TEST(Proxy, InterimAnswersPassOn) {
  Io io;
  Bench bench(io);
  bench.upstreams = {{.steps = {{"100-continue", "HTTP/1.1 100 Continue\r\n\r\n"}, {"hello", ok("done")}}}};
  converse(bench, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_TRUE(bench.to_user.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
}

TEST(Proxy, AnEarlyAnswerEndsAnUnfinishedRequest) {
  Io io;
  Bench bench(io);
  bench.options.rest_of_body = milliseconds(10);
  bench.upstreams = {{.steps = {{"\r\n\r\n", "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"}}}};
  converse(bench, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nonly the beginning", false);
  EXPECT_TRUE(bench.to_user.starts_with("HTTP/1.1 413 "));
  EXPECT_TRUE(contains(bench.to_user, "Connection: close"));
}

TEST(Proxy, WebSocketsAreSplicedWithTheirFirstBytes) {
  Io io;
  Bench bench(io);
  bench.upstreams = {
      {.steps = {
           {"\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"},
           {"ping", "pong"}}}};
  converse(bench, "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\nping");
  EXPECT_TRUE(contains(bench.seen[0], "Connection: Upgrade\r\n"));
  EXPECT_TRUE(contains(bench.seen[0], "Upgrade: websocket\r\n"));
  EXPECT_TRUE(contains(bench.to_user, "Upgrade: websocket\r\n"));
  EXPECT_TRUE(bench.to_user.ends_with("\r\n\r\nhellopong"));
  EXPECT_EQ(bench.totals.bytes_from_user, 4U);
  EXPECT_EQ(bench.totals.bytes_to_user, 9U);
}

TEST(Proxy, UpgradesCanBeForbidden) {
  Io io;
  Bench bench(io);
  bench.options.allow_upgrade = false;
  bench.upstreams = {{.steps = {{"\r\n\r\n", ok("plain")}}}};
  converse(bench, "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_FALSE(contains(bench.seen[0], "Upgrade"));
  EXPECT_TRUE(bench.to_user.ends_with("plain"));
}

TEST(Proxy, AnswersHereWithTheBody) {
  Io io;
  Bench bench(io);
  converse(bench,
           "POST /enter HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nsecret"
           "POST /enter HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nlong secret");
  EXPECT_TRUE(contains(bench.to_user, "entered secret"));
  EXPECT_TRUE(contains(bench.to_user, "HTTP/1.1 413 "));
  EXPECT_TRUE(bench.seen.empty());
}

TEST(Proxy, ASlowHeaderIsToldSo) {
  Io io;
  Bench bench(io);
  bench.options.header_limit = milliseconds(10);
  bench.options.idle_limit = milliseconds(20);
  converse(bench, "GET / HTTP/1.1\r\nHo", false);
  EXPECT_TRUE(bench.to_user.starts_with("HTTP/1.1 408 "));
  EXPECT_TRUE(bench.decided.empty());
}

Task<void> cut_soon(ProxyConnection& proxy) {
  co_await net::sleep_for(milliseconds(10));
  proxy.cut();
}

Task<void> run_to_end(ProxyConnection& proxy, ProxyTotals& totals) {
  totals = co_await proxy.run();
}

TEST(Proxy, CuttingEndsAtOnce) {
  Io io;
  Bench bench(io);
  bench.upstreams = {{.steps = {{"never comes", ""}}}};
  auto ends = net::make_pipe(io.executor());
  ProxyHooks hooks;
  hooks.decide = [&bench](Request head, net::PeerInfo) { return decide(bench, std::move(head)); };
  hooks.connect_upstream = [&bench] { return connect(bench); };
  ProxyConnection proxy(std::move(ends.second), std::move(hooks));
  auto user = use(bench, std::move(ends.first), "GET / HTTP/1.1\r\nHost: h\r\n\r\n", false);
  auto running = net::join(run_to_end(proxy, bench.totals), cut_soon(proxy));
  const auto begun = std::chrono::steady_clock::now();
  net::run(io, net::join(std::move(user), std::move(running)));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, kSoon);
  EXPECT_EQ(bench.to_user, "");
}

TEST(HopByHop, FieldsOfOneConnectionGo) {
  Headers headers{{"Connection", "X-A, Content-Length , close"},
                  {"X-A", "1"},
                  {"Keep-Alive", "5"},
                  {"TE", "trailers"},
                  {"Proxy-Authorization", "x"},
                  {"Content-Length", "3"},
                  {"X-B", "2"}};
  remove_hop_by_hop(headers);
  ASSERT_EQ(headers.fields().size(), 2U);
  EXPECT_TRUE(headers.has("Content-Length") && headers.has("X-B"));
}

}  // namespace
}  // namespace sallyport::http
