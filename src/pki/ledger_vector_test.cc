// docs/protocol/ledger.md, its vectors and this code say the same.
#include <algorithm>
#include <fstream>
#include <iterator>

#include "pki/detail/ledger_signature.h"
#include "pki/detail/test_vectors.h"
#include "pki/ledger.h"

namespace sallyport::pki {
namespace {

const TestVector& vector_of(const std::string& name) {
  static const auto all = load_test_vectors("ledger.txt");
  const auto found = std::ranges::find(all, name, &TestVector::name);
  EXPECT_NE(found, all.end()) << name;
  return *found;
}

SitePermit permit() {
  return {.number = 3,
          .installation = "test",
          .site = SiteName("site-7"),
          .name_space = DnsName("site-7.factory.devices.example"),
          .count = 2,
          .not_before = *parse_iso8601("2026-06-01T12:00:00Z"),
          .not_after = *parse_iso8601("2026-06-30T12:00:00Z")};
}

std::string outcome(ByteView bytes) {
  static const Certificate ca = *parse_certificate(vector_of("export").bytes("ca"));
  static const SitePermit allowed = permit();
  const auto parsed = parse_ledger_export(bytes);
  if (!parsed) return "malformed";
  const auto verified = verify_ledger(*parsed, {.site_ca = ca, .permit = allowed, .accepted = {}});
  return verified ? "ok" : std::string(to_string(verified.error().fault));
}

TEST(LedgerVectorTest, EveryEntryIsReadAndWrittenAsTheOtherImplementationWroteIt) {
  for (const char* name : {"entry 1", "entry 2"}) {
    const TestVector& vector = vector_of(name);
    const auto entry = parse_ledger_entry(vector.bytes("entry"));
    ASSERT_TRUE(entry) << entry.error().detail;
    EXPECT_EQ(entry->serial_id.get(), vector.text("serial_id"));
    EXPECT_EQ(std::to_string(entry->sequence), vector.text("sequence"));
    EXPECT_EQ(codec::encode_hex(entry->certificate), codec::encode_hex(crypto::sha256(vector.bytes("certificate"))));
    EXPECT_EQ(codec::encode_hex(encode_ledger_entry(*entry)), vector.text("entry"));
    EXPECT_EQ(codec::encode_hex(entry_hash(*entry)), vector.text("hash"));
  }
}

TEST(LedgerVectorTest, TheExportIsAcceptedAndWrittenTheSame) {
  const Bytes bytes = vector_of("export").bytes("export");
  EXPECT_EQ(outcome(bytes), "ok");
  EXPECT_EQ(encode_ledger_export(*parse_ledger_export(bytes)), bytes);
}

TEST(LedgerVectorTest, NoOctetOfTheExportCanBeOtherwise) {
  const Bytes sound = vector_of("export").bytes("export");
  for (std::size_t at = 0; at < sound.size(); ++at) {
    Bytes altered = sound;
    altered[at] ^= 0x01U;
    EXPECT_NE(outcome(altered), "ok") << "octet " << at;
    EXPECT_NE(outcome(ByteView(sound).first(at)), "ok") << "cut at " << at;
  }
}

TEST(LedgerVectorTest, ThePageShowsTheseOctets) {
  std::ifstream stream(std::string(SALLYPORT_SOURCE_DIR) + "/docs/protocol/ledger.md");
  std::string page{std::istreambuf_iterator<char>(stream), {}};
  std::erase_if(page, [](char c) { return c == ' ' || c == '\n'; });
  for (const char* name : {"entry 1", "entry 2"}) {
    EXPECT_NE(page.find(vector_of(name).text("entry")), std::string::npos) << name;
    EXPECT_NE(page.find(vector_of(name).text("hash")), std::string::npos) << name;
  }
  EXPECT_NE(page.find(vector_of("export").text("signed")), std::string::npos);
}

}  // namespace
}  // namespace sallyport::pki
