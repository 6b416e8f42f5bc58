#include "agent/credential_slots.h"

#include <fstream>

#include "agent/detail/test_installation.h"

namespace sallyport::agent {
namespace {

namespace fs = std::filesystem;
using testing::Folder;
using testing::kNow;
using testing::Tree;

class CredentialSlotsTest : public ::testing::Test {
 protected:
  std::vector<pki::Certificate> certify(const crypto::PublicKey& key, UnixTime now = kNow) {
    return {tree.certify(pki::ProfileId::operational_device, tree.online_ca, {"abcdefghij.devices.example"}, key, now),
            tree.online_ca.certificate};
  }
  // One whole exchange; returns the chain stored.
  std::vector<pki::Certificate> renew(CredentialSlots& slots, UnixTime now) {
    auto key = slots.pending_key();
    EXPECT_TRUE(key) << key.error().detail;
    auto chain = certify(key->public_key(), now);
    auto stored = slots.store(chain);
    EXPECT_TRUE(stored) << stored.error().detail;
    return chain;
  }

  Tree tree;
  Folder folder;
};

TEST_F(CredentialSlotsTest, StartsEmpty) {
  CredentialSlots slots(folder.path(), "operational");
  auto loaded = slots.load();
  ASSERT_TRUE(loaded);
  EXPECT_FALSE(loaded->has_value());
}

TEST_F(CredentialSlotsTest, GivesTheSameKeyUntilItsCertificateIsStored) {
  CredentialSlots slots(folder.path(), "operational");
  auto first = slots.pending_key();
  auto again = slots.pending_key();
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->public_key(), again->public_key());
  ASSERT_TRUE(slots.store(certify(first->public_key())));
  auto next = slots.pending_key();
  ASSERT_TRUE(next);
  EXPECT_FALSE(next->public_key() == first->public_key());
}

TEST_F(CredentialSlotsTest, RefusesACertificateForAnotherKey) {
  CredentialSlots slots(folder.path(), "operational");
  ASSERT_TRUE(slots.pending_key());
  auto stored = slots.store(certify(testing::new_key()->public_key()));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, Errc::conflict);
  EXPECT_FALSE((*slots.load()).has_value());
}

TEST_F(CredentialSlotsTest, KeepsOneCredentialOnDiskAfterARenewal) {
  CredentialSlots slots(folder.path(), "operational");
  renew(slots, kNow);
  const auto second = renew(slots, kNow + kDay);
  auto loaded = slots.load();
  ASSERT_TRUE(loaded && *loaded);
  EXPECT_EQ((*loaded)->leaf(), second.front());
  std::size_t keys = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) keys += entry.path().extension() == ".key" ? 1U : 0U;
  EXPECT_EQ(keys, 1U);
}

TEST_F(CredentialSlotsTest, KeysAreForTheirOwnerAlone) {
  CredentialSlots slots(folder.path(), "operational");
  ASSERT_TRUE(slots.pending_key());
  const auto mode = fs::status(folder / "operational.0.key").permissions();
  EXPECT_EQ(mode, fs::perms::owner_read | fs::perms::owner_write);
}

// The power goes after every durable step of the first enrolment and of two renewals. What is found then works: either
// the old credential or the new one, and the exchange that was interrupted can be repeated with the same key.
TEST_F(CredentialSlotsTest, SurvivesAPowerCutAtEveryStep) {
  Folder pictures;
  int taken = 0;
  std::vector<std::string> steps;
  const auto take_picture = [&](std::string_view step) {
    fs::copy(folder.path(), pictures.path() / std::to_string(taken++), fs::copy_options::recursive);
    steps.emplace_back(step);
  };
  CredentialSlots slots(folder.path(), "operational", take_picture);
  std::vector<pki::Certificate> leaves;
  for (const int round : {0, 1, 2}) leaves.push_back(renew(slots, kNow + round * kDay).front());
  ASSERT_EQ(taken, 3 + 4 + 4);

  for (int at = 0; at < taken; ++at) {
    SCOPED_TRACE(fmt::format("after step {}: {}", at, steps[static_cast<std::size_t>(at)]));
    CredentialSlots after(pictures.path() / std::to_string(at), "operational");
    auto found = after.load();
    ASSERT_TRUE(found) << found.error().detail;
    // Steps 0: the first key alone. 1, 2: the first certificate. 3: a second key. 4 to 6: the second certificate …
    const int renewals = at == 0 ? 0 : at <= 3 ? 1 : at <= 7 ? 2 : 3;
    ASSERT_EQ(found->has_value(), renewals > 0);
    if (*found) {
      EXPECT_EQ((*found)->leaf(), leaves[static_cast<std::size_t>(renewals - 1)]);
    }
    const bool key_waits = steps[static_cast<std::size_t>(at)] == "key stored";
    auto pending = after.pending_key();
    ASSERT_TRUE(pending) << pending.error().detail;
    const bool is_the_one_sent =
        at < taken - 1 && pending->public_key() == leaves[static_cast<std::size_t>(std::min(renewals, 2))].public_key();
    EXPECT_EQ(is_the_one_sent, key_waits);
    const auto repeated = certify(pending->public_key(), kNow + 10 * kDay);
    ASSERT_TRUE(after.store(repeated));
    auto loaded = after.load();
    ASSERT_TRUE(loaded && *loaded);
    EXPECT_EQ((*loaded)->leaf(), repeated.front());
  }
}

TEST_F(CredentialSlotsTest, RefusesAFolderThatSomebodyMixedUp) {
  CredentialSlots slots(folder.path(), "operational");
  renew(slots, kNow);
  Folder other_folder;
  CredentialSlots other(other_folder.path(), "operational");
  renew(other, kNow);
  fs::copy_file(other_folder / "operational.0.pem", folder / "operational.0.pem", fs::copy_options::overwrite_existing);
  const auto loaded = slots.load();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::conflict);
}

TEST_F(CredentialSlotsTest, RefusesACurrentThatNamesNoSlot) {
  CredentialSlots slots(folder.path(), "operational");
  std::ofstream(folder / "operational.current") << "2\n";
  EXPECT_FALSE(slots.load());
  EXPECT_FALSE(slots.pending_key());
}

}  // namespace
}  // namespace sallyport::agent
