#include "pki/ledger_reconcile.h"

#include "pki/detail/test_ledger.h"

namespace sallyport::pki {
namespace {

class ReconcileTest : public TestLedger {
 protected:
  std::vector<WhiteListEntry> white_list;
  LedgerHead accepted;

  // "fault sequence serial-id source", one a line.
  std::string findings(std::vector<LedgerSource> sources) const {
    std::string out;
    for (const auto& one : reconcile_ledgers(
             sources, {.site_ca = ca.certificate, .permit = permit, .accepted = accepted, .white_list = white_list})) {
      out += fmt::format("{} {} {} {}\n", to_string(one.fault), one.sequence, one.serial_id, one.source);
    }
    return out;
  }
  LedgerExport part(const LedgerExport& whole, std::size_t from, std::size_t to) {
    LedgerExport out = whole;
    out.entries.assign(whole.entries.begin() + static_cast<std::ptrdiff_t>(from) - 1,
                       whole.entries.begin() + static_cast<std::ptrdiff_t>(to));
    out.certificates.assign(whole.certificates.begin() + static_cast<std::ptrdiff_t>(from) - 1,
                            whole.certificates.begin() + static_cast<std::ptrdiff_t>(to));
    sign(out);
    return out;
  }
  void accept(const LedgerExport& ledger, std::size_t count) {
    accepted = {.sequence = count, .hash = entry_hash(ledger.entries[count - 1])};
    white_list.clear();
    for (std::size_t i = 0; i < count; ++i) {
      const auto& entry = ledger.entries[i];
      white_list.push_back({entry.serial_id, entry.certificate_serial, entry.spki});
    }
  }
};

TEST_F(ReconcileTest, WhatAgreesHasNoFinding) {
  const LedgerExport whole = make(6);
  EXPECT_EQ(findings({{"a", whole}}), "");
  EXPECT_EQ(findings({{"b", part(whole, 4, 6)}, {"a", part(whole, 1, 4)}}), "") << "in any order, overlapping";
  accept(whole, 4);
  EXPECT_EQ(findings({{"a", whole}}), "");
  EXPECT_EQ(findings({{"b", part(whole, 5, 6)}}), "");
  EXPECT_EQ(findings({}), "");
}

TEST_F(ReconcileTest, GapsAreNamedOneByOne) {
  const LedgerExport whole = make(9);
  EXPECT_EQ(findings({{"a", part(whole, 3, 4)}, {"b", part(whole, 6, 6)}, {"c", part(whole, 9, 9)}}),
            "gap 1  \ngap 5  \ngap 7  \n");
  accept(whole, 2);
  EXPECT_EQ(findings({{"a", part(whole, 3, 4)}, {"b", part(whole, 6, 9)}}), "gap 5  \n");
}

TEST_F(ReconcileTest, BothBranchesOfAForkAreNamed) {
  const LedgerExport one = make(3);
  LedgerExport other = part(one, 1, 2);
  add(other, "unit-9");
  add(other, "unit-10");
  sign(other);
  EXPECT_EQ(findings({{"a", one}, {"b", other}}), "fork 3 unit-9 b\nfork 4 unit-10 b\n");
  accept(one, 3);
  EXPECT_EQ(findings({{"b", other}}), "fork 0 unit-3 \nfork 3 unit-9 b\nfork 4 unit-10 b\n");
}

TEST_F(ReconcileTest, AnOldBackupOfTheStationShows) {
  const LedgerExport whole = make(5);
  accept(whole, 5);
  EXPECT_EQ(findings({{"a", part(whole, 1, 3)}}), "stale 3 unit-3 a\n");
}

TEST_F(ReconcileTest, WhatThePermitDoesNotAllowIsNamedEachTime) {
  permit.count = 20;
  LedgerExport ledger = make(4);
  add(ledger, "foreign-1");
  add(ledger, "unit-2");
  ledger.entries[3].issued_at = permit.not_after + kDay;
  relink(ledger);
  permit.count = 5;
  // What was issued after entry 4 goes back in time behind it.
  EXPECT_EQ(findings({{"a", ledger}}),
            "outside_permit 4 unit-4 a\nforeign_namespace 5 foreign-1 a\n"
            "over_production 6 unit-2 a\nreused_serial 6 unit-2 a\n");
}

TEST_F(ReconcileTest, AnExportThatIsNotTheSitesDoesNotCount) {
  LedgerExport ledger = make(2);
  ASSERT_TRUE(sign_ledger_export(ledger, *tree.root_key));
  EXPECT_EQ(findings({{"a", ledger}}), "bad_signature 0  a\n");
}

TEST_F(ReconcileTest, AWhiteListThatSaysOtherwiseIsAFork) {
  const LedgerExport whole = make(3);
  accept(whole, 3);
  white_list[1].spki[0] ^= 1U;
  EXPECT_EQ(findings({{"a", whole}}), "fork 2 unit-2 a\n");
}

}  // namespace
}  // namespace sallyport::pki
