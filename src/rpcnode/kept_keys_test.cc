#include "rpcnode/kept_keys.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <sys/stat.h>

#include "crypto/system_random.h"
#include "keystore/file.h"

namespace sallyport::rpcnode {
namespace {

constexpr UnixTime kKeptAt{1'800'000'000};

class KeptKeysTest : public testing::Test {
 protected:
  KeptKeysTest() {
    std::string pattern = testing::TempDir() + "kept-keys-XXXXXX";
    folder = ::mkdtemp(pattern.data());
    file = folder / "kept-keys.json";
  }
  ~KeptKeysTest() override { std::filesystem::remove_all(folder); }

  KeptKey key(const std::string& node, KeyPurpose purpose = KeyPurpose::calls, const std::string& id = "plant-a") {
    const auto drawn = sealed::draw_api_key(sealed::KeyId(id), random);
    return {.node = sealed::NodeName(node),
            .purpose = purpose,
            .id = sealed::KeyId(id),
            .key = sealed::derive_node_key(drawn.secret, sealed::NodeName(node)),
            .kept = kKeptAt,
            .by = "ann"};
  }
  std::string text() const { return std::string(as_text(*keystore::read_file(file, kMaxKeptKeysFile))); }
  void write(std::string_view content, mode_t mode = keystore::kSecretMode) {
    ASSERT_TRUE(keystore::atomic_write_file(file, as_bytes(content), mode));
  }

  crypto::SystemRandom random;
  std::filesystem::path folder;
  std::filesystem::path file;
};

TEST_F(KeptKeysTest, WhatIsKeptIsThereAgainAndForItsOwnerAlone) {
  auto keys = KeptKeys::open(file);
  ASSERT_TRUE(keys);
  EXPECT_TRUE(keys->list().empty());
  ASSERT_TRUE(keys->keep(key("pump-1")));
  ASSERT_TRUE(keys->keep(key("pump-1", KeyPurpose::keys, "admin")));
  struct stat found{};
  ASSERT_EQ(::stat(file.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
  const auto again = KeptKeys::open(file);
  ASSERT_TRUE(again);
  const KeptKey* const kept = again->find(sealed::NodeName("pump-1"), KeyPurpose::keys);
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->id.get(), "admin");
  EXPECT_TRUE(kept->key.equals(keys->find(sealed::NodeName("pump-1"), KeyPurpose::keys)->key.expose()));
}

TEST_F(KeptKeysTest, AnotherOfTheSamePurposeTakesItsPlace) {
  auto keys = KeptKeys::open(file);
  ASSERT_TRUE(keys->keep(key("pump-1")));
  ASSERT_TRUE(keys->keep(key("pump-1", KeyPurpose::calls, "plant-b")));
  EXPECT_EQ(keys->list().size(), 1U);
  EXPECT_EQ(KeptKeys::open(file)->list().front().id.get(), "plant-b");
}

TEST_F(KeptKeysTest, WhatIsForgottenIsNotInTheFileAnyMore) {
  auto keys = KeptKeys::open(file);
  ASSERT_TRUE(keys->keep(key("pump-1")));
  ASSERT_TRUE(keys->keep(key("pump-2", KeyPurpose::calls, "other")));
  ASSERT_TRUE(keys->forget(sealed::NodeName("pump-1"), KeyPurpose::calls));
  EXPECT_FALSE(text().contains("pump-1"));
  for (const auto& [node, purpose] : {std::pair("pump-1", KeyPurpose::calls), std::pair("pump-2", KeyPurpose::keys),
                                      std::pair("pump-3", KeyPurpose::calls)}) {
    const auto refused = keys->forget(sealed::NodeName(node), purpose);
    ASSERT_FALSE(refused) << node;
    EXPECT_EQ(refused.error().code, Errc::not_found);
  }
}

TEST_F(KeptKeysTest, ADamagedFileIsRefusedByName) {
  auto keys = KeptKeys::open(file);
  ASSERT_TRUE(keys->keep(key("pump-1")));
  const std::string good = text();
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string out = good;
    const auto at = out.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? out : out.replace(at, from.size(), to);
  };
  for (const std::string& bad :
       {std::string("{"), std::string("[]"), with("\"version\":1", "\"version\":2"), with("pump-1", "pump 1"),
        with("\"calls\"", "\"all\""), with("plant-a", "Plant"), with("\"key\":\"", "\"key\":\"AA"),
        with("\"by\"", "\"from\""), with("2027-", "27-"), good.substr(0, good.size() / 2)}) {
    write(bad);
    const auto refused = KeptKeys::open(file);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, Errc::malformed) << bad;
    EXPECT_TRUE(refused.error().detail.starts_with(file.native())) << refused.error().detail;
  }
  write(good, 0644);
  EXPECT_FALSE(KeptKeys::open(file)) << "a file that others can read";
}

TEST_F(KeptKeysTest, TwoOfOnePurposeInTheFileAreRefused) {
  auto keys = KeptKeys::open(file);
  ASSERT_TRUE(keys->keep(key("pump-1")));
  ASSERT_TRUE(keys->keep(key("pump-1", KeyPurpose::keys)));
  std::string both = text();
  constexpr std::string_view kOther = "\"purpose\":\"keys\"";
  const auto at = both.rfind(kOther);
  ASSERT_NE(at, std::string::npos);
  both.replace(at, kOther.size(), "\"purpose\":\"calls\"");
  write(both);
  const auto refused = KeptKeys::open(file);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().detail.contains("two keys for calls")) << refused.error().detail;
}

TEST_F(KeptKeysTest, APurposeIsOneOfTwoWords) {
  EXPECT_EQ(*parse_key_purpose("calls"), KeyPurpose::calls);
  EXPECT_EQ(*parse_key_purpose("keys"), KeyPurpose::keys);
  for (const char* wrong : {"", "call", "Keys", "keys ", "all"}) EXPECT_FALSE(parse_key_purpose(wrong)) << wrong;
}

}  // namespace
}  // namespace sallyport::rpcnode
