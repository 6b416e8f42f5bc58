#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/log_budget.h"
#include "base/names.h"
#include "base/secret.h"
#include "base/time.h"

namespace sallyport {
namespace {

TEST(Reader, ReadsFieldsInOrderAndRefusesToReadPastTheEnd) {
  const Bytes bytes = {1, 0, 2, 0, 0, 0, 3, 2, 0xAA, 0xBB};
  Reader reader(bytes);
  EXPECT_EQ(*reader.u8(), 1);
  EXPECT_EQ(*reader.u16(), 2);
  EXPECT_EQ(*reader.u32(), 3U);
  EXPECT_EQ(to_bytes(*reader.bytes_u8()), (Bytes{0xAA, 0xBB}));
  EXPECT_TRUE(reader.finish("test"));
  EXPECT_EQ(reader.u8().error().code, Errc::malformed);
}

TEST(Reader, LengthPrefixThatPromisesTooMuchLeavesThePosition) {
  const Bytes bytes = {5, 1, 2};
  Reader reader(bytes);
  EXPECT_FALSE(reader.bytes_u8());
  EXPECT_EQ(reader.remaining(), 3U);
}

TEST(Writer, RoundTripsEveryWidth) {
  Writer writer;
  writer.u8(1).u16(2).u24(3).u32(4).u64(5).bytes_u16(as_bytes("ab"));
  Reader reader(writer.view());
  EXPECT_EQ(*reader.u8(), 1);
  EXPECT_EQ(*reader.u16(), 2);
  EXPECT_EQ(*reader.u24(), 3U);
  EXPECT_EQ(*reader.u32(), 4U);
  EXPECT_EQ(*reader.u64(), 5U);
  EXPECT_EQ(as_text(*reader.bytes_u16()), "ab");
  EXPECT_EQ(reader.remaining(), 0U);
}

TEST(Secret, MovedFromSecretsAreWiped) {
  Secret<4> a(std::array<std::uint8_t, 4>{1, 2, 3, 4});
  const Secret<4> b(std::move(a));
  EXPECT_TRUE(b.equals(Bytes{1, 2, 3, 4}));
  EXPECT_FALSE(a.equals(Bytes{1, 2, 3, 4}));  // NOLINT(bugprone-use-after-move): that it is gone is the point
}

TEST(UnixTime, RoundTripsThroughCivilTime) {
  for (const std::int64_t t : {0LL, 951'782'400LL, 1'767'323'045LL, 4'102'444'799LL, 253'402'300'799LL}) {
    EXPECT_EQ(from_civil(to_civil(UnixTime(t)))->since_epoch(), t);
    EXPECT_EQ(parse_iso8601(to_iso8601(UnixTime(t)))->since_epoch(), t);
  }
  EXPECT_EQ(to_iso8601(kNoExpiry), "9999-12-31T23:59:59Z");
}

TEST(UnixTime, RefusesDaysAndTimesThatDoNotExist) {
  for (const char* text : {"2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z",
                           "2026-01-01T00:00:60Z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00", ""}) {
    EXPECT_FALSE(parse_iso8601(text)) << text;
  }
}

TEST(ManualClock, AdvancesBothClocksTogether) {
  ManualClock clock(UnixTime(1000));
  const Instant start = clock.monotonic();
  clock.advance(milliseconds(700));
  clock.advance(milliseconds(700));
  EXPECT_EQ(clock.now(), UnixTime(1001));
  EXPECT_EQ(clock.monotonic() - start, milliseconds(1400));
}

TEST(Names, AcceptOnlyTheirGrammar) {
  EXPECT_TRUE(parse_serial_id("press-0042"));
  EXPECT_TRUE(parse_dns_name("a.b-c.example"));
  EXPECT_TRUE(parse_device_name("abcdefgh27"));
  for (const std::string& bad :
       {std::string(""), std::string("A"), std::string("-a"), std::string("a-"), std::string("a_b"),
        std::string("a/../b"), std::string("a\0b", 3), std::string("a b"), std::string("a%2e"), std::string(64, 'a'),
        std::string("\xC3\xA4"), std::string("a\n"), std::string("*"), std::string("a.b")}) {
    EXPECT_FALSE(parse_serial_id(bad)) << log::escape(bad);
  }
  for (const std::string& bad : {std::string("."), std::string("a."), std::string(".a"), std::string("a..b"),
                                 std::string("*.a"), std::string("A.b"), std::string(254, 'a')}) {
    EXPECT_FALSE(parse_dns_name(bad)) << bad;
  }
  EXPECT_FALSE(parse_device_name("abcdefgh01"));
  EXPECT_FALSE(parse_device_name("abcdefgh2"));
}

TEST(Names, BelowMeansAtALabelBoundary) {
  const DnsName zone("devices.example");
  EXPECT_TRUE(is_below(DnsName("x.devices.example"), zone));
  EXPECT_FALSE(is_below(DnsName("xdevices.example"), zone));
  EXPECT_FALSE(is_below(zone, zone));
}

TEST(Names, DrawnNamesFollowTheirGrammarAndDiffer) {
  SeededRandom random(7);
  const DeviceName a = draw_device_name(random);
  const DeviceName b = draw_device_name(random);
  EXPECT_TRUE(parse_device_name(a.get()));
  EXPECT_TRUE(parse_grant_label(draw_grant_label(random).get()));
  EXPECT_NE(a, b);
}

TEST(Log, EscapesWhatCouldBreakALineAndCutsWhatIsLong) {
  EXPECT_EQ(log::escape("a\nb\x1b[31m\"c\\"), "a\\x0ab\\x1b[31m\\x22c\\x5c");
  EXPECT_LT(log::escape(std::string(100'000, 'x')).size(), 600U);
}

TEST(LogBudget, WritesOneLineOfASourceInASecondAndSaysHowManyWereLeftOut) {
  log::Budget budget;
  Instant now{};
  EXPECT_EQ(budget.take("192.0.2.1", now), 0U);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(budget.take("192.0.2.1", now), std::nullopt);
  EXPECT_EQ(budget.take("192.0.2.2", now), 0U);
  EXPECT_EQ(budget.take("192.0.2.1", now + milliseconds(999)), std::nullopt);
  EXPECT_EQ(budget.take("192.0.2.1", now + milliseconds(1'000)), 6U);
}

TEST(LogBudget, SourcesBeyondItsMemoryShareOneLine) {
  log::Budget budget(seconds(1), 2);
  Instant now{};
  std::size_t written = 0;
  for (int i = 0; i < 1'000; ++i) written += budget.take(std::to_string(i), now).has_value() ? 1 : 0;
  EXPECT_EQ(written, 3U);
  now += seconds(1);
  EXPECT_EQ(budget.take("new", now), 0U) << "room was made";
  ASSERT_TRUE(budget.take("other", now));
  EXPECT_EQ(budget.take("third", now), 997U) << "what the shared one left out";
}

TEST(Random, BelowStaysBelow) {
  SeededRandom random(1);
  for (int i = 0; i < 1000; ++i) EXPECT_LT(random.below(3), 3U);
}

}  // namespace
}  // namespace sallyport
