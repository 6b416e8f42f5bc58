#include "factory/ledger.h"

#include <gtest/gtest.h>

#include <fstream>

#include "factory/detail/test_site.h"
#include "keystore/file.h"

namespace sallyport::factory {
namespace {

class LedgerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sallyport-ledger-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path path() const { return folder_ / "ledger.bin"; }
  Ledger opened() {
    auto ledger = Ledger::open(path());
    EXPECT_TRUE(ledger) << ledger.error().detail;
    return *std::move(ledger);
  }
  // Issues `id` into `ledger` as a station does.
  Issued issue(Ledger& ledger, const std::string& id) {
    auto key = crypto::PrivateKey::generate();
    const auto certificate = site_.device(id, key.public_key());
    const Intent intent{.serial = certificate.serial(),
                        .serial_id = SerialId(id),
                        .spki = crypto::sha256(key.public_key().spki()),
                        .time = kTestNow};
    auto recorded = ledger.record_intent(intent);
    EXPECT_TRUE(recorded) << recorded.error().detail;
    Issued issued{
        .entry = pki::next_entry(ledger.head().sequence, ledger.head().hash, SerialId(id), certificate, kTestNow),
        .certificate = to_bytes(certificate.der())};
    recorded = ledger.record_issued(issued);
    EXPECT_TRUE(recorded) << recorded.error().detail;
    return issued;
  }
  Bytes content() { return *keystore::read_file(path(), kMaxLedgerFile); }
  void put(ByteView bytes) { ASSERT_TRUE(keystore::atomic_write_file(path(), bytes, 0600)); }

  std::filesystem::path folder_;
  TestSite site_;
};

TEST_F(LedgerTest, RemembersOverReopening) {
  Issued first;
  Issued second;
  {
    auto ledger = opened();
    first = issue(ledger, "m-1");
    second = issue(ledger, "m-2");
  }
  auto ledger = opened();
  EXPECT_EQ(ledger.issued(), (std::vector{first, second}));
  EXPECT_EQ(ledger.head().sequence, 2U);
  EXPECT_EQ(ledger.head().hash, pki::entry_hash(second.entry));
  ASSERT_NE(ledger.find(SerialId("m-1")), nullptr);
  EXPECT_EQ(*ledger.find(SerialId("m-1")), first);
  EXPECT_EQ(*ledger.find_by_key(second.entry.spki), second);
  EXPECT_EQ(ledger.find(SerialId("m-3")), nullptr);
}

TEST_F(LedgerTest, TakesNoSerialIdKeyOrSerialTwice) {
  auto ledger = opened();
  const auto issued = issue(ledger, "m-1");
  const Intent fresh{.serial = pki::SerialNumber::draw(site_.random),
                     .serial_id = SerialId("m-2"),
                     .spki = crypto::sha256(as_bytes("k")),
                     .time = kTestNow};
  auto same_id = fresh;
  same_id.serial_id = SerialId("m-1");
  auto same_key = fresh;
  same_key.spki = issued.entry.spki;
  auto same_serial = fresh;
  same_serial.serial = issued.entry.certificate_serial;
  for (const auto& intent : {same_id, same_key, same_serial}) {
    const auto recorded = ledger.record_intent(intent);
    ASSERT_FALSE(recorded);
    EXPECT_EQ(recorded.error().code, Errc::conflict);
  }
  ASSERT_TRUE(ledger.record_intent(fresh));
  EXPECT_FALSE(ledger.record_intent(fresh)) << "while one is open";
}

TEST_F(LedgerTest, AnEntryMustFollowItsIntentAndTheHead) {
  auto ledger = opened();
  static_cast<void>(issue(ledger, "m-1"));
  auto key = crypto::PrivateKey::generate();
  const auto certificate = site_.device("m-2", key.public_key());
  Issued good{.entry = pki::next_entry(1, ledger.head().hash, SerialId("m-2"), certificate, kTestNow),
              .certificate = to_bytes(certificate.der())};
  EXPECT_FALSE(ledger.record_issued(good)) << "no intent";
  ASSERT_TRUE(ledger.record_intent(
      {.serial = certificate.serial(), .serial_id = SerialId("m-2"), .spki = good.entry.spki, .time = kTestNow}));
  auto gap = good;
  gap.entry.sequence = 3;
  auto fork = good;
  fork.entry.previous = {};
  auto other_id = good;
  other_id.entry.serial_id = SerialId("m-3");
  auto other_certificate = good;
  other_certificate.certificate.push_back(0);
  for (const auto& bad : {gap, fork, other_id, other_certificate}) EXPECT_FALSE(ledger.record_issued(bad));
  EXPECT_TRUE(ledger.record_issued(good));
}

// Every state that a crash while appending can leave: the file ends at each possible octet.
TEST_F(LedgerTest, AfterACrashAtAnyOctetItIsWholeAndLosesNothingThatWasHandedOut) {
  std::vector<std::pair<std::size_t, std::uint64_t>> handed_out;  // size of the file when so many had been handed out
  {
    auto ledger = opened();
    handed_out.emplace_back(content().size(), 0);
    for (const char* id : {"m-1", "m-2", "m-3"}) {
      static_cast<void>(issue(ledger, id));
      handed_out.emplace_back(content().size(), ledger.head().sequence);
    }
  }
  const Bytes whole = content();
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    put(ByteView(whole).first(size));
    auto ledger = Ledger::open(path());
    ASSERT_TRUE(ledger) << size << ": " << ledger.error().detail;
    std::uint64_t must_have = 0;
    for (const auto& [at, count] : handed_out) {
      if (size >= at) must_have = count;
    }
    ASSERT_EQ(ledger->head().sequence, must_have) << size;
    ASSERT_FALSE(ledger->has_open_intent()) << size;
    if (size % 97 == 0) {
      const auto next = issue(*ledger, "m-9");
      ASSERT_EQ(next.entry.sequence, must_have + 1);
      ASSERT_TRUE(Ledger::open(path())) << "what was voided stays readable";
    }
  }
}

