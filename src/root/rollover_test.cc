#include <gtest/gtest.h>

#include <array>
#include <filesystem>

#include "codec/text.h"
#include "crypto/system_random.h"
#include "keystore/file.h"
#include "keystore/key_file.h"
#include "pki/root_chain.h"
#include "pki/verify.h"
#include "root/root.h"

namespace sallyport::root {
namespace {

namespace fs = std::filesystem;

constexpr UnixTime kRolloverTime{1'780'315'200};  // 2026-06-01T12:00:00Z
constexpr std::string_view kOldPassphrase = "correct horse";
const pki::TimeRule kRule = pki::TimeRule::clock(kRolloverTime);

class RootRolloverTest : public ::testing::Test {
 protected:
  // A passphrase costs seconds by design, so that two folders are made once: one before a rollover, one after it.
  static void SetUpTestSuite() {
    std::string name = (fs::temp_directory_path() / "sallyport-rollover-XXXXXX").native();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    templates_ = name;
    auto folder = keystore::StateFolder::open_or_create(templates_ / "before", kRootFormat);
    ASSERT_TRUE(folder);
    ASSERT_TRUE(initialise_root(*folder, {.name = "Acme", .passphrase = SecretBytes(kOldPassphrase), .brought = {}},
                                clock_, random_));
    {
      auto root = Root::open(*std::move(folder), clock_, random_);
      ASSERT_TRUE(root) << root.error().detail;
      crls(*root);
    }
    fs::copy(templates_ / "before", templates_ / "after", fs::copy_options::recursive);
    auto again = Root::open(*keystore::StateFolder::open(templates_ / "after", kRootFormat), clock_, random_);
    ASSERT_TRUE(again) << again.error().detail;
    const auto after = roll(*std::move(again));
    ASSERT_TRUE(after) << after.error().detail;
  }
  static void TearDownTestSuite() { fs::remove_all(templates_); }

  RootRolloverTest() {
    std::string name = (fs::temp_directory_path() / "sallyport-rollover-XXXXXX").native();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    base_ = name;
  }
  ~RootRolloverTest() override {
    std::error_code ignored;
    fs::remove_all(base_, ignored);
  }
  fs::path path() const { return base_ / "root"; }
  Root copy_of(std::string_view which) {
    fs::copy(templates_ / which, path(), fs::copy_options::recursive);
    auto root = reopened();
    EXPECT_TRUE(root) << root.error().detail;
    return *std::move(root);
  }
  // With CRL number 1.
  Root made() { return copy_of("before"); }
  // The CRL of the first root has number 1, the second has none yet.
  Root rolled() { return copy_of("after"); }
  Result<Root> reopened() {
    TRY(auto folder, keystore::StateFolder::open(path(), kRootFormat));
    return Root::open(std::move(folder), clock_, random_);
  }
  static Result<Root> roll(Root root, std::optional<fs::path> next_key = std::nullopt) {
    return Root::roll_over(std::move(root), as_bytes(kOldPassphrase), next_key);
  }
  static std::vector<pki::Crl> crls(Root& root, const std::optional<Revocation>& revocation = std::nullopt) {
    auto signed_crls = root.sign_crls(as_bytes(kOldPassphrase), kUsualCrl, revocation);
    EXPECT_TRUE(signed_crls) << signed_crls.error().detail;
    return *std::move(signed_crls);
  }
  pki::Certificate sign(Root& root, std::string_view stem) {
    auto own = crypto::PrivateKey::generate();
    const auto proposed = root.propose(stem, *pki::build_csr(own, *pki::DistinguishedName::of("any")), facts_);
    EXPECT_TRUE(proposed) << proposed.error().detail;
    auto key = root.unlock(as_bytes(kOldPassphrase));
    EXPECT_TRUE(key) << key.error().detail;
    auto certificate = root.sign(*proposed, *key);
    EXPECT_TRUE(certificate) << certificate.error().detail;
    return *std::move(certificate);
  }

  fs::path base_;
  static inline fs::path templates_;
  static inline ManualClock clock_{kRolloverTime};
  static inline crypto::SystemRandom random_;
  const RequestFacts facts_{.zone = DnsName("devices.example"),
                            .console_name = DnsName("console.example"),
                            .crl_url = "http://status.devices.example/crl/root.crl"};
};

TEST_F(RootRolloverTest, TheNextRootIsTheOneThatWasPinnedAndWhoTrustsTheOldFollows) {
  auto before = made();
  const pki::Certificate old = before.certificate();
  const auto proposed = before.propose_rollover();
  ASSERT_TRUE(proposed) << proposed.error().detail;
  auto after = roll(std::move(before));
  ASSERT_TRUE(after) << after.error().detail;
  ASSERT_EQ(after->generations().size(), 2U);
  EXPECT_EQ(after->generations()[0].certificate, old);
  EXPECT_EQ(after->certificate().spki_sha256(), old.extensions().next_root_key);
  EXPECT_EQ(after->certificate().spki_sha256(), proposed->key);
  EXPECT_EQ(after->certificate().validity().not_after, proposed->validity.not_after);
  EXPECT_TRUE(pki::lint(pki::profile(pki::ProfileId::root), after->certificate(), nullptr));
  const auto& link = after->generations()[1].link;
  ASSERT_TRUE(link);
  EXPECT_TRUE(pki::lint(pki::profile(pki::ProfileId::root_link), *link, &old));
  const std::array anchors{old};
  const std::array shown{*link, after->certificate()};
  EXPECT_EQ(pki::follow_root_links(anchors, shown, kRule), std::vector{after->certificate()});
  EXPECT_TRUE(after->unlock(as_bytes(kOldPassphrase)));
  EXPECT_FALSE(fs::exists(path() / "rollover"));
}

TEST_F(RootRolloverTest, TheKeyAfterItExistsAndIsPinnedSoThatItCanBeDoneAgain) {
  auto twice = roll(rolled());
  ASSERT_TRUE(twice) << twice.error().detail;
  ASSERT_EQ(twice->generations().size(), 3U);
  const auto& generations = twice->generations();
  const std::array anchors{generations[0].certificate};
  const std::array shown{*generations[1].link, *generations[2].link, generations[2].certificate};
  EXPECT_EQ(pki::follow_root_links(anchors, shown, kRule), std::vector{generations[2].certificate});
  const auto next = keystore::read_private_key_file(path() / "next-root.key", as_bytes(kOldPassphrase));
  ASSERT_TRUE(next);
  EXPECT_EQ(crypto::sha256(next->public_key().spki()), generations[2].certificate.extensions().next_root_key);
}

TEST_F(RootRolloverTest, CrlNumbersBelongToTheirKeyAndNeverFall) {
  auto after = rolled();
  EXPECT_EQ(after.crl_number(), 0U);
  EXPECT_EQ(after.generations()[0].crl_number, 1U);
  const auto both = crls(after);
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0].number(), 1U);
  EXPECT_EQ(both[1].number(), 2U);
  EXPECT_TRUE(pki::verify_crl(both[0], after.certificate(), kRule));
  EXPECT_TRUE(pki::verify_crl(both[1], after.generations()[0].certificate, kRule));
  EXPECT_FALSE(pki::verify_crl(both[1], after.certificate(), kRule));
}

TEST_F(RootRolloverTest, ACaIsRevokedOnTheListOfTheRootThatSignedIt) {
  auto root = made();
  const auto old_ca = sign(root, "online-ca");
  auto after = roll(std::move(root));
  ASSERT_TRUE(after);
  const auto new_ca = sign(*after, "online-ca");
  auto lists = crls(*after, Revocation{old_ca.serial(), pki::RevocationReason::superseded});
  EXPECT_EQ(lists[0].find(old_ca.serial()), nullptr);
  ASSERT_NE(lists[1].find(old_ca.serial()), nullptr);
  EXPECT_EQ(lists[1].find(old_ca.serial())->reason, pki::RevocationReason::superseded);
  lists = crls(*after, Revocation{new_ca.serial(), pki::RevocationReason::key_compromise});
  EXPECT_NE(lists[0].find(new_ca.serial()), nullptr);
  EXPECT_EQ(lists[1].find(new_ca.serial()), nullptr);
}

TEST_F(RootRolloverTest, CasAreSignedByTheNewRootAndNameItsOwnList) {
  auto after = rolled();
  const auto ca = sign(after, "server-ca");
  EXPECT_TRUE(pki::lint(pki::profile(pki::ProfileId::server_ca), ca, &after.certificate()));
  const auto urls = ca.extensions().crl_urls;
  ASSERT_EQ(urls.size(), 1U);
  EXPECT_EQ(urls[0], "http://status.devices.example/crl/root-" +
                         codec::encode_hex(*after.certificate().extensions().subject_key_id) + ".crl");
}

TEST_F(RootRolloverTest, AKeyOfTheFirstRootIsNotAnsweredWithItsOldCertificateUnderTheNewOne) {
  auto root = made();
  auto own = crypto::PrivateKey::generate();
  const Bytes csr = *pki::build_csr(own, *pki::DistinguishedName::of("any"));
  auto key = *root.unlock(as_bytes(kOldPassphrase));
  const auto first = root.sign(*root.propose("web-ca", csr, facts_), key);
  ASSERT_TRUE(first);
  auto after = roll(std::move(root));
  ASSERT_TRUE(after);
  const auto proposed = after->propose("web-ca", csr, facts_);
  ASSERT_TRUE(proposed);
  EXPECT_FALSE(proposed->signed_before());
}

TEST_F(RootRolloverTest, NoRootOfTheFolderSignsAnothersKeyAsACa) {
  auto after = rolled();
  for (const auto& generation : after.generations()) {
    auto key = *after.unlock(generation, as_bytes(kOldPassphrase));
    EXPECT_FALSE(after.propose("web-ca", *pki::build_csr(key, *pki::DistinguishedName::of("any")), facts_));
  }
}

TEST_F(RootRolloverTest, AKeyThatIsNotThePinnedOneIsRefusedAndNothingChanges) {
  auto root = made();
  const auto old = root.certificate();
  const auto foreign = base_ / "foreign.key";
  ASSERT_TRUE(keystore::write_private_key_file(foreign, crypto::PrivateKey::generate(), as_bytes(kOldPassphrase)));
  const auto refused = roll(std::move(root), foreign);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unauthorized);
  const auto as_before = reopened();
  ASSERT_TRUE(as_before) << as_before.error().detail;
  EXPECT_EQ(as_before->generations().size(), 1U);
  EXPECT_EQ(as_before->certificate(), old);
}

