#include "console/metrics.h"

#include "console/detail/test_console.h"

namespace sallyport::console {
namespace {

class MetricsTest : public ConsoleTest {
 protected:
  void SetUp() override {
    ConsoleTest::SetUp();
    path = (folder / "metrics.sock").string();
    listener = *net::Listener::unix_socket(io.executor(), path);
    net::spawn(io.executor(), console->serve_metrics(*listener), "test.metrics");
  }
  void TearDown() override { listener->close(); }

  net::Task<Result<http::Response>> ask(http::Request request, std::string host) {
    CO_TRY(auto stream, co_await net::connect_unix(path, kSoon));
    http::Client client(std::move(stream), std::move(host));
    co_return co_await client.send(std::move(request), kSoon);
  }
  http::Response scrape(std::string target = "/metrics", std::string host = "127.0.0.1:9464",
                        std::string method = "GET") {
    http::Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    auto outcome = net::run(io, ask(std::move(request), std::move(host)));
    EXPECT_TRUE(outcome && *outcome) << (outcome && !*outcome ? outcome->error().detail : "ended without an answer");
    return outcome && *outcome ? **std::move(outcome) : http::Response{};
  }

  std::string path;
  std::unique_ptr<net::Listener> listener;
};

TEST_F(MetricsTest, AreToldToAMonitorWithoutALogin) {
  const auto response = scrape();
  EXPECT_EQ(response.status, 200U);
  EXPECT_EQ(as_text(response.body), "sallyport_time_seconds 1\n");
  EXPECT_TRUE(response.headers.get("Content-Type").starts_with("text/plain; version=0.0.4"));
  EXPECT_EQ(scrape("/metrics", "localhost").status, 200U);
  EXPECT_EQ(scrape("/metrics", "[::1]:9464").status, 200U);
}

TEST_F(MetricsTest, AreRefusedToAPageThatCallsThisMachineByItsOwnName) {
  for (const char* host : {"evil.example", "127.0.0.1.evil.example", "localhost.evil.example:9464", "127.0.0.2", "x"}) {
    EXPECT_EQ(scrape("/metrics", host).status, 403U) << host;
  }
}

TEST_F(MetricsTest, NothingElseIsThere) {
  EXPECT_EQ(scrape("/").status, 404U);
  EXPECT_EQ(scrape("/api/v1/session").status, 404U);
  EXPECT_EQ(scrape("/metrics", "127.0.0.1", "POST").status, 405U);
}

TEST_F(MetricsTest, AnAuthorityThatRefusesIsUnavailableAndItsWordsStayHere) {
  authority.metrics.clear();
  const auto response = scrape();
  EXPECT_EQ(response.status, 503U);
  EXPECT_EQ(as_text(response.body), "the authority does not answer\n");
}

TEST_F(MetricsTest, AreNotOnThePublicSide) {
  EXPECT_NE(as_text(send(get("/metrics")).body), authority.metrics);
}

}  // namespace
}  // namespace sallyport::console
