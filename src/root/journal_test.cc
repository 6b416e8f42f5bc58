#include "root/journal.h"

#include <gtest/gtest.h>

#include <fstream>

#include "keystore/file.h"

namespace sallyport::root {
namespace {

JournalEntry sample() {
  return {.time = UnixTime(1'800'000'000),
          .act = "intent",
          .fields = {{"ca", "local-ca/acme"},
                     {"subject",
                      "Sallyport local-ca/acme \xC3\x84"
                      "cme & Sons\n"}}};
}

TEST(JournalLine, HasTheDocumentedForm) {
  EXPECT_EQ(
      encode_journal_line(sample()),
      "2027-01-15T08:00:00Z intent ca=local-ca/acme subject=Sallyport%20local-ca/acme%20%C3%84cme%20%26%20Sons%0A\n");
}

TEST(JournalLine, IsReadBackAsWritten) {
  const auto parsed = parse_journal(encode_journal_line(sample()) + encode_journal_line(sample()));
  ASSERT_TRUE(parsed) << parsed.error().detail;
  ASSERT_EQ(parsed->entries.size(), 2U);
  EXPECT_EQ(parsed->entries[1], sample());
}

TEST(JournalLine, ATornTailIsNotPartOfTheJournal) {
  const std::string line = encode_journal_line(sample());
  for (std::size_t length = 0; length < line.size(); ++length) {
    const auto parsed = parse_journal(line + line.substr(0, length));
    ASSERT_TRUE(parsed) << length;
    EXPECT_EQ(parsed->entries.size(), 1U);
    EXPECT_EQ(parsed->sound_size, line.size());
  }
}

TEST(JournalLine, WhatBreaksTheGrammarIsRefusedWithItsLine) {
  const std::string good = encode_journal_line(sample());
  for (const char* bad :
       {"\n", "2027-01-15T08:00:00Z\n", "2027-01-15T08:00:00Z Intent\n", "2027-01-15 08:00:00 intent\n",
        "2027-01-15T08:00:00Z intent ca\n", "2027-01-15T08:00:00Z intent =x\n", "2027-01-15T08:00:00Z intent a=%\n",
        "2027-01-15T08:00:00Z intent a=%4\n", "2027-01-15T08:00:00Z intent a=%GG\n",
        "2027-01-15T08:00:00Z intent a=\"b\"\n", "2027-01-15T08:00:00Z intent  a=b\n", "2027-02-30T08:00:00Z intent\n",
        "2027-01-15T08:00:00Zintent\n"}) {
    const auto parsed = parse_journal(good + bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, Errc::malformed);
    EXPECT_NE(parsed.error().detail.find("line 2"), std::string::npos) << parsed.error().detail;
  }
}

TEST(Journal, CutsATornLineAndGoesOn) {
  char name[] = "/tmp/sallyport-journal-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  const std::filesystem::path file = std::filesystem::path(name) / "journal";
  {
    auto journal = Journal::open(file);
    ASSERT_TRUE(journal && journal->append(sample()));
  }
  std::ofstream(file, std::ios::app) << "2027-01-15T08:00:00Z iss";
  {
    auto journal = Journal::open(file);
    ASSERT_TRUE(journal) << journal.error().detail;
    ASSERT_EQ(journal->entries().size(), 1U);
    ASSERT_TRUE(journal->append(sample()));
  }
  EXPECT_EQ(Journal::open(file)->entries().size(), 2U);
  std::filesystem::remove_all(name);
}

}  // namespace
}  // namespace sallyport::root