TEST_F(RootRolloverTest, AWrongPassphraseChangesNothing) {
  auto refused = Root::roll_over(made(), as_bytes(std::string_view("wrong horse")), std::nullopt);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unauthorized);
  EXPECT_EQ(reopened()->generations().size(), 1U);
}

TEST_F(RootRolloverTest, TheNextKeyMayLieElsewhere) {
  auto root = made();
  const auto elsewhere = base_ / "safe.key";
  fs::rename(path() / "next-root.key", elsewhere);
  EXPECT_EQ(roll(std::move(root)).error().code, Errc::not_found);
  auto again = reopened();
  ASSERT_TRUE(again);
  EXPECT_TRUE(roll(*std::move(again), elsewhere));
}

TEST_F(RootRolloverTest, ARootWhoseKeyWasTakenAwaySignsNoListAndTheOthersGoOn) {
  auto root = made();
  const auto old_ca = sign(root, "online-ca");
  auto after = roll(std::move(root));
  ASSERT_TRUE(after);
  fs::remove(path() / "root-1.key");
  EXPECT_EQ(crls(*after).size(), 1U);
  const auto refused = after->sign_crls(as_bytes(kOldPassphrase), kUsualCrl,
                                        Revocation{old_ca.serial(), pki::RevocationReason::superseded});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::not_found);
  // The last list of the old root is still what installations are given.
  const auto lists = after->load_crls();
  ASSERT_TRUE(lists);
  EXPECT_EQ(lists->size(), 2U);
}

