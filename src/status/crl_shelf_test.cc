#include "status/crl_shelf.h"

#include <gtest/gtest.h>

#include "codec/text.h"
#include "crypto/system_random.h"
#include "pki/issue.h"

namespace sallyport::status {
namespace {

constexpr UnixTime kNow{1'780'315'200};  // 2026-06-01T12:00:00Z
const records::CaName kCa("online-ca");

class CrlShelfTest : public testing::Test {
 protected:
  pki::Certificate make_root(const crypto::PrivateKey& key, crypto::PrivateKey& signer, UnixTime made = kNow) {
    const auto& profile = pki::profile(pki::ProfileId::root);
    const pki::CertificateFields fields{.common_name = "a CA",
                                        .public_key = key.public_key(),
                                        .validity = pki::choose_validity(profile, nullptr, made, profile.longest),
                                        .serial = pki::SerialNumber::draw(random_)};
    auto linted = pki::prepare_self_signed(profile, fields, made);
    return *pki::issue(*std::move(linted), signer);
  }

  Bytes make(std::uint64_t number, UnixTime made = kNow, seconds life = seconds(3600)) {
    pki::CrlFields fields;
    fields.number = number;
    fields.this_update = made;
    fields.next_update = made + life;
    return *pki::build_crl(ca_, std::move(fields), key_);
  }

  crypto::SystemRandom random_;
  crypto::PrivateKey key_ = crypto::PrivateKey::generate();
  pki::Certificate ca_ = make_root(key_, key_);
  CrlShelf shelf_;
};

TEST_F(CrlShelfTest, HandsOutTheNewestAsItCame) {
  EXPECT_EQ(shelf_.find(kCa), nullptr);
  const Bytes first = make(1), second = make(2);
  ASSERT_TRUE(shelf_.put(kCa, ca_, first, kNow));
  EXPECT_EQ(*shelf_.find(kCa)->der, first);
  const std::string tag = shelf_.find(kCa)->etag;
  ASSERT_TRUE(shelf_.put(kCa, ca_, second, kNow));
  EXPECT_EQ(*shelf_.find(kCa)->der, second);
  EXPECT_NE(shelf_.find(kCa)->etag, tag);
  EXPECT_EQ(shelf_.number_of(kCa), 2U);
}

TEST_F(CrlShelfTest, KeepsWhatItHasWhenTheNextIsNoBetter) {
  const Bytes good = make(5);
  ASSERT_TRUE(shelf_.put(kCa, ca_, good, kNow));
  crypto::PrivateKey strange_key = crypto::PrivateKey::generate();
  const pki::Certificate stranger = make_root(strange_key, strange_key);
  Bytes cut = make(6), altered = make(6);
  cut.pop_back();
  altered[altered.size() / 2] ^= 1;
  EXPECT_FALSE(shelf_.put(kCa, ca_, make(5), kNow)) << "the same number";
  EXPECT_FALSE(shelf_.put(kCa, ca_, make(4), kNow)) << "a number that falls";
  EXPECT_FALSE(shelf_.put(kCa, ca_, cut, kNow)) << "truncated";
  EXPECT_FALSE(shelf_.put(kCa, ca_, altered, kNow)) << "altered";
  EXPECT_FALSE(shelf_.put(kCa, stranger, make(6), kNow)) << "of another CA";
  EXPECT_FALSE(shelf_.put(kCa, ca_, make(6, kNow - 2 * kDay), kNow)) << "ended";
  EXPECT_FALSE(shelf_.put(kCa, ca_, make(6, kNow + kDay), kNow)) << "of tomorrow";
  EXPECT_FALSE(shelf_.put(kCa, ca_, Bytes(), kNow)) << "empty";
  EXPECT_EQ(*shelf_.find(kCa)->der, good);
}

// The names under which lists of these CAs, by name and the day on which each was made, are asked for.
TEST_F(CrlShelfTest, NamesTheListOfEveryKeyAndByTheCaAloneThatOfTheOldest) {
  std::map<records::CaName, std::string> key_ids;
  std::vector<records::SnapshotCa> cas;
  const auto add = [&](const char* name, UnixTime made) {
    crypto::PrivateKey key = crypto::PrivateKey::generate();
    const pki::Certificate ca = make_root(key, key, made);
    key_ids.emplace(name, codec::encode_hex(*ca.extensions().subject_key_id));
    cas.push_back({records::CaName(name), to_bytes(ca.der())});
  };
  add("root", kNow);
  add("online-ca", kNow + kDay);
  add("online-ca@1f", kNow);
  add("online-ca@0a", kNow - kDay);
  add("server-ca", kNow);
  add("server-ca@2b", kNow);  // within the same second
  add("local-ca/acme", kNow);
  const ListNames names = name_lists(cas);
  EXPECT_EQ(names.size(), 7U) << "neither the root's nor a factory's";
  EXPECT_EQ(names.at("online-ca"), records::CaName("online-ca@0a"));
  EXPECT_EQ(names.at("server-ca"), records::CaName("server-ca@2b"));
  for (const char* name : {"online-ca", "online-ca@1f", "online-ca@0a", "server-ca", "server-ca@2b"}) {
    const records::CaName ca(name);
    EXPECT_EQ(names.at(records::base_name(ca).get() + "-" + key_ids.at(ca)), ca);
  }
}

TEST_F(CrlShelfTest, NamesNothingByACertificateThatIsNone) {
  EXPECT_TRUE(name_lists({{kCa, Bytes{0x30, 0x00}}}).empty());
  EXPECT_TRUE(name_lists({}).empty());
}

}  // namespace
}  // namespace sallyport::status
