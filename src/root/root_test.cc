#include "root/root.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>

#include "codec/pem.h"
#include "crypto/system_random.h"
#include "keystore/file.h"

namespace sallyport::root {
namespace {

constexpr UnixTime kBegin{1'800'000'000};
constexpr std::string_view kPassphrase = "correct horse";

class RootTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sallyport-root-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    base_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(base_); }

  std::filesystem::path path() const { return base_ / "root"; }
  keystore::StateFolder folder() {
    auto opened = keystore::StateFolder::open_or_create(path(), kRootFormat);
    EXPECT_TRUE(opened) << opened.error().detail;
    return *std::move(opened);
  }
  NewRoot wanted(std::string_view passphrase = kPassphrase) {
    return {.name = "Acme", .passphrase = SecretBytes(passphrase)};
  }
  Root made() {
    {
      const auto state = folder();
      auto initialised = initialise_root(state, wanted(), clock_, random_);
      EXPECT_TRUE(initialised) << initialised.error().detail;
    }
    return opened();
  }
  Root opened() {
    auto root = Root::open(folder(), clock_, random_);
    EXPECT_TRUE(root) << root.error().detail;
    return *std::move(root);
  }
  crypto::PrivateKey key_of(const Root& root) {
    auto key = root.unlock(as_bytes(kPassphrase));
    EXPECT_TRUE(key) << key.error().detail;
    return *std::move(key);
  }
  Bytes csr(crypto::PrivateKey& key) { return *pki::build_csr(key, *pki::DistinguishedName::of("anything")); }

