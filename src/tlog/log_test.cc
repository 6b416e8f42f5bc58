// Entries, proofs that are carried, and the check of a whole log.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>

#include "tlog/check.h"
#include "tlog/detail/test_vectors.h"
#include "tlog/proof.h"

namespace sallyport::tlog {
namespace {

LogEntry make_entry(std::uint64_t index) {
  LogEntry out{.index = index, .time = UnixTime(1'780'315'200 + static_cast<std::int64_t>(index)), .what = {}};
  if (index % 3 == 0) {
    out.what = AuditEntry{index / 3 + 1, leaf_hash(as_bytes(fmt::format("audit {}", index)))};
  } else if (index % 3 == 1) {
    out.what = LedgerHeadEntry{SiteName("acme"), index + 1, leaf_hash(as_bytes(fmt::format("ledger {}", index)))};
  } else {
    out.what = CertificateEntry{"online-ca", to_bytes(fmt::format("certificate {}", index))};
  }
  return out;
}

// A log in memory whose files a test may alter.
class TestLog final : public LogSource {
 public:
  explicit TestLog(std::size_t size) : key_(crypto::PrivateKey::generate(crypto::KeyType::ed25519)) {
    for (std::size_t i = 0; i < size; ++i) entries.push_back(encode_log_entry(make_entry(i)));
    rebuild();
    sign();
  }

  // Makes every file anew from the entries, but not the checkpoint.
  void rebuild() {
    files.clear();
    auto appender = TileAppender::begin(0, {});
    for (const Bytes& entry : entries) appender->append(leaf_hash(entry));
    for (auto& [tile, bytes] : appender->take()) files[tile_path(tile)] = std::move(bytes);
    for (std::size_t first = 0; first < entries.size(); first += kTileWidth)
      write_bundle(first / kTileWidth, first, std::min(entries.size(), first + kTileWidth));
  }
  // The bundle `index` of the entries [begin, end), under the name that it had.
  void write_bundle(std::uint64_t index, std::size_t begin, std::size_t end) {
    const auto tile = *tile_in(std::nullopt, index, std::max(end, entries.size()));
    files[tile_path(tile)] = encode_bundle(std::span(entries).subspan(begin, end - begin));
  }
  void sign() {
    GrowingTree tree;
    for (const Bytes& entry : entries) tree.append(leaf_hash(entry));
    note = *sign_checkpoint(
        {.origin = "devices.example/log", .size = tree.size(), .root = tree.root(), .extensions = {}}, key_);
  }
  NoteKey key() const { return *NoteKey::create("devices.example/log", key_.public_key()); }

  Result<std::string> checkpoint() override { return note; }
  Result<Bytes> read(const Tile& tile) override {
    const auto found = files.find(tile_path(tile));
    if (found == files.end()) return fail(Errc::not_found, "is not there");
    return found->second;
  }

  std::vector<Bytes> entries;
  std::map<std::string, Bytes> files;
  std::string note;

 private:
  crypto::PrivateKey key_;
};

bool names(const LogReport& report, std::uint64_t index, LogFault fault) {
  return std::ranges::any_of(report.findings,
                             [&](const LogFinding& each) { return each.index == index && each.fault == fault; });
}

std::string shown(const LogReport& report) {
  std::string out;
  for (const LogFinding& each : report.findings) {
    out +=
        fmt::format("{} {}: {}\n", each.index ? std::to_string(*each.index) : "-", to_string(each.fault), each.detail);
  }
  return out;
}

constexpr std::size_t kSmall = 20;

TEST(LogEntry, VectorsAreReadAndWrittenBack) {
  for (const char* name : {"audit-event", "ledger-head", "certificate"}) {
    const auto vector = test_vector("log.txt", name);
    const auto entry = parse_log_entry(vector.bytes("entry"));
    ASSERT_TRUE(entry) << entry.error().detail;
    EXPECT_EQ(to_string(entry->kind()), name);
    EXPECT_EQ(encode_log_entry(*entry), vector.bytes("entry"));
    EXPECT_EQ(leaf_hash(vector.bytes("entry")), vector.hash("leaf"));
  }
}

// The hexadecimal of the protocol's page, without what is between its digits.
TEST(LogEntry, OfThePageIsTheVector) {
  std::ifstream stream(std::string(SALLYPORT_SOURCE_DIR) + "/docs/protocol/log.md");
  std::string page((std::istreambuf_iterator<char>(stream)), {});
  ASSERT_FALSE(page.empty());
  const auto vector = test_vector("log.txt", "checkpoint");
  EXPECT_TRUE(page.contains(vector.hidden_text("note")));
  EXPECT_TRUE(page.contains(test_vector("log.txt", "proof").hidden_text("proof")));
  EXPECT_TRUE(page.contains(vector.text("root")));
  std::erase(page, '\n');
  for (const char* name : {"audit-event", "ledger-head", "certificate"}) {
    EXPECT_TRUE(page.contains(test_vector("log.txt", name).text("entry"))) << name;
    EXPECT_TRUE(page.contains(test_vector("log.txt", name).text("leaf"))) << name;
  }
}

TEST(LogEntry, IsRefusedInAnyOtherForm) {
  const Bytes good = encode_log_entry(make_entry(2));
  ASSERT_TRUE(parse_log_entry(good));
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(parse_log_entry(ByteView(good).first(size)));
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(parse_log_entry(longer));
  for (std::size_t i = 0; i < 24; ++i) {
    Bytes altered = good;
    altered[i] ^= 0x20U;
    EXPECT_FALSE(parse_log_entry(altered)) << i;
  }
}

TEST(LogProof, OfTheWorkedExampleVerifies) {
  const auto vector = test_vector("log.txt", "proof");
  const auto key = NoteKey::parse(test_vector("log.txt", "checkpoint").text("key"));
  const auto proof = parse_log_proof(vector.hidden_text("proof"));
  ASSERT_TRUE(proof) << proof.error().detail;
  EXPECT_EQ(encode_log_proof(*proof), vector.hidden_text("proof"));
  const auto proven = verify_log_proof(*proof, vector.bytes("der"), *key);
  ASSERT_TRUE(proven) << proven.error().detail;
  EXPECT_EQ(proven->entry.index, 2U);
  EXPECT_EQ(proven->checkpoint.size, 3U);
}

TEST(LogProof, HoldsForNoOtherCertificateKeyIndexOrEntry) {
  TestLog log(kSmall);
  const std::uint64_t index = 5;
  TiledTree tree(kSmall, [&](const Tile& tile) { return log.read(tile); });
  const LogEntry entry = make_entry(index);
  const Bytes& der = std::get<CertificateEntry>(entry.what).der;
  const LogProof proof{encode_entry_head(entry), index, *tree.inclusion(index), log.note};
  ASSERT_TRUE(verify_log_proof(proof, der, log.key()));
  EXPECT_FALSE(verify_log_proof(proof, to_bytes("another"), log.key()));
  EXPECT_FALSE(verify_log_proof(proof, der, TestLog(1).key()));
  LogProof wrong = proof;
  wrong.index = 8;
  EXPECT_FALSE(verify_log_proof(wrong, der, log.key()));
  wrong = proof;
  wrong.hashes.front()[0] ^= 1U;
  EXPECT_FALSE(verify_log_proof(wrong, der, log.key()));
  wrong = proof;
  wrong.extra.clear();
  EXPECT_FALSE(verify_log_proof(wrong, der, log.key()));
  wrong = proof;
  wrong.extra = encode_entry_head(make_entry(8));
  EXPECT_FALSE(verify_log_proof(wrong, der, log.key()));
  // A certificate cannot be an audit event's hash.
  const LogEntry event = make_entry(3);
  const Bytes whole = encode_log_entry(event);
  wrong = {Bytes(whole.begin(), whole.end() - 32), 3, *tree.inclusion(3), log.note};
  EXPECT_FALSE(verify_log_proof(wrong, std::get<AuditEntry>(event.what).hash, log.key()));
}

TEST(LogProof, HasOneForm) {
  TestLog log(3);
  const std::string good = encode_log_proof({to_bytes("x"), 2, {Hash{}}, log.note});
  ASSERT_TRUE(parse_log_proof(good));
  for (std::size_t size = 0; size < good.size() - log.note.size(); ++size)
    EXPECT_FALSE(parse_log_proof(good.substr(0, size)));
  EXPECT_FALSE(parse_log_proof("c2sp.org/tlog-proof@v2" + good.substr(22)));
  std::string many = "c2sp.org/tlog-proof@v1\nindex 0\n";
  for (std::size_t i = 0; i <= kMaxProofHashes; ++i) many += codec::encode_base64(Hash{}) + "\n";
  EXPECT_FALSE(parse_log_proof(many + "\n" + log.note));
}

TEST(CheckOfALog, FindsNothingWrongInASoundOne) {
  for (const std::size_t size : {0UL, 1UL, 20UL, 256UL, 257UL, 700UL}) {
    TestLog log(size);
    std::uint64_t told = 0;
    const auto report =
        check_log(log, log.key(), [&](const LogEntry& entry, const Hash&) { EXPECT_EQ(entry.index, told++); });
    EXPECT_TRUE(report.findings.empty()) << shown(report);
    EXPECT_EQ(report.entries, size);
    EXPECT_EQ(told, size);
  }
}

TEST(CheckOfALog, NamesEveryEntryThatIsRemoved) {
  for (std::size_t index = 0; index < kSmall; ++index) {
    TestLog log(kSmall);
    std::vector<Bytes> kept = log.entries;
    kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(index));
    log.files["tile/entries/000.p/20"] = encode_bundle(kept);
    const auto report = check_log(log, log.key());
    EXPECT_TRUE(names(report, index, LogFault::missing)) << index << "\n" << shown(report);
    for (const LogFinding& each : report.findings) {
      const bool is_gap = each.fault == LogFault::audit_gap;
      EXPECT_TRUE(is_gap || each.index == index) << index << "\n" << shown(report);
    }
  }
}

TEST(CheckOfALog, NamesEveryEntryOfWhichAnyByteIsAltered) {
  for (std::size_t index = 0; index < kSmall; ++index) {
    for (std::size_t byte = 0; byte < TestLog(kSmall).entries[index].size(); byte += 7) {
      TestLog log(kSmall);
      std::vector<Bytes> altered = log.entries;
      altered[index][byte] ^= 0x01U;
      log.files["tile/entries/000.p/20"] = encode_bundle(altered);
      const auto report = check_log(log, log.key());
      EXPECT_TRUE(names(report, index, LogFault::altered)) << index << "/" << byte << "\n" << shown(report);
    }
  }
}

TEST(CheckOfALog, NamesEveryTwoEntriesThatAreSwapped) {
  for (std::size_t index = 0; index + 1 < kSmall; ++index) {
    TestLog log(kSmall);
    std::vector<Bytes> swapped = log.entries;
    std::swap(swapped[index], swapped[index + 1]);
    log.files["tile/entries/000.p/20"] = encode_bundle(swapped);
    const auto report = check_log(log, log.key());
    EXPECT_TRUE(names(report, index, LogFault::misplaced)) << index << "\n" << shown(report);
    EXPECT_TRUE(names(report, index + 1, LogFault::misplaced)) << index << "\n" << shown(report);
  }
}

TEST(CheckOfALog, NamesEveryEntryThatIsAdded) {
  for (std::size_t index = 0; index <= kSmall; ++index) {
    TestLog log(kSmall);
    std::vector<Bytes> more = log.entries;
    more.insert(more.begin() + static_cast<std::ptrdiff_t>(index), encode_log_entry(make_entry(99)));
    log.files["tile/entries/000.p/20"] = encode_bundle(more);
    const auto report = check_log(log, log.key());
    EXPECT_TRUE(names(report, index, LogFault::unexpected)) << index << "\n" << shown(report);
  }
}

TEST(CheckOfALog, NamesWhatIsRemovedOrSwappedEvenWhenEveryTileWasMadeAnew) {
  for (std::size_t index = 0; index < kSmall; ++index) {
    TestLog log(kSmall);
    log.entries.erase(log.entries.begin() + static_cast<std::ptrdiff_t>(index));
    log.rebuild();
    const auto report = check_log(log, log.key());
    EXPECT_TRUE(names(report, index, LogFault::missing)) << index << "\n" << shown(report);
    if (index + 1 == kSmall) continue;
    TestLog swapped(kSmall);
    std::swap(swapped.entries[index], swapped.entries[index + 1]);
    swapped.rebuild();
    const auto second = check_log(swapped, swapped.key());
    EXPECT_TRUE(names(second, index, LogFault::misplaced)) << index << "\n" << shown(second);
    EXPECT_TRUE(
        std::ranges::any_of(second.findings, [](const auto& each) { return each.fault == LogFault::wrong_root; }));
  }
}

TEST(CheckOfALog, NamesTheEntryWhoseHashWasAlteredInItsTile) {
  for (std::size_t index = 0; index < kSmall; ++index) {
    TestLog log(kSmall);
    log.files["tile/0/000.p/20"][index * kHashSize + 3] ^= 1U;
    const auto report = check_log(log, log.key());
    EXPECT_TRUE(names(report, index, LogFault::bad_tile)) << index << "\n" << shown(report);
    EXPECT_FALSE(names(report, index, LogFault::altered)) << index << "\n" << shown(report);
  }
}

TEST(CheckOfALog, FindsEveryFileThatIsMissingOrAltered) {
  const TestLog sound(700);
  for (const auto& [path, bytes] : sound.files) {
    TestLog log = TestLog(700);
    log.files.erase(path);
    EXPECT_FALSE(check_log(log, log.key()).findings.empty()) << path;
    TestLog other = TestLog(700);
    other.files[path].back() ^= 1U;
    EXPECT_FALSE(check_log(other, other.key()).findings.empty()) << path;
  }
}

TEST(CheckOfALog, IsOfOneCheckpointAlone) {
  TestLog log(kSmall);
  const auto other = check_log(log, TestLog(1).key());
  ASSERT_EQ(other.findings.size(), 1U);
  EXPECT_EQ(other.findings.front().fault, LogFault::bad_checkpoint);
  EXPECT_FALSE(other.checkpoint);
}

TEST(Aligner, RecognisesEntriesOverLongStretches) {
  const auto leaves = numbered_leaves(3'000);
  Aligner aligner;
  for (const Hash& leaf : leaves) aligner.expect(leaf);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (i != 1'000 && i != 2'500) aligner.find(leaves[i]);
  }
  aligner.finish();
  ASSERT_EQ(aligner.findings().size(), 2U);
  EXPECT_EQ(aligner.findings()[0].index, 1'000U);
  EXPECT_EQ(aligner.findings()[1].index, 2'500U);
  EXPECT_EQ(aligner.findings()[1].fault, LogFault::missing);
}

}  // namespace
}  // namespace sallyport::tlog
