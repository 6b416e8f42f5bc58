#include "mqtt/brokers.h"

#include "mqtt/detail/test_broker.h"

namespace sallyport::mqtt {
namespace {

struct TwoBrokers {
  net::Io io;
  SeededRandom random{2};
  Told told{io};
  std::unique_ptr<net::Listener> first = listen(io);
  std::unique_ptr<net::Listener> second = listen(io);
  std::unique_ptr<Brokers> brokers;

  TwoBrokers() {
    BrokersHandlers handlers;
    handlers.on_connected = [this](std::size_t broker, bool) { told.add("connected " + std::to_string(broker)); };
    handlers.on_message = [this](std::size_t broker, const Message& message) {
      told.add(std::to_string(broker) + ": " + message.topic.get());
    };
    std::vector<ConnectionOptions> both;
    both.push_back(options_for(*first));
    both.push_back(options_for(*second));
    auto opened = Brokers::open(io.executor(), random, std::move(both), std::move(handlers));
    EXPECT_TRUE(opened);
    brokers = *std::move(opened);
  }
  void play(net::Task<void> part) {
    net::run(io, std::move(part));
    net::run(io, brokers->disconnect());
  }
};

// Acknowledges the next PUBLISH of QoS 1 to a topic of one letter.
net::Task<void> acknowledge(net::Stream& broker, std::uint8_t code) {
  const Bytes packet = co_await read_packet(broker);
  EXPECT_EQ(packet.at(0), 0x32);
  co_await say(broker, {0x40, 3, packet.at(5), packet.at(6), code});
}

net::Task<void> publish_and_expect(Brokers& brokers, bool succeeds) {
  auto done = co_await brokers.publish(topic("a"), to_bytes("x"), {}, kSoon);
  EXPECT_EQ(done.has_value(), succeeds) << (done ? "" : done.error().detail);
}

net::Task<void> play_one_takes(TwoBrokers& stage) {
  auto none = co_await stage.brokers->publish(topic("a"), {}, {}, kSoon);
  EXPECT_TRUE(!none && none.error().code == Errc::unavailable);
  auto first = co_await accept_client(*stage.first, kTakes5);
  auto second = co_await accept_client(*stage.second, kTakes5);
  co_await until_told(stage.told, "connected", 2);
  EXPECT_EQ(stage.brokers->connected(), 2U);
  // One refuses, the other agrees; then both refuse.
  co_await net::join(publish_and_expect(*stage.brokers, true),
                     net::join(acknowledge(*first, 0x87), acknowledge(*second, 0)));
  co_await net::join(publish_and_expect(*stage.brokers, false),
                     net::join(acknowledge(*first, 0x87), acknowledge(*second, 0x97)));
  co_await say(*second, {0x30, 4, 0, 1, 'b', 0});
  co_await until_told(stage.told, "1: b");
}

TEST(MqttBrokers, ArePublishedToTogetherAndOneThatAgreesIsEnough) {
  TwoBrokers stage;
  stage.play(play_one_takes(stage));
}

net::Task<void> play_posts(TwoBrokers& stage) {
  const auto post = [&](std::size_t bytes) { return stage.brokers->post(topic("a"), Bytes(bytes, 'x'), {}); };
  const auto nowhere = post(1);
  EXPECT_TRUE(!nowhere && nowhere.error().code == Errc::unavailable);
  auto first = co_await accept_client(*stage.first, kTakes5);
  auto second = co_await accept_client(*stage.second, kTakes5);
  co_await until_told(stage.told, "connected", 2);
  EXPECT_TRUE(post(1));
  // Nobody waits, so a refusal changes nothing, and neither does a broker that goes.
  co_await net::join(acknowledge(*first, 0x87), acknowledge(*second, 0));
  EXPECT_TRUE(post(1));
  co_await net::join(acknowledge(*first, 0), acknowledge(*second, 0));
  const auto huge = post(kMaxPacketBytes * 64);
  EXPECT_TRUE(!huge && huge.error().code == Errc::overloaded);
  stage.brokers->close();
  EXPECT_FALSE(post(1));
}

TEST(MqttBrokers, ArePostedToWithoutWaitingAndSayAtOnceWhatTheyCannotTake) {
  TwoBrokers stage;
  stage.play(play_posts(stage));
}

net::Task<void> publish_where_it_came_from(Brokers& brokers) {
  auto done = co_await brokers.publish_to(1, topic("a"), to_bytes("x"), {}, kSoon);
  EXPECT_TRUE(done);
}

net::Task<void> play_answer(TwoBrokers& stage) {
  auto first = co_await accept_client(*stage.first, kTakes5);
  auto second = co_await accept_client(*stage.second, kTakes5);
  co_await until_told(stage.told, "connected", 2);
  co_await net::join(publish_where_it_came_from(*stage.brokers), acknowledge(*second, 0));
  stage.brokers->close();
  EXPECT_TRUE((co_await read_packet(*first)).empty()) << "the first got nothing";
}

TEST(MqttBrokers, AreAnsweredWhereSomethingCameFrom) {
  TwoBrokers stage;
  stage.play(play_answer(stage));
}

TEST(MqttBrokers, AreOneToEightAndAWrongOneIsNamed) {
  net::Io io;
  SeededRandom random(3);
  EXPECT_FALSE(Brokers::open(io.executor(), random, {}, {}));
  std::vector<ConnectionOptions> nine;
  for (std::size_t i = 0; i <= kMaxBrokers; ++i) {
    nine.emplace_back();
    nine.back().broker = {.host = "localhost", .port = 1};
  }
  EXPECT_FALSE(Brokers::open(io.executor(), random, std::move(nine), {}));
  std::vector<ConnectionOptions> wrong;
  wrong.emplace_back();
  wrong.back().broker = {.host = "broker.test", .port = 1};
  wrong.back().keep_alive = seconds(0);
  const auto refused = Brokers::open(io.executor(), random, std::move(wrong), {});
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().detail.starts_with("broker.test:1: ")) << refused.error().detail;
}

}  // namespace
}  // namespace sallyport::mqtt
