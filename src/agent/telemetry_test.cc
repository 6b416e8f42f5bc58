#include "agent/telemetry.h"

#include "agent/detail/test_installation.h"
#include "agent/device_password.h"
#include "agent/local_pages.h"
#include "http/client.h"
#include "http/server.h"
#include "keystore/file.h"

namespace sallyport::agent {
namespace {

using testing::kNow;
using testing::kSoon;

constexpr telemetry::SampleTime kSampleNow{seconds(1'780'315'200)};

TEST(TelemetryLines, AreObjectsWithAValue) {
  const auto samples = parse_telemetry_lines(
      "{\"value\": 21.5, \"topic\": \"celsius\", \"time\": 1000}\n\r\n{\"value\": {\"a\": [1, null]}}", kSampleNow);
  ASSERT_TRUE(samples) << samples.error().detail;
  ASSERT_EQ(samples->size(), 2U);
  EXPECT_EQ(samples->front().topic, "celsius");
  EXPECT_EQ(samples->front().time, telemetry::SampleTime(milliseconds(1'000)));
  EXPECT_EQ(as_text(samples->back().payload), "{\"a\":[1,null]}");
  EXPECT_EQ(samples->back().time, kSampleNow);
}

TEST(TelemetryLines, AreAllTakenOrNone) {
  const std::string_view wrong[] = {"",
                                    "\n\n",
                                    "21.5",
                                    "{}",
                                    "{\"value\": 1, \"unit\": \"C\"}",
                                    "{\"value\": 1, \"topic\": 2}",
                                    "{\"value\": 1, \"topic\": \"a b\"}",
                                    "{\"value\": 1, \"time\": \"now\"}",
                                    "{\"value\": 1}\n{\"value\":",
                                    "{\"value\": 1, \"value\": 2}"};
  for (const std::string_view text : wrong) EXPECT_FALSE(parse_telemetry_lines(text, kSampleNow)) << text;
  std::string many;
  for (std::size_t i = 0; i <= kMaxLines; ++i) many += "{\"value\":1}\n";
  EXPECT_FALSE(parse_telemetry_lines(many, kSampleNow));
}

// A queue in memory that may be full.
class MemoryQueue final : public telemetry::TelemetryQueue {
 public:
  void append(telemetry::StreamName stream, std::vector<telemetry::Sample> samples, Done done) override {
    done(append_and_wait(std::move(stream), std::move(samples)));
  }
  Result<void> append_and_wait(telemetry::StreamName, std::vector<telemetry::Sample> samples) override {
    if (full) return fail(Errc::overloaded, "queue: full");
    taken += samples.size();
    return {};
  }
  Result<std::optional<telemetry::Batch>> peek(telemetry::BatchLimits) override { return std::nullopt; }
  void remove_through(telemetry::Acknowledgement, Done done) override { done({}); }
  Result<void> remove_through_and_wait(telemetry::Acknowledgement) override { return {}; }
  Result<telemetry::QueueState> state() const override { return telemetry::QueueState{.items = taken}; }

  bool full = false;
  std::size_t taken = 0;
};

class TelemetryIntake : public ::testing::Test {
 protected:
  TelemetryIntake()
      : state(*AgentState::initialise(folder / "state", testing::make_settings(), tree.root, random)),
        clock(kNow),
        time(clock, true, UnixTime()),
        way_out(state.settings(), random),
        check(state, time, random, way_out),
        dialer(state, time, check, way_out),
        link(dialer, time, DnsName("gateway.devices.example"), [] { return std::nullopt; }),
        telemetry(io.executor(), queue, link, time, random),
        local(local_routes()),
        port(port_routes()) {}

  http::Router local_routes() {
    http::Router router;
    telemetry.add_route(router);
    return router;
  }
  http::Router port_routes() {
    http::Router router;
    telemetry.add_guarded_route(router, "127.0.0.1:9100");
    return router;
  }
  net::Task<Result<http::Response>> exchange(const http::Server& server, http::Request request) {
    auto [ours, theirs] = net::make_pipe(io.executor());
    net::spawn(io.executor(), server.serve(std::move(theirs)), "test.server");
    http::Client client(std::move(ours), "agent");
    co_return co_await client.send(std::move(request), kSoon);
  }
  unsigned status_of(const http::Server& server, http::Request request) {
    io.restart();
    auto response = net::run(io, exchange(server, std::move(request)));
    return response && *response ? (*response)->status : 0;
  }
  static http::Request post(std::string_view body, std::string target = "/telemetry/temp") {
    return http::post(std::move(target), "application/x-ndjson", to_bytes(body));
  }

  net::Io io;
  crypto::SystemRandom random;
  testing::Tree tree;
  testing::Folder folder;
  AgentState state;
  ManualClock clock;
  DeviceTime time;
  WayOut way_out;
  ServerCheck check;
  ServerDialer dialer;
  GatewayLink link;
  MemoryQueue queue;
  Telemetry telemetry;
  http::Server local, port;
};

TEST_F(TelemetryIntake, AcknowledgesWhatTheQueueTook) {
  EXPECT_EQ(status_of(local, post("{\"value\":1}\n{\"value\":2}")), 204U);
  EXPECT_EQ(queue.taken, 2U);
}

TEST_F(TelemetryIntake, RefusesWhatTheQueueDidNotTake) {
  queue.full = true;
  EXPECT_EQ(status_of(local, post("{\"value\":1}")), 503U);
  EXPECT_EQ(status_of(local, post("nonsense")), 400U);
  EXPECT_EQ(status_of(local, post("{\"value\":1}", "/telemetry/No%20Stream")), 400U);
  EXPECT_EQ(queue.taken, 0U);
}

TEST_F(TelemetryIntake, IsNotForPagesInABrowserOnThisMachine) {
  http::Request good = post("{\"value\":1}");
  good.headers.set("Host", "127.0.0.1:9100");
  http::Request from_page = good;
  from_page.headers.set("Origin", "http://127.0.0.1:9100");
  EXPECT_EQ(status_of(port, std::move(from_page)), 403U);
  http::Request rebound = good;
  rebound.headers.set("Host", "evil.example:9100");
  EXPECT_EQ(status_of(port, std::move(rebound)), 421U);
  EXPECT_EQ(queue.taken, 0U);
  EXPECT_EQ(status_of(port, std::move(good)), 204U);
}

TEST(DefaultPassword, IsTheDevicesOwnAndItsReplacementIsNotIt) {
  testing::Folder folder;
  testing::Tree tree;
  crypto::SystemRandom random;
  auto state = AgentState::initialise(folder / "state", testing::make_settings(), tree.root, random);
  ASSERT_TRUE(state);
  const auto secret = state->device_secret();
  const std::string text = default_password(*secret, SerialId("pump-0001"));
  EXPECT_EQ(text.size(), 14U);
  EXPECT_NE(text, default_password(*secret, SerialId("pump-0002")));
  auto password = DevicePassword::load(*state);
  ASSERT_TRUE(password);
  EXPECT_EQ(password->check(text), PasswordMatch::is_default);
  std::string typed = text;
  std::erase(typed, '-');
  EXPECT_EQ(password->check(typed), PasswordMatch::is_default);
  EXPECT_EQ(password->check(""), PasswordMatch::wrong);
  EXPECT_FALSE(password->make_file("short", Bytes(kPasswordSalt)));
  EXPECT_FALSE(password->make_file(text, Bytes(kPasswordSalt)));

  const auto file = password->make_file("correct horse battery", Bytes(kPasswordSalt, 9));
  ASSERT_TRUE(file);
  ASSERT_TRUE(keystore::atomic_write_file(state->file(kPasswordFile), *file, keystore::kSecretMode));
  const auto replaced = DevicePassword::load(*state);
  ASSERT_TRUE(replaced);
  EXPECT_EQ(replaced->check("correct horse battery"), PasswordMatch::chosen);
  EXPECT_EQ(replaced->check("correct horse batterY"), PasswordMatch::wrong);
  EXPECT_EQ(replaced->check(text), PasswordMatch::wrong);
}

TEST(PasswordVerifier, RefusesFilesThatWouldTakeMinutes) {
  PasswordVerifier verifier{.iterations = 1, .salt = Bytes(kPasswordSalt), .hash = Bytes(32)};
  EXPECT_TRUE(parse_password_verifier(encode_password_verifier(verifier)));
  verifier.iterations = 0;
  EXPECT_FALSE(parse_password_verifier(encode_password_verifier(verifier)));
  verifier.iterations = 0xFFFFFFFF;
  EXPECT_FALSE(parse_password_verifier(encode_password_verifier(verifier)));
  verifier = {.iterations = 1, .salt = Bytes(kPasswordSalt - 1), .hash = Bytes(32)};
  EXPECT_FALSE(parse_password_verifier(encode_password_verifier(verifier)));
}

TEST(LocalPages, EscapeWhatTheyShow) {
  const std::string page = status_page("<id>", {{.name = "a&b", .value = "<script>\"'"}}, true, "\"><x");
  EXPECT_EQ(page.find("<script>"), std::string::npos);
  EXPECT_EQ(page.find("<id>"), std::string::npos);
  EXPECT_EQ(page.find("\"><x"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::agent