TEST_F(RootRolloverTest, ABroughtRootThatPinsNothingCannotBeReplaced) {
  auto folder = keystore::StateFolder::open_or_create(path(), kRootFormat);
  ASSERT_TRUE(folder);
  auto key = crypto::PrivateKey::generate();
  const auto& profile = pki::profile(pki::ProfileId::root);
  const pki::CertificateFields fields{
      .common_name = "Somebody's root",
      .organization = {},
      .dns_names = {},
      .public_key = key.public_key(),
      .validity = pki::choose_validity(profile, nullptr, kRolloverTime, profile.longest),
      .serial = pki::SerialNumber::draw(random_),
      .permitted_dns = {},
      .ocsp_urls = {},
      .crl_urls = {},
      .ca_issuer_urls = {},
      .next_root_key = std::nullopt};
  auto certificate = pki::issue(*pki::prepare_self_signed(profile, fields, kRolloverTime), key);
  ASSERT_TRUE(certificate);
  ASSERT_TRUE(initialise_root(*folder,
                              {.name = "Acme",
                               .passphrase = SecretBytes(kOldPassphrase),
                               .brought = BroughtRoot{std::move(key), *std::move(certificate)}},
                              clock_, random_));
  auto root = Root::open(*std::move(folder), clock_, random_);
  ASSERT_TRUE(root);
  EXPECT_EQ(root->propose_rollover().error().code, Errc::unauthorized);
  EXPECT_EQ(roll(*std::move(root)).error().code, Errc::unauthorized);
}

