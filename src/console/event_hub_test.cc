#include "console/event_hub.h"

#include "console/detail/test_console.h"

namespace sallyport::console {
namespace {

class EventsTest : public ConsoleTest {
 protected:
  net::StreamPtr watch(const std::string& cookie) {
    auto stream = connect();
    EXPECT_TRUE(stream);
    const std::string request =
        "GET /api/v1/events HTTP/1.1\r\nHost: console.example:8443\r\nCookie: " + std::string(kCookie) + "=" + cookie +
        "\r\n\r\n";
    const auto sent = net::run(io, (*stream)->write_all(as_bytes(request), kSoon));
    EXPECT_TRUE(sent && *sent);
    return *std::move(stream);
  }
};

TEST_F(EventsTest, ReachThoseWhoMaySeeThem) {
  auto acme = watch(authority.add_session("vera"));
  auto other = watch(authority.add_session("omar"));
  auto operator_of_all = watch(authority.add_session("root"));
  const std::string head = read_until(*acme, "event: ready\ndata: {}\n\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n")) << head;
  EXPECT_TRUE(head.contains("text/event-stream")) << head;
  read_until(*other, "event: ready");
  read_until(*operator_of_all, "event: ready");
  authority.announce("device", "acme", codec::Json::Object{{"alias", "line\nbreak"}});
  authority.announce("audit", "", codec::Json::Object{{"action", "site.added"}});
  authority.announce("device", "other", codec::Json::Object{{"alias", "theirs"}});
  authority.announce("status", "", codec::Json::Object{});
  authority.announce("unknown", "acme", codec::Json::Object{});
  authority.announce("session", "acme", codec::Json::Object{{"id", "last"}});
  EXPECT_TRUE(read_until(*other, "theirs").contains("event: device\ndata: {\"alias\":\"theirs\"}\n\n"));
  const std::string seen = read_until(*acme, "last");
  EXPECT_TRUE(seen.contains("event: device\ndata: {\"alias\":\"line\\u000abreak\"}\n\n")) << seen;
  EXPECT_FALSE(seen.contains("theirs") || seen.contains("site.added") || seen.contains("unknown")) << seen;
  EXPECT_FALSE(seen.contains("event: status")) << "the status hosts are the installation's: " << seen;
  const std::string all = read_until(*operator_of_all, "last");
  EXPECT_TRUE(all.contains("theirs") && all.contains("site.added") && all.contains("event: status") &&
              all.contains("break"))
      << all;
}

TEST_F(EventsTest, EndWithTheSession) {
  const std::string cookie = authority.add_session("vera");
  auto stream = watch(cookie);
  read_until(*stream, "event: ready");
  EXPECT_EQ(send(post("/api/v1/logout", "", cookie)).status, 204U);
  EXPECT_TRUE(read_until(*stream, "0\r\n\r\n").ends_with("0\r\n\r\n")) << "the last chunk says that it has ended";
  EXPECT_EQ(send(get("/api/v1/events", cookie)).status, 401U);
}

Session session_of(const std::string& tenant, std::uint8_t token) {
  Session session;
  session.token_sha256.fill(token);
  session.tenant = tenant;
  return session;
}

net::Task<bool> always(records::Digest) {
  co_return true;
}
net::Task<bool> never(records::Digest) {
  co_return false;
}

// Takes what is written, or fails from the start.
class Collector final : public http::BodyWriter {
 public:
  net::Task<Result<void>> write(Bytes piece, net::Deadline) override {
    text += as_text(piece);
    if (is_gone) co_return fail(Errc::unavailable, "gone");
    co_return Result<void>{};
  }
  bool is_open() const override { return !is_gone; }
  std::string text;
  bool is_gone = false;
};

TEST(EventHub, EndsTheOldestOfTooManyStreams) {
  net::Io io;
  EventHub hub(io.executor(), always);
  std::vector<std::shared_ptr<EventHub::Watcher>> watchers;
  for (std::size_t i = 0; i < kStreamsPerSession; ++i) watchers.push_back(*hub.watch(session_of("a", 1)));
  auto another = *hub.watch(session_of("a", 2));
  EXPECT_EQ(hub.count(), kStreamsPerSession + 1);
  auto ninth = *hub.watch(session_of("a", 1));
  Collector collector;
  net::run(io, hub.write_events(watchers.front(), collector));
  EXPECT_EQ(collector.text, "event: ready\ndata: {}\n\n") << "it ended after its first event";
}

TEST_F(EventsTest, EndAtOnceWithASessionThatEndedElsewhere) {
  auto vera = watch(authority.add_session("vera"));
  auto olga = watch(authority.add_session("olga"));
  read_until(*vera, "event: ready");
  read_until(*olga, "event: ready");
  authority.announce("login-ended", "", codec::Json::Object{{"login", "vera"}});
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(read_until(*vera, "0\r\n\r\n").ends_with("0\r\n\r\n"));
  EXPECT_LT(std::chrono::steady_clock::now() - began, kBeat / 2) << "not at the next look at the session";
  authority.announce("session", "acme", codec::Json::Object{{"id", "last"}});
  EXPECT_FALSE(read_until(*olga, "last").contains("vera")) << "told to nobody";
  for (const auto& [each, session] : authority.sessions)
    authority.announce("login-ended", "", codec::Json::Object{{"login", "olga"}, {"token_sha256", each}});
  EXPECT_TRUE(read_until(*olga, "0\r\n\r\n").ends_with("0\r\n\r\n"));
}

TEST(EventHub, EndsAWatcherThatReadsTooSlowly) {
  net::Io io;
  EventHub hub(io.executor(), always);
  auto slow = *hub.watch(session_of("a", 1));
  const codec::Json event(codec::Json::Object{
      {"event", "device"}, {"tenant", "a"}, {"data", codec::Json::Object{{"alias", std::string(100'000, 'x')}}}});
  for (int i = 0; i < 11; ++i) hub.publish(event.write());
  Collector collector;
  net::run(io, hub.write_events(slow, collector));
  EXPECT_EQ(collector.text, "event: ready\ndata: {}\n\n");
}

TEST(EventHub, ForgetsAClientThatHasGone) {
  net::Io io;
  EventHub hub(io.executor(), never);
  Collector collector;
  collector.is_gone = true;
  net::run(io, hub.write_events(*hub.watch(session_of("a", 1)), collector));
  EXPECT_EQ(hub.count(), 0U);
}

TEST(EventHub, TellsEverybodyToReadAnewAfterAGap) {
  net::Io io;
  EventHub hub(io.executor(), always);
  auto watcher = *hub.watch(session_of("a", 1));
  hub.tell_to_read_anew();
  Collector collector;
  net::spawn(io.executor(), hub.write_events(watcher, collector), "events");
  io.run_for(milliseconds(50));
  EXPECT_EQ(collector.text, "event: ready\ndata: {}\n\nevent: ready\ndata: {}\n\n");
  hub.end(session_of("a", 1).token_sha256);
  io.run_for(milliseconds(50));
}

}  // namespace
}  // namespace sallyport::console
