#include "authority/audit.h"

#include <gtest/gtest.h>

#include "crypto/hash.h"

namespace sallyport::authority {
namespace {

using records::AuditEntry;

// A log whose rows anybody can alter, and that counts the rows it hands out.
class OpenLog final : public records::AuditLog {
 public:
  Result<void> append(const AuditEntry& entry) override {
    rows.push_back(entry);
    return {};
  }
  Result<std::optional<AuditEntry>> head() const override {
    return rows.empty() ? std::nullopt : std::optional(rows.back());
  }
  Result<std::vector<AuditEntry>> list(const records::AuditFilter& filter) const override {
    std::vector<AuditEntry> out;
    for (const AuditEntry& row : rows) {
      if (row.sequence > filter.after && out.size() < filter.limit) out.push_back(row);
    }
    read += out.size();
    return out;
  }
  std::vector<AuditEntry> rows;
  mutable std::size_t read = 0;
};

// A transparency log that takes what it is given.
class OpenTransparencyLog final : public records::LogStore {
 public:
  Result<std::uint64_t> size() const override { return events; }
  Result<void> append(std::uint64_t index, const records::LogRow& row) override {
    EXPECT_EQ(index, events);
    EXPECT_EQ(row.audit_sequence, ++events);
    return {};
  }
  Result<std::vector<Bytes>> entries(std::uint64_t, std::size_t) const override { std::abort(); }
  Result<std::optional<std::uint64_t>> find_certificate(const records::Digest&) const override { std::abort(); }
  Result<std::uint64_t> last_audit_sequence() const override { return events; }
  Result<void> put_tile(unsigned, std::uint64_t, ByteView) override { std::abort(); }
  Result<std::optional<Bytes>> find_tile(unsigned, std::uint64_t) const override { std::abort(); }
  Result<std::uint64_t> hashed() const override { std::abort(); }
  std::uint64_t events = 0;
};

// Records that are an audit log, in the transparency log, and nothing else.
class AuditAlone final : public records::Records {
 public:
  records::CertificateStore& certificates() override { std::abort(); }
  records::DeviceDirectory& devices() override { std::abort(); }
  records::SiteDirectory& sites() override { std::abort(); }
  records::UserDirectory& users() override { std::abort(); }
  records::AuditLog& audit() override { return audit_log; }
  records::AccessSessionLog& access_sessions() override { std::abort(); }
  records::LogStore& log() override { return transparency; }
  Result<std::uint64_t> change_number() const override { std::abort(); }
  Result<void> raise_change_number() override { std::abort(); }
  Result<void> raise_change_number_above(std::uint64_t) override { std::abort(); }
  Result<std::optional<Bytes>> find_value(std::string_view) const override { std::abort(); }
  Result<void> put_value(std::string_view, ByteView) override { std::abort(); }
  OpenLog audit_log;
  OpenTransparencyLog transparency;
};

constexpr std::size_t kEntries = 200;  // three blocks and a part of one

struct AuditWalkTest : testing::Test {
  AuditWalkTest() {
    for (std::size_t i = 0; i < kEntries; ++i) append();
    EXPECT_TRUE(walk.go_on(records));
    EXPECT_EQ(walk.sequence(), kEntries);
    EXPECT_FALSE(walk.broken_at());
  }
  void append() {
    EXPECT_TRUE(append_audit(records, UnixTime(1), "mara", "device.renamed", "d-1", {{"alias", "press"}}));
  }
  AuditEntry& row(std::size_t sequence) { return records.audit_log.rows[sequence - 1]; }
  static void hash_anew(AuditEntry& entry) { entry.hash = crypto::sha256(records::audit_hash_input(entry)); }
  // What a list of this row alone finds.
  std::optional<std::uint64_t> found_when_shown(std::size_t sequence) {
    AuditWalk copy = walk;
    const std::vector<AuditEntry> shown = {row(sequence)};
    EXPECT_TRUE(copy.go_on(records));
    EXPECT_TRUE(copy.check(records, shown));
    return copy.broken_at();
  }

  AuditAlone records;
  AuditWalk walk;
};

TEST_F(AuditWalkTest, FindsNothingInALogThatWasNotAltered) {
  for (std::size_t i = 1; i <= kEntries; ++i) EXPECT_FALSE(found_when_shown(i)) << i;
}

TEST_F(AuditWalkTest, ReadsOnlyWhatWasAppendedSince) {
  append();
  records.audit_log.read = 0;
  ASSERT_TRUE(walk.go_on(records));
  EXPECT_EQ(records.audit_log.read, 1U);
  EXPECT_EQ(walk.sequence(), kEntries + 1);
  records.audit_log.read = 0;
  const std::vector<AuditEntry> shown = {row(70), row(72), row(199)};
  ASSERT_TRUE(walk.check(records, shown));
  EXPECT_LE(records.audit_log.read, 2 * kAuditBlock);
}

TEST_F(AuditWalkTest, NoticesEveryAlteredRowThatIsShown) {
  for (std::size_t i = 1; i <= kEntries; ++i) {
    const AuditEntry kept = row(i);
    row(i).actor = "somebody else";
    EXPECT_EQ(found_when_shown(i), i);
    hash_anew(row(i));
    EXPECT_TRUE(found_when_shown(i)) << i << " with its hash made anew";
    row(i) = kept;
  }
}

TEST_F(AuditWalkTest, NoticesAChainThatWasMadeAnewFromARowOn) {
  for (const std::size_t first : {1U, 63U, 64U, 65U, 130U, 200U}) {
    const std::vector<AuditEntry> kept = records.audit_log.rows;
    row(first).actor = "somebody else";
    for (std::size_t i = first; i <= kEntries; ++i) {
      if (i > 1) row(i).previous = row(i - 1).hash;
      hash_anew(row(i));
    }
    EXPECT_TRUE(found_when_shown(first)) << first;
    AuditWalk whole;
    ASSERT_TRUE(whole.go_on(records));
    EXPECT_FALSE(whole.broken_at()) << "in itself it holds";
    whole.compare(walk);
    EXPECT_TRUE(whole.broken_at()) << first;
    records.audit_log.rows = kept;
  }
}

TEST_F(AuditWalkTest, NoticesRowsThatAreGone) {
  const std::vector<AuditEntry> kept = records.audit_log.rows;
  records.audit_log.rows.erase(records.audit_log.rows.begin() + 99);
  EXPECT_TRUE(found_when_shown(90));
  records.audit_log.rows = kept;
  records.audit_log.rows.pop_back();
  AuditWalk copy = walk;
  ASSERT_TRUE(copy.go_on(records));
  EXPECT_EQ(copy.broken_at(), kEntries);
  AuditWalk whole;
  ASSERT_TRUE(whole.go_on(records));
  whole.compare(walk);
  EXPECT_EQ(whole.broken_at(), kEntries);
}

TEST_F(AuditWalkTest, RemembersWhatWasBroken) {
  row(80).actor = "somebody else";
  const std::vector<AuditEntry> shown = {row(80)};
  ASSERT_TRUE(walk.check(records, shown));
  EXPECT_EQ(walk.broken_at(), 80U);
  row(80).actor = "mara";
  ASSERT_TRUE(walk.go_on(records));
  EXPECT_EQ(walk.broken_at(), 80U);
}

}  // namespace
}  // namespace sallyport::authority
