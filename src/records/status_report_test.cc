#include "records/status_report.h"

#include <gtest/gtest.h>

#include "codec/tlv.h"

namespace sallyport::records {
namespace {

constexpr UnixTime kNow{1'800'000'000};

StatusReport report() {
  StatusReport out;
  out.host = "status-1.example";
  out.snapshot_number = 41;
  out.snapshot_issued_at = kNow;
  out.counting_since = kNow - kDay;
  out.answers = {{"cached", 70}, {"live", 9}};
  out.refusals = {{"no-lease", 2}};
  out.signers = {{CaName("server-ca"), CertificateSerial(Bytes{1, 2}), kNow, kNow + 20 * kDay, kNow + 13 * kDay},
                 {CaName("online-ca@1f"), CertificateSerial(Bytes{3}), kNow, kNow + 20 * kDay, kNow + 13 * kDay}};
  out.crls = {{CaName("online-ca"), 12, kNow + kDay}};
  return out;
}

bool is_refused(const StatusReport& report) {
  const auto parsed = parse_status_report(encode(report));
  return !parsed && parsed.error().code == Errc::malformed;
}

TEST(StatusReport, SurvivesItsEncoding) {
  const auto parsed = parse_status_report(encode(report()));
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(*parsed, report());
  StatusReport fresh;
  fresh.host = "a";
  EXPECT_EQ(parse_status_report(encode(fresh)), fresh) << "of a host that has done nothing yet";
}

TEST(StatusReport, IsRefusedUnderAHostNameThatIsNone) {
  for (const std::string& name : {std::string(), std::string("a b"), std::string("a\"b"), std::string("a\nb"),
                                  std::string("\xC3\xA4"), std::string(kMaxHostName + 1, 'a')}) {
    StatusReport odd = report();
    odd.host = name;
    EXPECT_TRUE(is_refused(odd)) << name;
  }
}

TEST(StatusReport, IsRefusedWithCountsOfNoKind) {
  for (const std::string& kind : {std::string(), std::string("Live"), std::string("a b"), std::string("li\"ve"),
                                  std::string(kMaxCountKind + 1, 'a')}) {
    StatusReport odd = report();
    odd.answers.push_back({kind, 1});
    EXPECT_TRUE(is_refused(odd)) << kind;
  }
  StatusReport twice = report();
  twice.refusals.push_back(twice.refusals.front());
  EXPECT_TRUE(is_refused(twice));
  StatusReport many = report();
  many.answers.clear();
  for (char c = 'a'; many.answers.size() <= kMaxStatusCounts; ++c) many.answers.push_back({std::string(1, c), 1});
  EXPECT_TRUE(is_refused(many));
}

TEST(StatusReport, IsRefusedWithCasThatAreNoneOrThereTwice) {
  for (const std::string& ca : {std::string(), std::string("a b"), std::string("a\"b"), std::string(129, 'a')}) {
    StatusReport odd = report();
    odd.crls.front().ca = CaName(ca);
    EXPECT_TRUE(is_refused(odd)) << ca;
    odd = report();
    odd.signers.front().ca = CaName(ca);
    EXPECT_TRUE(is_refused(odd)) << ca;
  }
  StatusReport twice = report();
  twice.signers.push_back(twice.signers.front());
  EXPECT_TRUE(is_refused(twice));
  twice = report();
  twice.crls.push_back(twice.crls.front());
  EXPECT_TRUE(is_refused(twice));
}

TEST(StatusReport, IsRefusedWithNumbersThatNobodyCountsTo) {
  StatusReport most = report();
  most.answers.front().count = kMaxReportedNumber;
  EXPECT_TRUE(parse_status_report(encode(most)));
  most.answers.front().count = kMaxReportedNumber + 1;
  EXPECT_TRUE(is_refused(most));
  most = report();
  most.crls.front().number = ~std::uint64_t{0};
  EXPECT_TRUE(is_refused(most));
  most = report();
  most.snapshot_number = ~std::uint64_t{0};
  EXPECT_TRUE(is_refused(most));
}

TEST(StatusReport, IsRefusedWithASerialThatIsNone) {
  StatusReport odd = report();
  odd.signers.front().serial = CertificateSerial(Bytes{});
  EXPECT_TRUE(is_refused(odd));
  odd.signers.front().serial = CertificateSerial(Bytes(21, 1));
  EXPECT_TRUE(is_refused(odd));
}

TEST(StatusReport, IsRefusedWithMoreOrLessThanItself) {
  const Bytes whole = encode(report());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    // Whole fields at the end may be missing: what repeats may be there not at all.
    const auto parsed = parse_status_report(ByteView(whole).first(length));
    EXPECT_TRUE(!parsed || *parsed != report()) << length;
  }
  Bytes more = whole;
  more.push_back(0);
  EXPECT_FALSE(parse_status_report(more));
  more.pop_back();
  const Bytes unknown = codec::TlvWriter().text(9, "x").take();
  more.insert(more.end(), unknown.begin(), unknown.end());
  EXPECT_FALSE(parse_status_report(more));
}

}  // namespace
}  // namespace sallyport::records
