#include "rpcnode/node_keys.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "codec/text.h"
#include "keystore/file.h"

namespace sallyport::rpcnode {
namespace {

const UnixTime kNow(1'800'000'000);

NewKey chosen(std::string_view id) {
  return {.id = *sealed::parse_key_id(id),
          .comment = "hall 1",
          .rules = {.allow = {"test", "pump.*"}, .deny = {}, .items = {}, .deny_items = {}},
          .calls_per_minute = 60,
          .expires = std::nullopt};
}

class KeyFile : public testing::Test {
 protected:
  KeyFile() {
    char pattern[] = "/tmp/node-keys-XXXXXX";
    folder_ = ::mkdtemp(pattern);
  }
  ~KeyFile() override { std::filesystem::remove_all(folder_); }
  NodeKeys open() {
    auto opened = NodeKeys::open(file(), *sealed::parse_node_name("pump-1"));
    EXPECT_TRUE(opened) << opened.error().detail;
    return *std::move(opened);
  }
  std::filesystem::path file() const { return folder_ / "keys.json"; }
  void write(std::string_view text, mode_t mode = keystore::kSecretMode) {
    ASSERT_TRUE(keystore::atomic_write_file(file(), as_bytes(text), mode));
  }
  std::string text() { return std::string(as_text(*keystore::read_file(file(), kMaxKeyFile))); }

  std::filesystem::path folder_;
  SeededRandom random_{7};
};

TEST_F(KeyFile, AKeyIsThereInTheNextProcessWithWhatWasChosen) {
  NodeKeys keys = open();
  const auto made = keys.add(chosen("ann"), kNow, random_);
  ASSERT_TRUE(made) << made.error().detail;
  const NodeKeys again = open();
  const NodeKeyRecord* record = again.find(*sealed::parse_key_id("ann"));
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->rules, chosen("ann").rules);
  EXPECT_EQ(record->comment, "hall 1");
  EXPECT_EQ(record->calls_per_minute, 60U);
  const auto derived = sealed::derive_node_key(made->secret, *sealed::parse_node_name("pump-1"));
  EXPECT_TRUE(record->secrets.front().key.equals(derived.expose()));
}

TEST_F(KeyFile, TheSecretItselfIsNotInTheFile) {
  NodeKeys keys = open();
  const auto made = keys.add(chosen("ann"), kNow, random_);
  EXPECT_EQ(text().find(codec::encode_base64url(made->secret.expose())), std::string::npos);
  EXPECT_EQ(std::filesystem::status(file()).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(KeyFile, AnIdIsThereOnce) {
  NodeKeys keys = open();
  ASSERT_TRUE(keys.add(chosen("ann"), kNow, random_));
  EXPECT_EQ(keys.add(chosen("ann"), kNow, random_).error().code, Errc::conflict);
}

TEST_F(KeyFile, BothSecretsAreGoodDuringARotationAndTheOldOneEnds) {
  NodeKeys keys = open();
  const auto id = *sealed::parse_key_id("ann");
  ASSERT_TRUE(keys.add(chosen("ann"), kNow, random_));
  ASSERT_TRUE(keys.rotate(id, minutes(10), kNow, random_));
  ASSERT_EQ(keys.find(id)->secrets.size(), 2U);
  EXPECT_FALSE(keys.find(id)->secrets.front().until);
  EXPECT_EQ(keys.find(id)->secrets.back().until, kNow + minutes(10));
  ASSERT_TRUE(keys.rotate(id, seconds(0), kNow, random_));
  EXPECT_EQ(keys.find(id)->secrets.size(), 1U);
}

TEST_F(KeyFile, TwoWhoChangeTheFileDoNotUndoEachOther) {
  NodeKeys first = open(), second = open();
  ASSERT_TRUE(first.add(chosen("ann"), kNow, random_));
  ASSERT_TRUE(second.add(chosen("bob"), kNow, random_));
  EXPECT_EQ(second.list().size(), 2U);
  EXPECT_TRUE(*first.follow_file());
  EXPECT_EQ(first.list().size(), 2U);
  EXPECT_FALSE(*first.follow_file());
  ASSERT_TRUE(second.remove(*sealed::parse_key_id("ann"), kNow));
  EXPECT_TRUE(*first.follow_file());
  EXPECT_EQ(first.find(*sealed::parse_key_id("ann")), nullptr);
}

TEST_F(KeyFile, WhatCannotBeIsRefused) {
  NodeKeys keys = open();
  NewKey over = chosen("ann");
  over.expires = kNow;
  EXPECT_EQ(keys.add(over, kNow, random_).error().code, Errc::expired);
  NewKey fast = chosen("ann");
  fast.calls_per_minute = 0;
  EXPECT_EQ(keys.add(fast, kNow, random_).error().code, Errc::malformed);
  NewKey spaced = chosen("ann");
  spaced.rules.allow = {"a b"};
  EXPECT_EQ(keys.add(spaced, kNow, random_).error().code, Errc::malformed);
  EXPECT_EQ(keys.rotate(*sealed::parse_key_id("eve"), seconds(0), kNow, random_).error().code, Errc::not_found);
  EXPECT_EQ(keys.remove(*sealed::parse_key_id("eve"), kNow).error().code, Errc::not_found);
  EXPECT_FALSE(std::filesystem::exists(file()));
}

// ---- pairing

const auto kPairingId = *sealed::parse_key_id(kPairingKey);
const auto kAnn = *sealed::parse_key_id("ann");

NewPairing a_pairing(std::uint32_t uses = 1) {
  return {.rules = {.allow = {"test", "pump.*"}, .deny = {}, .items = {"hall-1"}, .deny_items = {}}, .uses = uses};
}

TEST_F(KeyFile, PairingMakesAKeyWithTheRulesThatWereChosenAndIsOver) {
  NodeKeys keys = open();
  const auto pairing = keys.open_pairing(a_pairing(), kNow, random_);
  ASSERT_TRUE(pairing) << pairing.error().detail;
  EXPECT_EQ(pairing->id, kPairingId);
  ASSERT_TRUE(keys.pair_key(kAnn, kNow, random_));
  const NodeKeys again = open();
  ASSERT_NE(again.find(kAnn), nullptr);
  EXPECT_EQ(again.find(kAnn)->rules, a_pairing().rules);
  EXPECT_FALSE(again.find(kAnn)->pairing);
  EXPECT_EQ(again.find(kPairingId), nullptr) << "the last use ends it";
  EXPECT_EQ(keys.pair_key(*sealed::parse_key_id("bob"), kNow, random_).error().code, Errc::unauthorized);
}

TEST_F(KeyFile, PairingLetsInAsManyAsWereChosen) {
  NodeKeys keys = open();
  ASSERT_TRUE(keys.open_pairing(a_pairing(2), kNow, random_));
  ASSERT_TRUE(keys.pair_key(kAnn, kNow, random_));
  ASSERT_TRUE(keys.pair_certificate("device:abcdefghij", kNow));
  EXPECT_FALSE(keys.pair_certificate("device:bbbbbbbbbb", kNow));
  const NodeKeys again = open();
  ASSERT_EQ(again.paired().size(), 1U);
  EXPECT_EQ(again.paired().front().who, "device:abcdefghij");
  EXPECT_EQ(again.paired().front().rules, a_pairing().rules);
}

TEST_F(KeyFile, PairingEndsWithItsTime) {
  NodeKeys keys = open();
  ASSERT_TRUE(keys.open_pairing(a_pairing(), kNow, random_));
  const UnixTime end = kNow + a_pairing().life;
  EXPECT_EQ(keys.pair_key(kAnn, end, random_).error().code, Errc::unauthorized);
  EXPECT_EQ(keys.pair_certificate("device:abcdefghij", end).error().code, Errc::unauthorized);
  EXPECT_FALSE(keys.open_pairing(a_pairing(), end - seconds(1), random_)) << "it is open";
  EXPECT_TRUE(keys.open_pairing(a_pairing(), end, random_));
}

TEST_F(KeyFile, AKeyThatOthersHavePairsNoKeys) {
  NodeKeys keys = open();
  const auto shared = sealed::draw_api_key(kPairingId, random_);
  ASSERT_TRUE(keys.open_shared_pairing(a_pairing(), shared, kNow));
  EXPECT_EQ(keys.pair_key(kAnn, kNow, random_).error().code, Errc::unauthorized);
  EXPECT_TRUE(keys.pair_certificate("person:ann", kNow)) << "the use was not taken by who was refused";
  EXPECT_EQ(keys.find(kPairingId), nullptr);
  EXPECT_FALSE(keys.open_shared_pairing(a_pairing(), sealed::draw_api_key(kAnn, random_), kNow));
}

TEST_F(KeyFile, PairingGivesNobodyWhatChangesWhoIsLetIn) {
  NodeKeys keys = open();
  for (const char* pattern : {"keys.*", "keys.add", "services.*", "services.close", "services.o*"}) {
    NewPairing pairing = a_pairing();
    pairing.rules.allow = {"test", pattern};
    EXPECT_EQ(keys.open_pairing(pairing, kNow, random_).error().code, Errc::malformed) << pattern;
  }
  NewPairing pairing = a_pairing();
  pairing.rules.allow = {"*", "services.list"};
  EXPECT_TRUE(keys.open_pairing(pairing, kNow, random_)) << "neither reaches it";
}

TEST_F(KeyFile, PairingIsRefusedBeyondItsLimits) {
  NodeKeys keys = open();
  for (const std::uint32_t uses : {0U, kMaxPairingUses + 1})
    EXPECT_FALSE(keys.open_pairing(a_pairing(uses), kNow, random_));
  for (const seconds life : {seconds(0), seconds(-1), kMaxPairingLife + seconds(1)}) {
    NewPairing pairing = a_pairing();
    pairing.life = life;
    EXPECT_FALSE(keys.open_pairing(pairing, kNow, random_));
  }
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(KeyFile, NoOtherKeyIsCalledAsThePairingKey) {
  NodeKeys keys = open();
  EXPECT_EQ(keys.add(chosen(kPairingKey), kNow, random_).error().code, Errc::conflict);
  EXPECT_EQ(keys.take(chosen("ann"), sealed::draw_api_key(kPairingId, random_), kNow).error().code, Errc::conflict);
  ASSERT_TRUE(keys.open_pairing(a_pairing(2), kNow, random_));
  EXPECT_EQ(keys.pair_key(kPairingId, kNow, random_).error().code, Errc::conflict);
  EXPECT_EQ(keys.rotate(kPairingId, minutes(1), kNow, random_).error().code, Errc::conflict);
  EXPECT_EQ(keys.find(kPairingId)->pairing->uses, 2U) << "what was refused takes no use";
  EXPECT_TRUE(keys.remove(kPairingId, kNow)) << "closed";
}

TEST_F(KeyFile, NobodyInParticularIsNotLetInByPairing) {
  NodeKeys keys = open();
  ASSERT_TRUE(keys.open_pairing(a_pairing(), kNow, random_));
  for (const char* who : {"", "device:*", "device:", "device:ABCDEFGHIJ", "person:", "person:*", "person:a b",
                          "key:ann", "abcdefghij", "person:ann\n"})
    EXPECT_EQ(keys.pair_certificate(who, kNow).error().code, Errc::malformed) << who;
  ASSERT_TRUE(keys.pair_certificate("person:ann", kNow));
  EXPECT_EQ(keys.remove_paired("person:bob", kNow).error().code, Errc::not_found);
  EXPECT_TRUE(keys.remove_paired("person:ann", kNow));
  EXPECT_TRUE(open().paired().empty());
}

TEST_F(KeyFile, AFileOfBeforePairingIsRead) {
  NodeKeys keys = open();
  ASSERT_TRUE(keys.add(chosen("ann"), kNow, random_));
  std::string before = text();
  for (const std::string_view part : {std::string_view("\"pairing\":null,"), std::string_view(",\"paired\":[]")}) {
    const auto at = before.find(part);
    ASSERT_NE(at, std::string::npos) << before;
    before.erase(at, part.size());
  }
  write(before);
  EXPECT_NE(open().find(kAnn), nullptr);
}

TEST_F(KeyFile, AFileThatOthersMayReadIsRefused) {
  write("{\"version\":1,\"keys\":[]}", keystore::kPublicMode);
  EXPECT_EQ(NodeKeys::open(file(), *sealed::parse_node_name("pump-1")).error().code, Errc::unauthorized);
}

TEST_F(KeyFile, ADamagedFileIsRefusedByNameAndNotTakenForAnEmptyOne) {
  NodeKeys keys = open();
  ASSERT_TRUE(keys.add(chosen("ann"), kNow, random_));
  const std::string good = text();
  for (const std::string& bad :
       {std::string(), std::string("{}"), good.substr(0, good.size() / 2), "[" + good + "]",
        std::string("{\"version\":2,\"keys\":[]}"), std::string("{\"version\":1,\"keys\":[],\"more\":1}")}) {
    write(bad);
    const auto opened = NodeKeys::open(file(), *sealed::parse_node_name("pump-1"));
    ASSERT_FALSE(opened) << bad;
    EXPECT_NE(opened.error().detail.find("keys.json"), std::string::npos);
    EXPECT_FALSE(keys.add(chosen("bob"), kNow, random_));
  }
}

}  // namespace
}  // namespace sallyport::rpcnode
