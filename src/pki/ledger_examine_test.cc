#include "pki/ledger_examine.h"

#include <gtest/gtest.h>

#include "codec/tlv.h"
#include "pki/detail/test_tree.h"

namespace sallyport::pki {
namespace {

constexpr std::size_t kEntries = 7;

// An export whose entries and certificates a test may alter as bytes.
struct RawLedger {
  std::vector<Bytes> entries;
  std::vector<Bytes> certificates;
  Bytes signature;

  Bytes encode() const {
    codec::TlvWriter writer;
    writer.text(1, "site-7").u64(2, 3);
    for (const Bytes& entry : entries) writer.bytes(3, entry);
    for (const Bytes& certificate : certificates) writer.bytes(4, certificate);
    writer.time(5, kTestNow).bytes(6, signature);
    return writer.take();
  }
};

class ExaminedLedger : public testing::Test {
 protected:
  TestTree tree;
  TestCa ca = tree.make_ca(ProfileId::local_ca);

  RawLedger make() {
    LedgerExport ledger{.site = *parse_site_name("site-7"),
                        .permit_number = 3,
                        .entries = {},
                        .certificates = {},
                        .exported_at = kTestNow,
                        .signature = {}};
    RawLedger out;
    for (std::size_t i = 0; i < kEntries; ++i) {
      const std::string id = fmt::format("unit-{}", i);
      const TestLeaf leaf = tree.make_leaf(ProfileId::factory_device, ca, {id + ".site-7.factory.devices.example"}, id);
      const Sha256Digest head = i == 0 ? Sha256Digest{} : entry_hash(ledger.entries.back());
      ledger.entries.push_back(next_entry(i, head, *parse_serial_id(id), leaf.certificate, kTestNow));
      out.entries.push_back(encode_ledger_entry(ledger.entries.back()));
      out.certificates.push_back(to_bytes(leaf.certificate.der()));
    }
    EXPECT_TRUE(sign_ledger_export(ledger, *ca.key));
    out.signature = ledger.signature;
    return out;
  }

  std::vector<LedgerFinding> examine(const RawLedger& ledger) {
    auto found = examine_ledger(ledger.encode(), ca.certificate);
    EXPECT_TRUE(found) << found.error().detail;
    return found ? *found : std::vector<LedgerFinding>{};
  }
  static bool names(const std::vector<LedgerFinding>& findings, std::uint64_t sequence) {
    return std::ranges::any_of(findings, [&](const LedgerFinding& each) { return each.sequence == sequence; });
  }
  // No entry but these is accused.
  static bool names_none_but(const std::vector<LedgerFinding>& findings,
                             std::initializer_list<std::uint64_t> sequences) {
    return std::ranges::all_of(findings, [&](const LedgerFinding& each) {
      return each.sequence == 0 || std::ranges::find(sequences, each.sequence) != sequences.end();
    });
  }
  static std::string shown(const std::vector<LedgerFinding>& findings) {
    std::string out;
    for (const LedgerFinding& each : findings)
      out += fmt::format("{} {}: {}\n", each.sequence, to_string(each.fault), each.detail);
    return out;
  }
};

template <class T>
void remove_at(std::vector<T>& list, std::size_t at) {
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(at));
}

TEST_F(ExaminedLedger, ThatIsSoundHasNoFindings) {
  const auto findings = examine(make());
  EXPECT_TRUE(findings.empty()) << shown(findings);
}

TEST_F(ExaminedLedger, NamesEveryEntryThatIsRemoved) {
  const RawLedger sound = make();
  for (std::size_t i = 0; i < kEntries; ++i) {
    RawLedger with_certificate = sound;
    remove_at(with_certificate.entries, i);
    remove_at(with_certificate.certificates, i);
    RawLedger alone = sound;
    remove_at(alone.entries, i);
    for (const RawLedger& ledger : {with_certificate, alone}) {
      const auto findings = examine(ledger);
      EXPECT_TRUE(names(findings, i + 1)) << i << "\n" << shown(findings);
      // The end of a ledger is proven by its head alone, so its new last entry is suspected as well.
      const std::uint64_t suspected = i + 1 == kEntries ? i : i + 1;
      EXPECT_TRUE(names_none_but(findings, {i + 1, suspected})) << i << "\n" << shown(findings);
    }
  }
}

TEST_F(ExaminedLedger, NamesEveryEntryOfWhichAnyByteIsAltered) {
  const RawLedger sound = make();
  for (std::size_t i = 0; i < kEntries; ++i) {
    for (std::size_t byte = 0; byte < sound.entries[i].size(); ++byte) {
      RawLedger ledger = sound;
      ledger.entries[i][byte] ^= 0x01U;
      const auto findings = examine(ledger);
      EXPECT_TRUE(names(findings, i + 1)) << i << "/" << byte << "\n" << shown(findings);
    }
  }
}

TEST_F(ExaminedLedger, NamesEveryEntryWhoseCertificateIsAlteredOrRemoved) {
  const RawLedger sound = make();
  for (std::size_t i = 0; i < kEntries; ++i) {
    for (std::size_t byte = 0; byte < sound.certificates[i].size(); byte += 5) {
      RawLedger ledger = sound;
      ledger.certificates[i][byte] ^= 0x01U;
      const auto findings = examine(ledger);
      EXPECT_TRUE(names(findings, i + 1)) << i << "/" << byte << "\n" << shown(findings);
      EXPECT_TRUE(names_none_but(findings, {i + 1})) << i << "/" << byte << "\n" << shown(findings);
    }
    RawLedger removed = sound;
    remove_at(removed.certificates, i);
    const auto findings = examine(removed);
    EXPECT_TRUE(names(findings, i + 1)) << i << "\n" << shown(findings);
  }
}

TEST_F(ExaminedLedger, NamesEveryTwoEntriesThatAreSwapped) {
  const RawLedger sound = make();
  for (std::size_t i = 0; i + 1 < kEntries; ++i) {
    RawLedger entries = sound;
    std::swap(entries.entries[i], entries.entries[i + 1]);
    RawLedger both = entries;
    std::swap(both.certificates[i], both.certificates[i + 1]);
    RawLedger certificates = sound;
    std::swap(certificates.certificates[i], certificates.certificates[i + 1]);
    for (const RawLedger& ledger : {entries, both, certificates}) {
      const auto findings = examine(ledger);
      EXPECT_TRUE(names(findings, i + 1) || names(findings, i + 2)) << i << "\n" << shown(findings);
      EXPECT_TRUE(names_none_but(findings, {i + 1, i + 2})) << i << "\n" << shown(findings);
    }
  }
}

TEST_F(ExaminedLedger, FindsAnotherSignature) {
  RawLedger ledger = make();
  ledger.signature.back() ^= 1U;
  EXPECT_FALSE(examine(ledger).empty());
  const TestCa other = tree.make_ca(ProfileId::local_ca);
  const auto findings = examine_ledger(make().encode(), other.certificate);
  ASSERT_TRUE(findings);
  EXPECT_FALSE(findings->empty());
}

TEST_F(ExaminedLedger, IsRefusedWhenItIsNone) {
  EXPECT_FALSE(examine_ledger({}, ca.certificate));
  EXPECT_FALSE(examine_ledger(as_bytes("a ledger"), ca.certificate));
  RawLedger empty = make();
  empty.entries.clear();
  EXPECT_FALSE(examine_ledger(empty.encode(), ca.certificate));
}

}  // namespace
}  // namespace sallyport::pki