  std::filesystem::path base_;
  ManualClock clock_{kBegin};
  crypto::SystemRandom random_;
  crypto::PrivateKey ca_key_ = crypto::PrivateKey::generate();
  const RequestFacts facts_{.zone = DnsName("devices.example"), .console_name = DnsName("console.example")};
};

TEST_F(RootTest, MakesACertificateThatHoldsItsProfileAndPinsTheNextKey) {
  const auto root = made();
  EXPECT_TRUE(pki::lint(pki::profile(pki::ProfileId::root), root.certificate(), nullptr));
  EXPECT_EQ(root.certificate().subject().common_name(), "Sallyport root Acme");
  const auto pem = keystore::read_file(path() / "next-root.pem", 4'096);
  ASSERT_TRUE(pem);
  const auto next = codec::parse_single_pem(as_text(*pem), "PUBLIC KEY");
  ASSERT_TRUE(next);
  EXPECT_EQ(root.certificate().extensions().next_root_key, crypto::sha256(*next));
}

TEST_F(RootTest, KeepsItsKeysEncrypted) {
  static_cast<void>(made());
  for (const char* file : {"root.key", "next-root.key"}) {
    const auto pem = keystore::read_secret_file(path() / file, 8'192);
    ASSERT_TRUE(pem) << file;
    EXPECT_TRUE(as_text(pem->expose()).starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")) << file;
  }
}

TEST_F(RootTest, AWrongPassphraseIsRefusedInOneSentence) {
  const auto root = made();
  for (const char* wrong : {"", "correct hors", "correct horse "}) {
    const auto key = root.unlock(as_bytes(wrong));
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code, Errc::unauthorized);
    EXPECT_EQ(key.error().detail, "root.key: found a wrong passphrase");
  }
}

TEST_F(RootTest, IsMadeOnceAndWithAPassphraseWorthTheName) {
  {
    const auto state = folder();
    auto weak = initialise_root(state, wanted("short"), clock_, random_);
    ASSERT_FALSE(weak);
    EXPECT_EQ(weak.error().code, Errc::unauthorized);
  }
  static_cast<void>(made());
  const auto state = folder();
  auto again = initialise_root(state, wanted(), clock_, random_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::conflict);
}

TEST_F(RootTest, SignsEveryCaBelowItInsideItsNamespace) {
  auto root = made();
  auto key = key_of(root);
  auto facts = facts_;
  facts.site = SiteName("acme");
  const std::vector<std::pair<std::string, std::vector<std::string>>> cas{
      {"online-ca", {"devices.example"}},
      {"web-ca", {"devices.example"}},
      {"server-ca", {"gateway.devices.example", "relay.devices.example", "status.devices.example", "console.example"}},
      {"people-ca", {"people.devices.example"}},
      {"roles-ca", {"internal.devices.example"}},
      {"control-ca", {}},
      {"local-ca-acme", {"acme.factory.devices.example"}},
  };
  for (const auto& [stem, permitted] : cas) {
    auto own = crypto::PrivateKey::generate();
    const auto proposed = root.propose(stem, csr(own), facts);
    ASSERT_TRUE(proposed) << stem << ": " << proposed.error().detail;
    const auto signed_ca = root.sign(*proposed, key);
    ASSERT_TRUE(signed_ca) << stem << ": " << signed_ca.error().detail;
    EXPECT_TRUE(pki::lint(pki::profile(proposed->plan().profile), *signed_ca, &root.certificate())) << stem;
    const auto& constraints = signed_ca->extensions().name_constraints;
    EXPECT_EQ(constraints ? constraints->permitted.dns : std::vector<std::string>{}, permitted) << stem;
    EXPECT_TRUE(std::filesystem::exists(path() / "issued" / (signed_ca->serial().hex() + ".pem")));
  }
  EXPECT_EQ(root.signed_cas().size(), cas.size());
}

TEST_F(RootTest, ProposesNothingButCasBelowIt) {
  const auto root = made();
  for (const char* stem : {"root", "gateway", "server", "operational-device", "local-ca-", "local-ca-other",
                           "Server-CA", "../server-ca", ""}) {
    EXPECT_FALSE(root.propose(stem, csr(ca_key_), facts_)) << stem;
  }
  auto without_console = facts_;
  without_console.console_name.reset();
  EXPECT_FALSE(root.propose("server-ca", csr(ca_key_), without_console));
  EXPECT_FALSE(root.propose("online-ca", Bytes{0x30, 0x00}, facts_));
}

TEST_F(RootTest, SignsAKeyOnceAndAsOneCaAlone) {
  auto root = made();
  auto key = key_of(root);
  const auto first = root.sign(*root.propose("online-ca", csr(ca_key_), facts_), key);
  ASSERT_TRUE(first);
  const auto again = root.propose("online-ca", csr(ca_key_), facts_);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->signed_before(), first->serial());
  EXPECT_EQ(*root.sign(*again, key), *first);
  const auto as_another = root.propose("web-ca", csr(ca_key_), facts_);
  ASSERT_FALSE(as_another);
  EXPECT_EQ(as_another.error().code, Errc::conflict);
  EXPECT_FALSE(root.propose("online-ca", csr(key), facts_)) << "the root's own key";
}

TEST_F(RootTest, RemembersOverReopeningWhatItSignedAndRevoked) {
  pki::SerialNumber serial;
  {
    auto root = made();
    auto key = key_of(root);
    serial = root.sign(*root.propose("online-ca", csr(ca_key_), facts_), key)->serial();
    const auto crl =
        root.sign_crl(key, kUsualCrl, Revocation{.serial = serial, .reason = pki::RevocationReason::key_compromise});
    ASSERT_TRUE(crl) << crl.error().detail;
    EXPECT_EQ(crl->number(), 1U);
    ASSERT_NE(crl->find(serial), nullptr);
    EXPECT_EQ(crl->find(serial)->reason, pki::RevocationReason::key_compromise);
  }
  auto root = opened();
  auto key = key_of(root);
  ASSERT_EQ(root.signed_cas().size(), 1U);
  EXPECT_EQ(root.signed_cas().front().revoked_at, kBegin);
  EXPECT_FALSE(root.propose("online-ca", csr(ca_key_), facts_)) << "a revoked key";
  clock_.advance(kDay);
  const auto crl = root.sign_crl(key, kShortestCrl, std::nullopt);
  ASSERT_TRUE(crl);
  EXPECT_EQ(crl->number(), 2U);
  ASSERT_NE(crl->find(serial), nullptr);
  EXPECT_EQ(crl->find(serial)->revoked_at, kBegin) << "the first time stays";
}

TEST_F(RootTest, CrlNumbersNeverGoBackEvenWhenTheCrlDoes) {
  auto root = made();
  auto key = key_of(root);
  ASSERT_TRUE(root.sign_crl(key, kUsualCrl, std::nullopt));
  const auto old = keystore::read_file(path() / "root.crl", 8'192);
  ASSERT_TRUE(root.sign_crl(key, kUsualCrl, std::nullopt));
  ASSERT_TRUE(keystore::atomic_write_file(path() / "root.crl", *old, keystore::kPublicMode));
  const auto loaded = root.load_crl();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::conflict);
  std::filesystem::remove(path() / "root.crl");
  EXPECT_EQ(root.sign_crl(key, kUsualCrl, std::nullopt)->number(), 3U);
  EXPECT_TRUE(root.load_crl());
}

TEST_F(RootTest, CrlsAreInForceNeitherTooShortNorTooLong) {
  auto root = made();
  auto key = key_of(root);
  EXPECT_FALSE(root.sign_crl(key, kShortestCrl - seconds(1), std::nullopt));
  EXPECT_FALSE(root.sign_crl(key, kLongestCrl + seconds(1), std::nullopt));
  EXPECT_EQ(root.crl_number(), 0U);
  const auto unknown = root.sign_crl(key, kUsualCrl, Revocation{.serial = pki::SerialNumber::draw(random_)});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::not_found);
}

TEST_F(RootTest, WritesEveryActDownBeforeItsResult) {
  auto root = made();
  auto key = key_of(root);
  ASSERT_TRUE(root.sign(*root.propose("online-ca", csr(ca_key_), facts_), key));
  ASSERT_TRUE(root.sign_crl(key, kUsualCrl, std::nullopt));
  std::vector<std::string> acts;
  for (const auto& entry : root.journal().entries()) acts.push_back(entry.act);
  EXPECT_EQ(acts, (std::vector<std::string>{"init", "intent", "issued", "crl"}));
}

TEST_F(RootTest, AnInterruptedSigningLeavesItsSerialInTheJournalAndCanBeRepeated) {
  auto root = made();
  auto key = key_of(root);
  std::filesystem::remove_all(path() / "issued");
  std::ofstream(path() / "issued") << "in the way";
  EXPECT_FALSE(root.sign(*root.propose("online-ca", csr(ca_key_), facts_), key));
  ASSERT_EQ(root.signed_cas().size(), 1U);
  EXPECT_FALSE(root.signed_cas().front().is_issued);
  std::filesystem::remove(path() / "issued");
  std::filesystem::create_directory(path() / "issued");
  const auto repeated = root.sign(*root.propose("online-ca", csr(ca_key_), facts_), key);
  ASSERT_TRUE(repeated);
  EXPECT_NE(repeated->serial(), root.signed_cas().front().serial);
}

TEST_F(RootTest, TakesOverARootOfOnesOwn) {
  auto own_key = crypto::PrivateKey::generate();
  const auto& profile = pki::profile(pki::ProfileId::root);
  const pki::CertificateFields fields{.common_name = "Our own root",
                                      .public_key = own_key.public_key(),
                                      .validity = pki::choose_validity(profile, nullptr, kBegin, 3'650 * kDay),
                                      .serial = pki::SerialNumber::draw(random_)};
  const auto certificate = *pki::issue(*pki::prepare_self_signed(profile, fields, kBegin), own_key);
  {
    const auto state = folder();
    auto order = wanted();
    order.brought.emplace(crypto::PrivateKey::generate(), certificate);
    auto foreign_key = initialise_root(state, std::move(order), clock_, random_);
    ASSERT_FALSE(foreign_key);
    EXPECT_EQ(foreign_key.error().code, Errc::unauthorized);
    auto right = wanted();
    right.brought.emplace(own_key.clone(), certificate);
    auto taken = initialise_root(state, std::move(right), clock_, random_);
    ASSERT_TRUE(taken) << taken.error().detail;
  }
  auto root = opened();
  auto key = key_of(root);
  EXPECT_EQ(root.certificate(), certificate);
  EXPECT_TRUE(root.sign(*root.propose("online-ca", csr(ca_key_), facts_), key));
}

TEST_F(RootTest, RefusesABroughtCertificateThatCannotBeARoot) {
  auto root = made();
  auto key = key_of(root);
  const auto below = *root.sign(*root.propose("online-ca", csr(ca_key_), facts_), key);
  const auto other = *keystore::StateFolder::open_or_create(base_ / "other", kRootFormat);
  auto order = wanted();
  order.brought.emplace(ca_key_.clone(), below);
  auto refused = initialise_root(other, std::move(order), clock_, random_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unauthorized);
}

TEST(RequestFacts, AreReadStrictly) {
  const auto good =
      parse_request_facts("zone = \"devices.example\"\nconsole_name = \"console.example\"\n", "request.toml");
  ASSERT_TRUE(good) << good.error().detail;
  EXPECT_EQ(good->zone.get(), "devices.example");
  for (const char* bad :
       {"", "zone = 1\n", "zone = \"*.example\"\n", "zone = \"a.example\"\nzones = \"b\"\n",
        "zone = \"a.example\"\nsite = \"A\"\n", "zone = \"a.example\"\ncrl_url = \"https://a.example/\"\n",
        "zone = \"a.example\"\nconsole_name = \"\"\n"}) {
    EXPECT_FALSE(parse_request_facts(bad, "request.toml")) << bad;
  }
}

}  // namespace
}  // namespace sallyport::root
