#include "rpcnode/audit_trail.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "keystore/file.h"
#include "net/run.h"

namespace sallyport::rpcnode {
namespace {

AuditEntry entry(std::string method) {
  return {.time = UnixTime(1'800'000'000),
          .who = "key:ann",
          .way = "mqtt",
          .method = std::move(method),
          .items = {"unit:hall-1/pump"},
          .result = "ok",
          .reason = "",
          .took = milliseconds(7),
          .id = {}};
}

std::string lines(int count) {
  AuditHead head;
  std::string out;
  for (int i = 0; i < count; ++i) out += encode_audit_line(entry("m" + std::to_string(i)), head);
  return out;
}

class AuditFolder : public testing::Test {
 protected:
  AuditFolder() {
    char pattern[] = "/tmp/audit-trail-XXXXXX";
    folder_ = ::mkdtemp(pattern);
  }
  ~AuditFolder() override { std::filesystem::remove_all(folder_); }
  std::unique_ptr<AuditTrail> open() {
    auto opened = AuditTrail::open(folder_, tasks_);
    EXPECT_TRUE(opened) << opened.error().detail;
    return opened ? *std::move(opened) : nullptr;
  }
  void settle() { net::run(io_, tasks_.until_empty()); }
  void write(std::string_view text) {
    ASSERT_TRUE(keystore::atomic_write_file(folder_ / "audit.jsonl", as_bytes(text), keystore::kSecretMode));
  }

  std::filesystem::path folder_;
  net::Io io_;
  net::TaskGroup tasks_{io_.executor()};
};

TEST(AuditLines, AChainThatIsWholeIsFollowedToItsEnd) {
  const auto head = check_audit_lines(lines(5), {});
  ASSERT_TRUE(head);
  EXPECT_EQ(head->lines, 5U);
}

TEST(AuditLines, EveryLineThatIsChangedRemovedOrMovedIsFound) {
  std::vector<std::string> all;
  const std::string text = lines(6);
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    all.push_back(text.substr(at, text.find('\n', at) + 1 - at));
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    std::vector<std::string> removed = all, moved = all, changed = all;
    removed.erase(removed.begin() + static_cast<std::ptrdiff_t>(i));
    std::swap(moved[i], moved[i + 1]);
    changed[i].replace(changed[i].find("\"ok\""), 4, "\"no\"");
    for (const auto& kind : {removed, moved, changed}) {
      std::string joined;
      for (const std::string& line : kind) joined += line;
      EXPECT_FALSE(check_audit_lines(joined, {})) << i;
    }
  }
}

TEST(AuditLines, WhatCallersWroteIsCutAndCannotBreakALine) {
  AuditHead head;
  AuditEntry hostile = entry(std::string("m\n\"\x01") + std::string(10'000, 'x'));
  hostile.items = std::vector<std::string>(500, "a\nb");
  hostile.reason = "\xFF\xFE";
  const std::string line = encode_audit_line(hostile, head);
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  EXPECT_LT(line.size(), 1'000U);
  EXPECT_NE(line.find("\"items_in_all\":500"), std::string::npos);
  EXPECT_TRUE(check_audit_lines(line, {}));
}

TEST_F(AuditFolder, TheChainGoesOnInTheNextProcess) {
  ASSERT_TRUE(open()->add(entry("a")));
  settle();
  ASSERT_TRUE(open()->add(entry("b")));
  settle();
  const auto head = check_audit_trail(folder_);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->lines, 2U);
}

TEST_F(AuditFolder, ALineThatACrashCutShortIsCutOff) {
  const std::string whole = lines(2);
  write(whole + "{\"line\":3,\"bef");
  ASSERT_TRUE(open()->add(entry("c")));
  settle();
  EXPECT_EQ(check_audit_trail(folder_)->lines, 3U);
}

TEST_F(AuditFolder, ABrokenChainStopsTheStart) {
  std::string broken = lines(3);
  broken.replace(broken.find("\"m0\""), 4, "\"mX\"");
  write(broken);
  const auto opened = AuditTrail::open(folder_, tasks_);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().detail.find("line 2"), std::string::npos) << opened.error().detail;
}

TEST_F(AuditFolder, AFullFileGivesWayToTheNextAndTheChainGoesOn) {
  const auto trail = open();
  AuditEntry large = entry("m");
  large.items = std::vector<std::string>(kAuditItems, std::string(kMaxAuditText, 'i'));
  std::size_t added = 0;
  for (int round = 0; round < 3; ++round) {
    for (; std::filesystem::file_size(folder_ / "audit.jsonl") < kMaxAuditFile; settle()) {
      for (int i = 0; i < 1'500; ++i, ++added) ASSERT_TRUE(trail->add(large));
    }
    ASSERT_TRUE(trail->on_tick());
  }
  EXPECT_TRUE(std::filesystem::exists(folder_ / "audit.3.jsonl"));
  const auto head = check_audit_trail(folder_);
  ASSERT_TRUE(head) << head.error().detail;
  EXPECT_EQ(head->lines, added);
}

TEST_F(AuditFolder, AFullFileThatIsStillWrittenHoldsNobodyUp) {
  const auto trail = open();
  AuditEntry large = entry("m");
  large.items = std::vector<std::string>(kAuditItems, std::string(kMaxAuditText, 'i'));
  std::size_t added = 0;
  for (; std::filesystem::file_size(folder_ / "audit.jsonl") < kMaxAuditFile; settle()) {
    for (int i = 0; i < 1'500; ++i, ++added) ASSERT_TRUE(trail->add(large));
  }
  ASSERT_TRUE(trail->add(entry("last")));
  ASSERT_TRUE(trail->on_tick());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "audit.1.jsonl"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(trail->is_ready());
    ASSERT_TRUE(trail->add(entry("next")));
  }
  settle();
  EXPECT_FALSE(trail->is_idle());
  settle();
  EXPECT_TRUE(trail->is_idle());
  EXPECT_TRUE(std::filesystem::exists(folder_ / "audit.1.jsonl"));
  const auto head = check_audit_trail(folder_);
  ASSERT_TRUE(head) << head.error().detail;
  EXPECT_EQ(head->lines, added + 4);
  EXPECT_EQ(trail->head().lines, added + 4);
}

TEST_F(AuditFolder, WhatWaitsForTheNextFileIsBounded) {
  const auto trail = open();
  AuditEntry large = entry("m");
  large.items = std::vector<std::string>(kAuditItems, std::string(kMaxAuditText, 'i'));
  for (; std::filesystem::file_size(folder_ / "audit.jsonl") < kMaxAuditFile; settle()) {
    for (int i = 0; i < 1'500; ++i) ASSERT_TRUE(trail->add(large));
  }
  ASSERT_TRUE(trail->add(large));
  ASSERT_TRUE(trail->on_tick());
  while (trail->is_ready()) ASSERT_TRUE(trail->add(large));
  Result<void> last;
  while (last) last = trail->add(large);
  EXPECT_EQ(last.error().code, Errc::overloaded);
}

TEST_F(AuditFolder, AFileThatIsMissingInTheMiddleIsFound) {
  const std::string all = lines(4);
  const std::size_t half = all.find('\n', all.find('\n') + 1) + 1;
  write(all.substr(half));
  const std::string first = lines(1);
  ASSERT_TRUE(keystore::atomic_write_file(folder_ / "audit.1.jsonl", as_bytes(first), keystore::kSecretMode));
  EXPECT_FALSE(check_audit_trail(folder_));
}

}  // namespace
}  // namespace sallyport::rpcnode
