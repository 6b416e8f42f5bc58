// Connections to brokers that a test plays: what a broker may do to us, and what it may not. Those to a real one are in
// tests/brokers.
#include "mqtt/connection.h"

#include <unistd.h>

#include <fstream>

#include "mqtt/detail/test_broker.h"

namespace sallyport::mqtt {
namespace {

// A loop, a broker's socket and a connection to it.
struct Stage {
  net::Io io;
  SeededRandom random{1};
  Told told{io};
  std::unique_ptr<net::Listener> listener = listen(io);
  std::unique_ptr<Connection> connection;

  void open(ConnectionOptions options) {
    auto opened = Connection::open(io.executor(), random, std::move(options), told.handlers());
    ASSERT_TRUE(opened) << opened.error().detail;
    connection = *std::move(opened);
  }
  void open(Version version = Version::v5) { open(options_for(*listener, version)); }
  // Plays `part`, then ends the connection, after which nothing may be left running.
  void play(net::Task<void> part) {
    net::run(io, std::move(part));
    if (connection) net::run(io, connection->disconnect());
    connection.reset();
  }
};

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// --- what an evil broker does ---------------------------------------------------------------------------------------

net::Task<void> flood(Stage& stage, Bytes answer, std::size_t& sent) {
  auto broker = co_await accept_client(*stage.listener, std::move(answer));
  const Bytes header{0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a', 0};
  co_await say(*broker, header);
  const Bytes body(256 * 1024, 'x');
  while (sent < (std::size_t{256} << 20U)) {
    auto written = co_await broker->write_all(body, kSoon);
    if (!written) break;
    sent += body.size();
  }
  co_await until_told(stage.told, "disconnected: ");
}

void check_flood(Version version, const Bytes& answer) {
  Stage stage;
  stage.open(version);
  const std::size_t before = resident_bytes();
  std::size_t sent = 0;
  stage.play(flood(stage, answer, sent));
  EXPECT_EQ(stage.told.lines.at(1), "disconnected: mqtt: a PUBLISH of 268435460 bytes from the broker, want at most " +
                                        std::to_string(kMaxPacketBytes));
  EXPECT_LT(sent, std::size_t{32} << 20U) << "what the kernel's buffers take";
  EXPECT_LT(resident_bytes(), before + (std::size_t{8} << 20U));
}

TEST(MqttConnection, CutsABrokerThatAnnouncesAHugePacketAndKeepsNothingOfIt) {
  check_flood(Version::v3_1_1, kTakes311);
  check_flood(Version::v5, kTakes5);
}

net::Task<void> play_silence(Stage& stage) {
  auto broker = co_await accept_client(*stage.listener, {});
  co_await until_told(stage.told, "disconnected: the broker does not answer CONNECT");
}

TEST(MqttConnection, LeavesABrokerThatNeverAnswersConnect) {
  Stage stage;
  auto options = options_for(*stage.listener);
  options.connect_limit = milliseconds(50);
  stage.open(std::move(options));
  stage.play(play_silence(stage));
  EXPECT_EQ(stage.told.count("connected"), 0U);
}

net::Task<void> play_refusal(Stage& stage, Bytes answer, std::string words) {
  auto broker = co_await accept_client(*stage.listener, std::move(answer));
  co_await until_told(stage.told, "disconnected: the broker refuses us: " + words);
}

TEST(MqttConnection, TellsWhyABrokerRefusesIt) {
  Stage old;
  old.open(Version::v3_1_1);
  old.play(play_refusal(old, {0x20, 2, 0, 5}, "not authorized (0x05)"));
  Stage five;
  five.open();
  five.play(play_refusal(five, {0x20, 8, 0, 0x87, 5, 0x1f, 0, 2, 'n', 'o'}, "not authorized (0x87): \"no\""));
}

net::Task<void> count_loss(net::Task<Result<void>> attempt, std::size_t& lost) {
  auto result = co_await std::move(attempt);
  EXPECT_TRUE(!result && result.error().code == Errc::unavailable) << (result ? "done" : result.error().detail);
  ++lost;
}

net::Task<void> leave_in_the_middle(net::Stream& broker) {
  EXPECT_FALSE((co_await read_packet(broker)).empty()) << "PUBLISH";
  EXPECT_FALSE((co_await read_packet(broker)).empty()) << "SUBSCRIBE";
  co_await say(broker, {0x30, 9, 0, 1, 'a', 0, 'h'});  // the rest never comes
  broker.close();
}

net::Task<void> play_end_in_the_middle(Stage& stage, std::size_t& lost) {
  auto broker = co_await accept_client(*stage.listener, kTakes5);
  co_await until_told(stage.told, "connected");
  const auto never = net::Deadline::never();
  auto published = count_loss(stage.connection->publish(topic("a"), to_bytes("x"), {}, never), lost);
  auto subscribed = count_loss(stage.connection->subscribe(filter("a"), never), lost);
  auto both = net::join(std::move(published), std::move(subscribed));
  co_await net::join(std::move(both), leave_in_the_middle(*broker));
  co_await until_told(stage.told, "disconnected: the broker closed the connection");
}

TEST(MqttConnection, FailsAllThatWaitsAtOnceWhenTheBrokerGoesInTheMiddle) {
  Stage stage;
  stage.open();
  std::size_t lost = 0;
  stage.play(play_end_in_the_middle(stage, lost));
  EXPECT_EQ(lost, 2U);
  EXPECT_EQ(stage.told.count("a="), 0U);
}

net::Task<void> refuse_next(net::Stream& broker, std::uint8_t code) {
  const Bytes request = co_await read_packet(broker);
  EXPECT_EQ(request.at(0), 0x82);
  co_await say(broker, {0x90, 4, request.at(2), request.at(3), 0, code});
}

net::Task<void> subscribe_in_vain(Connection& connection) {
  auto refused = co_await connection.subscribe(filter("secret/#"), kSoon);
  EXPECT_TRUE(!refused && refused.error().code == Errc::unauthorized);
}

net::Task<void> play_refused_subscription(Stage& stage) {
  auto broker = co_await accept_client(*stage.listener, kTakes5);
  co_await until_told(stage.told, "connected");
  co_await net::join(subscribe_in_vain(*stage.connection), refuse_next(*broker, 0x87));
  co_await until_told(stage.told, "subscribed secret/#: the broker refuses: not authorized (0x87)");
  // It is asked for again at the next connect.
  broker->close();
  broker = co_await accept_client(*stage.listener, kTakes5);
  co_await refuse_next(*broker, 0x80);
  co_await until_told(stage.told, "subscribed secret/#: the broker refuses: unspecified error (0x80)");
}

TEST(MqttConnection, TellsARefusedSubscriptionAndAsksForItAgainAtTheNextConnect) {
  Stage stage;
  stage.open();
  stage.play(play_refused_subscription(stage));
}

net::Task<void> play_flags(Stage& stage) {
  auto broker = co_await accept_client(*stage.listener, kTakes5);
  co_await say(*broker, {0x3a, 7, 0, 1, 'a', 0, 7, 0, 'x'});
  EXPECT_EQ(co_await read_packet(*broker), (Bytes{0x40, 2, 0, 7}));
  co_await say(*broker, {0x31, 5, 0, 1, 'b', 0, 'y'});
  co_await until_told(stage.told, "a=x duplicate qos1");
  co_await until_told(stage.told, "b=y retained");
}

TEST(MqttConnection, HandsOnTheFlagsOfDuplicatesAndRetainedMessages) {
  Stage stage;
  stage.open();
  stage.play(play_flags(stage));
}

net::Task<void> play_violation(Stage& stage, Bytes sent, std::string words) {
  auto broker = co_await accept_client(*stage.listener, kTakes5);
  co_await say(*broker, std::move(sent));
  co_await until_told(stage.told, "disconnected: " + words);
}

TEST(MqttConnection, CutsABrokerThatBreaksTheProtocol) {
  const std::vector<std::pair<Bytes, std::string>> violations{
      {{0x34, 5, 0, 1, 'a', 0, 'x'}, "mqtt: a PUBLISH of QoS 2"},
      {{0x30, 8, 0, 1, 'a', 3, 0x23, 0, 1, 'x'}, "PUBLISH: a topic alias"},
      {{0x20, 3, 0, 0, 0}, "mqtt: a second CONNACK"},
      {{0x10, 0}, "mqtt: a packet of type 1"},
      {{0x30, 4, 0, 1, '#', 0}, "topic: a wildcard"}};
  for (const auto& [sent, words] : violations) {
    Stage stage;
    stage.open();
    stage.play(play_violation(stage, sent, words));
  }
}

net::Task<void> until_full(Stage& stage) {
  auto broker = co_await accept_client(*stage.listener, kTakes5);
  co_await until_told(stage.told, "connected");
  const Bytes payload(64 * 1024, 'x');
  Result<void> outcome;
  for (int i = 0; outcome && i < 10'000; ++i) {
    const PublishOptions options{.qos = Qos::at_most_once};
    outcome = co_await stage.connection->publish(topic("a"), payload, options, kSoon);
    co_await net::yield();
  }
  EXPECT_TRUE(!outcome && outcome.error().code == Errc::overloaded) << (outcome ? "endless" : outcome.error().detail);
  co_await until_told(stage.told, "disconnected: the broker takes nothing");
}

TEST(MqttConnection, QueuesNoMoreThanItsLimitForABrokerThatDoesNotReadAndThenLeavesIt) {
  Stage stage;
  auto options = options_for(*stage.listener);
  options.write_limit = milliseconds(300);
  stage.open(std::move(options));
  stage.play(until_full(stage));
}

net::Task<void> play_no_answers(Stage& stage) {
  auto broker = co_await accept_client(*stage.listener, kTakes5);
  co_await until_told(stage.told, "connected");
  for (int i = 0; i < 2; ++i) {
    auto late = co_await stage.connection->publish(topic("a"), to_bytes("x"), {}, milliseconds(5));
    EXPECT_TRUE(!late && late.error().code == Errc::expired);
  }
  auto full = co_await stage.connection->publish(topic("a"), to_bytes("x"), {}, kSoon);
  EXPECT_TRUE(!full && full.error().code == Errc::overloaded);
}

TEST(MqttConnection, CountsWhatTheBrokerNeverAcknowledgesThoughNobodyWaitsForItAnyMore) {
  Stage stage;
  auto options = options_for(*stage.listener);
  options.limits.max_pending = 2;
  stage.open(std::move(options));
  stage.play(play_no_answers(stage));
}

net::Task<void> play_dead_broker(Stage& stage) {
  // "Server Keep Alive" 1: half a second and it is asked, another half and it is given up.
  auto broker = co_await accept_client(*stage.listener, {0x20, 6, 0, 0, 3, 0x13, 0, 1});
  EXPECT_EQ(co_await read_packet(*broker), (Bytes{0xc0, 0}));
  co_await until_told(stage.told, "disconnected: the broker is silent, though asked");
}

TEST(MqttConnection, LeavesABrokerThatAnswersNoPing) {
  Stage stage;
  stage.open();
  stage.play(play_dead_broker(stage));
}

// --- coming back, and ending ----------------------------------------------------------------------------------------

net::Task<void> grant(net::Stream& broker) {
  const Bytes request = co_await read_packet(broker);
  EXPECT_EQ(request.at(0), 0x82);
  co_await say(broker, {0x90, 4, request.at(2), request.at(3), 0, 1});
}

net::Task<void> play_return(Stage& stage) {
  EXPECT_TRUE(stage.connection->keep_subscribed(filter("a/#")));
  EXPECT_FALSE(stage.connection->is_connected());
  auto nowhere = co_await stage.connection->publish(topic("a"), {}, {}, kSoon);
  EXPECT_TRUE(!nowhere && nowhere.error().code == Errc::unavailable);
  for (std::size_t round = 1; round <= 3; ++round) {
    auto broker = co_await accept_client(*stage.listener, kTakes5);
    co_await grant(*broker);
    co_await until_told(stage.told, "subscribed a/#", round);
    EXPECT_TRUE(stage.connection->is_connected());
    broker->close();
    co_await until_told(stage.told, "disconnected", round);
  }
}

TEST(MqttConnection, ComesBackByItselfSubscribesAgainAndSaysSo) {
  Stage stage;
  stage.open();
  stage.play(play_return(stage));
}

net::Task<void> play_close_while_connecting(Stage& stage) {
  auto broker = co_await stage.listener->accept(kSoon);
  stage.connection->close();
  auto waited = co_await stage.connection->until_connected(kSoon);
  EXPECT_TRUE(!waited && waited.error().code == Errc::unavailable);
  Bytes buffer(100);
  while (true) {  // CONNECT, if it was sent, then the end
    auto got = co_await (*broker)->read_some(buffer, kSoon);
    EXPECT_TRUE(got || got.error().code == Errc::unavailable);
    if (!got || *got == 0) break;
  }
}

TEST(MqttConnection, EndsWhileItConnectsAndSaysNothingAfterwards) {
  Stage stage;
  stage.open();
  stage.play(play_close_while_connecting(stage));
  EXPECT_TRUE(stage.told.lines.empty()) << stage.told.all();
}

TEST(MqttConnection, EndsBeforeItHasBegun) {
  Stage stage;
  stage.open();
  stage.connection.reset();
  stage.io.run_for(milliseconds(20));
  EXPECT_TRUE(stage.told.lines.empty());
}

net::Task<void> play_end_in_handler(Stage& stage) {
  auto broker = co_await accept_client(*stage.listener, kTakes5);
  Bytes two{0x30, 5, 0, 1, 'a', 0, 'x', 0x30, 5, 0, 1, 'b', 0, 'y'};
  co_await say(*broker, std::move(two));
  EXPECT_TRUE((co_await read_packet(*broker)).empty()) << "closed";
}

TEST(MqttConnection, MayBeEndedByItsOwnHandler) {
  Stage stage;
  std::size_t messages = 0;
  auto handlers = stage.told.handlers();
  handlers.on_message = [&](const Message&) {
    ++messages;
    stage.connection.reset();
  };
  auto opened = Connection::open(stage.io.executor(), stage.random, options_for(*stage.listener), std::move(handlers));
  ASSERT_TRUE(opened);
  stage.connection = *std::move(opened);
  stage.play(play_end_in_handler(stage));
  EXPECT_EQ(messages, 1U);
}

net::Task<void> play_goodbye(Stage& stage) {
  auto broker = co_await accept_client(*stage.listener, kTakes5);
  co_await until_told(stage.told, "connected");
  co_await stage.connection->disconnect();
  EXPECT_EQ(co_await read_packet(*broker), (Bytes{0xe0, 0}));
  EXPECT_TRUE((co_await read_packet(*broker)).empty());
}

TEST(MqttConnection, TakesLeaveWithDisconnect) {
  Stage stage;
  stage.open();
  stage.play(play_goodbye(stage));
  EXPECT_EQ(stage.told.count("disconnected"), 0U);
}

TEST(MqttConnection, RefusesOptionsThatNoBrokerCouldTake) {
  net::Io io;
  SeededRandom random(1);
  const auto refused = [&](const std::function<void(ConnectionOptions&)>& spoil) {
    ConnectionOptions options;
    options.broker = {.host = "127.0.0.1", .port = 1};
    spoil(options);
    const auto opened = Connection::open(io.executor(), random, std::move(options), {});
    return !opened && opened.error().code == Errc::malformed;
  };
  EXPECT_FALSE(refused([](ConnectionOptions&) {}));
  EXPECT_TRUE(refused([](ConnectionOptions& options) { options.broker.port = 0; }));
  EXPECT_TRUE(refused([](ConnectionOptions& options) { options.tls = BrokerTls{}; }));
  EXPECT_TRUE(refused([](ConnectionOptions& options) { options.client_id = std::string("a\0b", 3); }));
  EXPECT_TRUE(refused([](ConnectionOptions& options) { options.client_id = std::string(kMaxClientIdBytes + 1, 'a'); }));
  EXPECT_TRUE(refused([](ConnectionOptions& options) { options.password = SecretBytes("p"); }));
  EXPECT_TRUE(refused([](ConnectionOptions& options) { options.clean_session = false; }));
  EXPECT_TRUE(refused([](ConnectionOptions& options) { options.keep_alive = seconds(1); }));
  EXPECT_TRUE(refused([](ConnectionOptions& options) { options.limits.max_pending = 0; }));
  EXPECT_TRUE(refused([](ConnectionOptions& options) { options.limits.max_packet = 1; }));
  EXPECT_TRUE(refused([](ConnectionOptions& options) {
    options.will = Will{.topic = Topic("w"), .payload = Bytes(kMaxWillBytes + 1)};
  }));
}

net::Task<void> play_too_many(Stage& stage) {
  for (std::size_t i = 0; i < kMaxSubscriptions; ++i) {
    EXPECT_TRUE(stage.connection->keep_subscribed(filter("f/" + std::to_string(i))));
  }
  const auto more = stage.connection->keep_subscribed(filter("one/more"));
  EXPECT_TRUE(!more && more.error().code == Errc::overloaded);
  EXPECT_TRUE(stage.connection->keep_subscribed(filter("f/0"))) << "is there already";
  auto broker = co_await accept_client(*stage.listener, kTakes5);
  for (std::size_t i = 0; i < kMaxSubscriptions; ++i) co_await grant(*broker);
  co_await until_told(stage.told, "subscribed ", kMaxSubscriptions);
}

TEST(MqttConnection, KeepsNoMoreSubscriptionsThanItsLimitAndMakesAllOfThose) {
  Stage stage;
  stage.open();
  stage.play(play_too_many(stage));
}

}  // namespace
}  // namespace sallyport::mqtt