TEST_F(LedgerTest, ABlockOfZerosAtTheEndIsATornTail) {
  {
    static_cast<void>(opened());
  }
  Bytes bytes = content();
  bytes.resize(bytes.size() + 300, 0);
  put(bytes);
  EXPECT_EQ(opened().head().sequence, 0U);
  EXPECT_EQ(content().size(), kLedgerMagic.size());
}

TEST_F(LedgerTest, AnOctetChangedAnywhereBeforeTheEndIsDamage) {
  std::size_t last_record = 0;
  {
    auto ledger = opened();
    static_cast<void>(issue(ledger, "m-1"));
    last_record = content().size();
    static_cast<void>(issue(ledger, "m-2"));
  }
  const Bytes whole = content();
  for (std::size_t at = 0; at < last_record; ++at) {
    Bytes spoilt = whole;
    spoilt[at] ^= 0x01U;
    const auto parsed = parse_ledger_file(spoilt);
    ASSERT_FALSE(parsed) << at;
    EXPECT_EQ(parsed.error().code, Errc::malformed);
  }
}

TEST_F(LedgerTest, RecordsCannotBeMovedOrLeftOut) {
  std::vector<std::size_t> ends;
  {
    auto ledger = opened();
    ends.push_back(content().size());
    for (const char* id : {"m-1", "m-2"}) {
      static_cast<void>(issue(ledger, id));
      ends.push_back(content().size());
    }
  }
  const Bytes whole = content();
  Bytes without_first = to_bytes(ByteView(whole).first(ends[0]));
  append(without_first, ByteView(whole).subspan(ends[1]));
  EXPECT_FALSE(parse_ledger_file(without_first));
}

TEST_F(LedgerTest, AnIntentThatIsGivenUpKeepsItsSerial) {
  auto ledger = opened();
  static_cast<void>(issue(ledger, "m-1"));
  const Intent intent{.serial = pki::SerialNumber::draw(site_.random),
                      .serial_id = SerialId("m-2"),
                      .spki = crypto::sha256(as_bytes("k")),
                      .time = kTestNow};
  ASSERT_TRUE(ledger.record_intent(intent));
  EXPECT_TRUE(ledger.has_open_intent());
  ASSERT_TRUE(ledger.record_voided());
  EXPECT_FALSE(ledger.has_open_intent());
  EXPECT_EQ(ledger.voided(), 1U);
  auto reused = intent;
  reused.serial_id = SerialId("m-3");
  reused.spki = crypto::sha256(as_bytes("other"));
  EXPECT_FALSE(ledger.record_intent(reused)) << "a voided serial stays used";
}

}  // namespace
}  // namespace sallyport::factory
