#include "mqtt/session.h"

#include <gtest/gtest.h>

namespace sallyport::mqtt {
namespace {

const Bytes kSessionTaken{0x20, 3, 0, 0, 0};

struct Played {
  Session session;
  std::vector<SessionEvent> events;

  explicit Played(SessionLimits limits = {}, Version version = Version::v5) : session(version, limits) {}
  Result<void> hear(const Bytes& bytes) { return session.on_bytes(bytes, events); }
  void accept() {
    EXPECT_TRUE(hear(session_answer));
    events.clear();
  }
  Bytes session_answer = kSessionTaken;
};

const Answered* answer_in(const Played& played) {
  return played.events.empty() ? nullptr : std::get_if<Answered>(&played.events.back());
}

TEST(Session, SaysNothingBeforeItIsAccepted) {
  Played played;
  for (const auto& refused : {played.session.publish(Topic("a"), {}, {}), played.session.subscribe(TopicFilter("a"))}) {
    EXPECT_TRUE(!refused && refused.error().code == Errc::unavailable);
  }
  EXPECT_TRUE(played.session.on_tick());
  EXPECT_FALSE(played.session.has_output());
}

TEST(Session, RefusesAnythingBeforeConnAckAndASecondOne) {
  Played early;
  EXPECT_FALSE(early.hear({0x30, 5, 0, 1, 'a', 0, 'x'}));
  EXPECT_TRUE(early.events.empty());
  Played twice;
  EXPECT_TRUE(twice.hear(kSessionTaken));
  EXPECT_FALSE(twice.hear(kSessionTaken));
}

TEST(Session, TellsWhyItIsRefused) {
  Played old({}, Version::v3_1_1);
  const auto password = old.hear({0x20, 2, 0, 4});
  ASSERT_FALSE(password);
  EXPECT_EQ(password.error().code, Errc::unauthorized);
  EXPECT_NE(password.error().detail.find("bad user name or password (0x04)"), std::string::npos);
  Played busy;
  const auto later = busy.hear({0x20, 3, 0, 0x89, 0});
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, Errc::unavailable);
  EXPECT_TRUE(busy.events.empty());
}

TEST(Session, MeansTheSameInPiecesOfOneByte) {
  Played played;
  const Bytes all{0x20, 3, 0, 0, 0, 0x30, 6, 0, 1, 'a', 0, 'h', 'i', 0x33, 7, 0, 1, 'b', 0, 9, 0, 'x'};
  for (const std::uint8_t byte : all) ASSERT_TRUE(played.hear({byte}));
  ASSERT_EQ(played.events.size(), 3U);
  EXPECT_EQ(as_text(std::get<Message>(played.events[1]).payload), "hi");
  EXPECT_TRUE(std::get<Message>(played.events[2]).retained);
  EXPECT_EQ(played.session.take_output(), (Bytes{0x40, 2, 0, 9}));
}

TEST(Session, TellsWhatCameBeforeAFault) {
  Played played;
  played.accept();
  const auto fault = played.hear({0x30, 6, 0, 1, 'a', 0, 'h', 'i', 0x30, 0xff, 0xff, 0xff, 0x7f});
  ASSERT_FALSE(fault);
  EXPECT_EQ(fault.error().code, Errc::overloaded);
  EXPECT_EQ(played.events.size(), 1U);
}

TEST(Session, DropsAndCountsATopicAboveTheLimitAndStillAcknowledgesIt) {
  Played played;
  played.accept();
  Writer body;
  body.bytes_u16(as_bytes(std::string(kMaxTopicBytes + 1, 'a'))).u16(3).u8(0);
  Writer whole;
  whole.u8(0x32)
      .u8(static_cast<std::uint8_t>(0x80 | (body.size() & 0x7f)))
      .u8(static_cast<std::uint8_t>(body.size() >> 7));
  whole.bytes(body.view());
  EXPECT_TRUE(played.hear(whole.take()));
  EXPECT_TRUE(played.events.empty());
  EXPECT_EQ(played.session.dropped(), 1U);
  EXPECT_EQ(played.session.take_output(), (Bytes{0x40, 2, 0, 3}));
}

TEST(Session, GivesEachAnswerToItsPacket) {
  Played played;
  played.accept();
  const auto published = played.session.publish(Topic("a"), as_bytes("x"), {});
  const auto subscribed = played.session.subscribe(TopicFilter("b"));
  ASSERT_TRUE(published && subscribed);
  EXPECT_TRUE(played.hear({0x90, 4, 0, 2, 0, 0x87}));
  ASSERT_NE(answer_in(played), nullptr);
  EXPECT_EQ(answer_in(played)->id, *subscribed);
  ASSERT_FALSE(answer_in(played)->result);
  EXPECT_EQ(answer_in(played)->result.error().code, Errc::unauthorized);
  EXPECT_TRUE(played.hear({0x40, 2, 0, 1}));
  EXPECT_EQ(answer_in(played)->id, *published);
  EXPECT_TRUE(answer_in(played)->result);
}

TEST(Session, IgnoresAnswersToNothingAndOfTheWrongKind) {
  Played played;
  played.accept();
  ASSERT_TRUE(played.session.publish(Topic("a"), as_bytes("x"), {}));
  EXPECT_TRUE(played.hear({0x90, 4, 0, 1, 0, 0}));
  EXPECT_TRUE(played.hear({0xb0, 4, 0, 1, 0, 0}));
  EXPECT_TRUE(played.hear({0x40, 2, 0, 77}));
  EXPECT_TRUE(played.events.empty());
  EXPECT_TRUE(played.hear({0x40, 2, 0, 1}));
  EXPECT_EQ(played.events.size(), 1U);
  EXPECT_TRUE(played.hear({0x40, 2, 0, 1}));
  EXPECT_EQ(played.events.size(), 1U) << "answered twice";
}

TEST(Session, QueuesNoMoreThanItsLimits) {
  Played played({.max_packet = 1'000, .max_pending = 2, .max_unsent = 300});
  played.accept();
  const Bytes payload(100, 'x');
  EXPECT_TRUE(played.session.publish(Topic("a"), payload, {}));
  EXPECT_TRUE(played.session.publish(Topic("a"), payload, {}));
  const auto bytes = played.session.publish(Topic("a"), payload, {.qos = Qos::at_most_once});
  EXPECT_TRUE(!bytes && bytes.error().code == Errc::overloaded);
  const auto taken = played.session.take_output();
  played.session.set_writing(taken.size());
  EXPECT_FALSE(played.session.publish(Topic("a"), payload, {.qos = Qos::at_most_once})) << "taken is not written";
  played.session.set_writing(0);
  EXPECT_TRUE(played.session.publish(Topic("a"), payload, {.qos = Qos::at_most_once}));
  const auto count = played.session.publish(Topic("a"), {}, {});
  EXPECT_TRUE(!count && count.error().code == Errc::overloaded);
}

TEST(Session, ObeysWhatTheBrokerSaysItTakes) {
  Played few;
  few.session_answer = {0x20, 6, 0, 0, 3, 0x21, 0, 1};
  few.accept();
  EXPECT_TRUE(few.session.publish(Topic("a"), {}, {}));
  EXPECT_FALSE(few.session.publish(Topic("a"), {}, {})) << "receive maximum 1";
  EXPECT_TRUE(few.session.subscribe(TopicFilter("a"))) << "which is about publishes alone";
  Played small;
  small.session_answer = {0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 100};
  small.accept();
  EXPECT_FALSE(small.session.publish(Topic("a"), Bytes(100, 'x'), {}));
  EXPECT_TRUE(small.session.publish(Topic("a"), Bytes(50, 'x'), {}));
  Played plain;
  plain.session_answer = {0x20, 7, 0, 0, 4, 0x25, 0, 0x24, 0};
  plain.accept();
  EXPECT_FALSE(plain.session.publish(Topic("a"), {}, {.qos = Qos::at_most_once, .retain = true}));
  EXPECT_FALSE(plain.session.publish(Topic("a"), {}, {.qos = Qos::at_least_once}));
  EXPECT_TRUE(plain.session.publish(Topic("a"), {}, {.qos = Qos::at_most_once}));
}

TEST(Session, AsksASilentBrokerOnceAndThenGivesItUp) {
  Played played;
  played.accept();
  EXPECT_TRUE(played.session.on_tick());
  EXPECT_EQ(played.session.take_output(), (Bytes{0xc0, 0})) << "CONNACK was heard, but nothing was sent";
  const auto silent = played.session.on_tick();
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().code, Errc::expired);
}

TEST(Session, KeepsABrokerThatAnswersOrTalks) {
  Played played;
  played.accept();
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(played.session.on_tick());
    EXPECT_TRUE(played.hear(i % 2 == 0 ? Bytes{0xd0, 0} : Bytes{0x30, 4, 0, 1, 'a', 0}));
  }
}

TEST(Session, TellsInWordsWhyTheBrokerLeaves) {
  Played played;
  played.accept();
  const auto left = played.hear({0xe0, 9, 0x8b, 7, 0x1f, 0, 4, 'b', 'y', 'e', '!'});
  ASSERT_FALSE(left);
  EXPECT_EQ(left.error().detail, "the broker ends the connection: server shutting down (0x8b): \"bye!\"");
}

TEST(Session, TakesNothingAfterItsGoodbye) {
  Played played;
  played.accept();
  played.session.disconnect();
  played.session.disconnect();
  EXPECT_EQ(played.session.take_output(), (Bytes{0xe0, 0}));
  EXPECT_FALSE(played.session.publish(Topic("a"), {}, {}));
  EXPECT_FALSE(played.session.subscribe(TopicFilter("a")));
}

}  // namespace
}  // namespace sallyport::mqtt