// What the folder looks like after a crash at any point: the staging folder with some of its files gone already, and
// the journal with or without the line that makes the rollover true.
class RootRolloverCrashTest : public RootRolloverTest {
 protected:
  // Puts the folder to where a crash before the journal's line leaves it: everything staged, nothing moved.
  void stage() {
    fs::remove_all(path());
    fs::copy(templates_ / "before", path(), fs::copy_options::recursive);
    fs::create_directory(path() / "rollover");
    for (const auto* name : {"root.key", "root.pem", "next-root.key", "next-root.pem"})
      fs::copy(templates_ / "after" / name, path() / "rollover" / name);
    fs::copy(templates_ / "after" / "root-link-2.pem", path() / "rollover" / "link.pem");
  }
  void finish_journal() {
    fs::copy(templates_ / "after" / "journal", path() / "journal", fs::copy_options::overwrite_existing);
  }
  static Bytes contents(const fs::path& file) {
    const bool is_secret = file.extension() == ".key";
    if (!is_secret) return *keystore::read_file(file, 64U << 10U);
    return to_bytes(keystore::read_secret_file(file, 64U << 10U)->expose());
  }
  void expect_rolled() {
    const auto root = reopened();
    ASSERT_TRUE(root) << root.error().detail;
    ASSERT_EQ(root->generations().size(), 2U);
    EXPECT_EQ(root->generations()[0].crl_number, 1U);
    EXPECT_EQ(root->crl_number(), 0U);
    EXPECT_FALSE(fs::exists(path() / "rollover"));
    for (const auto* name : {"root.key", "root.pem", "root-1.key", "root-1.pem", "root-1.crl", "root-link-2.pem",
                             "next-root.key", "next-root.pem"}) {
      EXPECT_EQ(contents(path() / name), contents(templates_ / "after" / name)) << name;
    }
    EXPECT_FALSE(fs::exists(path() / "root.crl"));
  }
};

TEST_F(RootRolloverCrashTest, BeforeTheJournalsLineEverythingIsAsItWas) {
  stage();
  auto root = reopened();
  ASSERT_TRUE(root) << root.error().detail;
  EXPECT_EQ(root->generations().size(), 1U);
  EXPECT_FALSE(fs::exists(path() / "rollover"));
  for (const auto* name : {"root.key", "root.pem", "root.crl", "next-root.key"})
    EXPECT_EQ(contents(path() / name), contents(templates_ / "before" / name)) << name;
  // And it can be done again.
  EXPECT_TRUE(roll(*std::move(root)));
}

TEST_F(RootRolloverCrashTest, AfterItTheRolloverIsFinishedFromEveryPoint) {
  // In the order in which files come into being and go.
  const std::vector<std::pair<std::string, std::string>> kept{
      {"root.key", "root-1.key"}, {"root.crl", "root-1.crl"}, {"root.pem", "root-1.pem"}};
  const std::vector<std::pair<std::string, std::string>> moved{{"link.pem", "root-link-2.pem"},
                                                               {"next-root.key", "next-root.key"},
                                                               {"next-root.pem", "next-root.pem"},
                                                               {"root.key", "root.key"},
                                                               {"root.pem", "root.pem"}};
  const std::size_t points = kept.size() + 1 + 2 * moved.size();
  for (std::size_t point = 0; point <= points; ++point) {
    SCOPED_TRACE(point);
    stage();
    finish_journal();
    std::size_t step = 0;
    const auto once = [&](const auto& act) {
      if (step++ < point) act();
    };
    for (const auto& [from, to] : kept) once([&] { fs::copy(path() / from, path() / to); });
    once([&] { fs::remove(path() / "root.crl"); });
    for (const auto& [from, to] : moved) {
      once([&] { fs::copy(path() / "rollover" / from, path() / to, fs::copy_options::overwrite_existing); });
      once([&] { fs::remove(path() / "rollover" / from); });
    }
    expect_rolled();
  }
}

}  // namespace
}  // namespace sallyport::root
