// mosquitto without TLS: both versions, what it keeps, what it refuses, and its death.
#include "mosquitto.h"
#include "mqtt/brokers.h"
#include "net/run.h"

namespace sallyport::brokers_test {
namespace {

using mqtt::Connection;
using mqtt::PublishOptions;
using mqtt::Qos;
using mqtt::Version;

// One connection to one mosquitto.
struct Plain {
  net::Io io;
  SeededRandom random{7};
  Told told{io};
  std::unique_ptr<Connection> connection;

  void open(mqtt::ConnectionOptions options) {
    auto opened = Connection::open(io.executor(), random, std::move(options), told.handlers());
    ASSERT_TRUE(opened);
    connection = *std::move(opened);
  }
  void play(net::Task<void> part) {
    net::run(io, std::move(part));
    net::run(io, connection->disconnect());
    connection.reset();
  }
};

net::Task<void> publish_well(Connection& connection, std::string where, std::string text, PublishOptions options = {}) {
  auto done = co_await connection.publish(topic(where), to_bytes(text), options, kSoon);
  EXPECT_TRUE(done) << (done ? "" : done.error().detail);
}

net::Task<void> subscribe_well(Connection& connection, std::string what) {
  auto done = co_await connection.subscribe(filter(what), kSoon);
  EXPECT_TRUE(done) << (done ? "" : done.error().detail);
}

class EachVersion : public testing::TestWithParam<Version> {};

net::Task<void> play_both_ways(Plain& plain, const Mosquitto& broker, std::string version) {
  auto up = co_await plain.connection->until_connected(kSoon);
  EXPECT_TRUE(up);
  co_await subscribe_well(*plain.connection, "plant/+/state");
  co_await publish_well(*plain.connection, "plant/1/state", "on");
  co_await publish_well(*plain.connection, "plant/2/state", "off", {.qos = Qos::at_most_once});
  co_await publish_well(*plain.connection, "plant/3/other", "not wanted");
  broker.publish({"-V", version, "-t", "plant/4/state", "-m", "from outside", "-q", "2"});
  co_await plain.told.until("plant/1/state=on");
  co_await plain.told.until("plant/2/state=off");
  co_await plain.told.until("plant/4/state=from outside");
  EXPECT_EQ(plain.told.count("plant/3"), 0U);
  auto gone = co_await plain.connection->unsubscribe(filter("plant/+/state"), kSoon);
  EXPECT_TRUE(gone);
  co_await publish_well(*plain.connection, "plant/5/state", "nobody listens");
  EXPECT_EQ(plain.told.count("plant/5"), 0U);
}

TEST_P(EachVersion, CarriesMessagesBothWaysAndForOthers) {
  Mosquitto broker;
  broker.start();
  Plain plain;
  plain.open(broker.options(GetParam()));
  plain.play(play_both_ways(plain, broker, GetParam() == Version::v5 ? "mqttv5" : "mqttv311"));
}

net::Task<void> play_retained(Plain& plain, const Mosquitto& broker) {
  broker.publish({"-t", "lies/there", "-m", "old", "-r"});
  co_await plain.told.until("connected");
  co_await subscribe_well(*plain.connection, "lies/#");
  co_await plain.told.until("lies/there=old retained");
  broker.publish({"-t", "lies/there", "-m", "new", "-r"});
  co_await plain.told.until("lies/there=new");
  EXPECT_EQ(plain.told.lines.back(), "lies/there=new") << "live, though it is kept for others";
  PublishOptions kept;
  kept.retain = true;
  co_await publish_well(*plain.connection, "lies/ours", "here", kept);
  EXPECT_EQ(run_program(
                {"mosquitto_sub", "-h", "127.0.0.1", "-p", broker.port(), "-t", "lies/ours", "-C", "1", "-F", "%r %p"}),
            "1 here\n");
}

TEST_P(EachVersion, TellsRetainedMessagesFromLiveOnes) {
  Mosquitto broker;
  broker.start();
  Plain plain;
  plain.open(broker.options(GetParam()));
  plain.play(play_retained(plain, broker));
}

net::Task<void> play_restart(Plain& plain, Mosquitto& broker) {
  co_await plain.told.until("connected");
  co_await subscribe_well(*plain.connection, "a/#");
  broker.kill();
  co_await plain.told.until("disconnected: ");
  auto lost = co_await plain.connection->publish(topic("a/b"), to_bytes("x"), {}, kSoon);
  EXPECT_TRUE(!lost && lost.error().code == Errc::unavailable);
  broker.start();
  co_await plain.told.until("subscribed a/#", 2);
  EXPECT_EQ(plain.told.count("connected"), 2U);
  co_await publish_well(*plain.connection, "a/b", "again");
  co_await plain.told.until("a/b=again");
}

TEST_P(EachVersion, ComesBackToABrokerThatWasKilledAndSubscribesAgain) {
  Mosquitto broker;
  broker.start();
  Plain plain;
  plain.open(broker.options(GetParam()));
  plain.play(play_restart(plain, broker));
}

net::Task<void> play_session(Plain& plain) {
  co_await plain.told.until("connected");
  co_await subscribe_well(*plain.connection, "kept/#");
}

net::Task<void> play_session_again(Plain& plain) {
  co_await plain.told.until("connected to a session");
  co_await plain.told.until("kept/1=while away");
}

TEST_P(EachVersion, GetsWhatABrokerKeptForItsSession) {
  Mosquitto broker;
  broker.start();
  for (const bool again : {false, true}) {
    Plain plain;
    auto options = broker.options(GetParam());
    options.client_id = "somebody";
    options.clean_session = false;
    plain.open(std::move(options));
    plain.play(again ? play_session_again(plain) : play_session(plain));
    if (!again) broker.publish({"-t", "kept/1", "-m", "while away", "-q", "1"});
  }
}

net::Task<void> play_sizes(Plain& plain, const Mosquitto& broker, bool broker_obeys) {
  co_await plain.told.until("connected");
  co_await subscribe_well(*plain.connection, "big");
  co_await publish_well(*plain.connection, "big", std::string(200'000, 'x'));
  co_await plain.told.until("big=200000 bytes");
  broker.folder().write("much", std::string(300'000, 'x'));
  broker.publish({"-t", "big", "-f", broker.folder().path("much"), "-q", "1"});
  if (broker_obeys) {
    co_await publish_well(*plain.connection, "big", "small");
    co_await plain.told.until("big=small");
    EXPECT_EQ(plain.told.count("disconnected"), 0U);
  } else {
    co_await plain.told.until("disconnected: mqtt: a PUBLISH of 300011 bytes from the broker, want at most " +
                              std::to_string(mqtt::kMaxPacketBytes));
  }
}

TEST_P(EachVersion, TakesWhatItAllowsAndLeavesABrokerThatSendsMore) {
  Mosquitto broker;
  broker.start();
  Plain plain;
  plain.open(broker.options(GetParam()));
  // Only version 5 can say what we take.
  plain.play(play_sizes(plain, broker, GetParam() == Version::v5));
}

INSTANTIATE_TEST_SUITE_P(Mosquitto, EachVersion, testing::Values(Version::v3_1_1, Version::v5),
                         [](const auto& info) { return info.param == Version::v5 ? "Mqtt5" : "Mqtt311"; });

net::Task<void> play_expiry(Plain& plain, const Mosquitto& broker) {
  co_await plain.told.until("connected");
  PublishOptions options;
  options.retain = true;
  options.expiry = seconds(3'600);
  co_await publish_well(*plain.connection, "soon/old", "x", options);
  const std::string left = run_program({"mosquitto_sub", "-V", "mqttv5", "-h", "127.0.0.1", "-p", broker.port(), "-t",
                                        "soon/old", "-C", "1", "-F", "%E"});
  EXPECT_GT(std::stoi(left), 3'500) << left;
  EXPECT_LE(std::stoi(left), 3'600) << left;
}

TEST(PlainMosquitto, IsToldWhenAMessageExpires) {
  Mosquitto broker;
  broker.start();
  Plain plain;
  plain.open(broker.options());
  plain.play(play_expiry(plain, broker));
}

net::Task<void> play_login(Plain& plain, bool good) {
  if (good) {
    co_await plain.told.until("connected");
    co_await publish_well(*plain.connection, "mine/x", "x");
    auto forbidden = co_await plain.connection->publish(topic("theirs/x"), {}, {}, kSoon);
    EXPECT_TRUE(!forbidden && forbidden.error().code == Errc::unauthorized);
  } else {
    co_await plain.told.until("disconnected: the broker refuses us: not authorized");
    EXPECT_EQ(plain.told.count("connected"), 0U);
  }
}

TEST(PlainMosquitto, AsksForUserAndPasswordAndRefusesWrongOnesAndForeignTopics) {
  Mosquitto broker("allow_anonymous false\npassword_file {}/passwords\nacl_file {}/acl\n");
  broker.folder().write("acl", "user node\ntopic readwrite mine/#\n");
  run_program({"mosquitto_passwd", "-b", "-c", broker.folder().path("passwords"), "node", "right"});
  broker.start();
  for (const std::string password : {"right", "wrong", ""}) {
    Plain plain;
    auto options = broker.options();
    if (!password.empty()) options.user_name = "node";
    options.password = SecretBytes(password);
    plain.open(std::move(options));
    plain.play(play_login(plain, password == "right"));
  }
}

net::Task<void> play_two(mqtt::Brokers& brokers, Told& told, Mosquitto& first) {
  const auto kept = brokers.keep_subscribed(filter("a"));
  EXPECT_TRUE(kept);
  co_await told.until("subscribed a", 2);
  auto both = co_await brokers.publish(topic("a"), to_bytes("x"), {}, kSoon);
  EXPECT_TRUE(both);
  co_await told.until("a=x", 2);
  first.kill();
  co_await told.until("disconnected");
  auto other = co_await brokers.publish(topic("a"), to_bytes("y"), {}, kSoon);
  EXPECT_TRUE(other);
  co_await told.until("a=y");
}

TEST(PlainMosquitto, IsOneOfSeveralAndMayDie) {
  Mosquitto first;
  Mosquitto second;
  first.start();
  second.start();
  net::Io io;
  SeededRandom random(3);
  Told told(io);
  const auto one = told.handlers();
  mqtt::BrokersHandlers handlers;
  handlers.on_disconnected = [one](std::size_t, const Error& why) { one.on_disconnected(why); };
  handlers.on_message = [one](std::size_t, mqtt::Message message) { one.on_message(std::move(message)); };
  handlers.on_subscribed = [one](std::size_t, const mqtt::TopicFilter& what, const Result<void>& verdict) {
    one.on_subscribed(what, verdict);
  };
  std::vector<mqtt::ConnectionOptions> options;
  options.push_back(first.options(Version::v3_1_1));
  options.push_back(second.options(Version::v5));
  auto brokers = mqtt::Brokers::open(io.executor(), random, std::move(options), std::move(handlers));
  ASSERT_TRUE(brokers);
  net::run(io, play_two(**brokers, told, first));
  net::run(io, (*brokers)->disconnect());
}

}  // namespace
}  // namespace sallyport::brokers_test
