#include <gtest/gtest.h>

#include <array>
#include <filesystem>

#include "crypto/system_random.h"
#include "keystore/file.h"
#include "pki/root_order.h"
#include "pki/verify.h"
#include "root/root.h"

namespace sallyport::root {
namespace {

namespace fs = std::filesystem;

constexpr UnixTime kOrderTime{1'780'315'200};  // 2026-06-01T12:00:00Z
constexpr std::string_view kRootPassphrase = "correct horse";
constexpr auto kReason = pki::RevocationReason::key_compromise;

// A root that has signed server-ca and a factory's CA.
class RootOrders : public ::testing::Test {
 protected:
  // A passphrase costs seconds by design: one folder is made, and copied for each test.
  static void SetUpTestSuite() {
    std::string name = (fs::temp_directory_path() / "sallyport-orders-XXXXXX").native();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    templates_ = name;
    auto folder = keystore::StateFolder::open_or_create(templates_ / "root", kRootFormat);
    ASSERT_TRUE(folder);
    ASSERT_TRUE(initialise_root(*folder, {.name = "Acme", .passphrase = SecretBytes(kRootPassphrase), .brought = {}},
                                clock_, random_));
    auto root = Root::open(*std::move(folder), clock_, random_);
    ASSERT_TRUE(root) << root.error().detail;
    auto key = root->unlock(as_bytes(kRootPassphrase));
    ASSERT_TRUE(key);
    ASSERT_TRUE(root->sign_crl(*key, kUsualCrl, std::nullopt));
    server_ca_ = sign(*root, *key, "server-ca", server_ca_key_);
    sign(*root, *key, "local-ca-acme", site_key_);
  }
  static void TearDownTestSuite() { fs::remove_all(templates_); }

  static pki::Certificate sign(Root& root, crypto::PrivateKey& key, std::string_view stem, crypto::PrivateKey& own) {
    const RequestFacts facts{
        .zone = DnsName("devices.example"), .console_name = DnsName("console.example"), .site = SiteName("acme")};
    const auto proposed = root.propose(stem, *pki::build_csr(own, *pki::DistinguishedName::of("any")), facts);
    EXPECT_TRUE(proposed) << proposed.error().detail;
    auto certificate = root.sign(*proposed, key);
    EXPECT_TRUE(certificate) << certificate.error().detail;
    return *std::move(certificate);
  }

  RootOrders() {
    std::string name = (fs::temp_directory_path() / "sallyport-orders-XXXXXX").native();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    base_ = name;
    fs::copy(templates_ / "root", base_ / "root", fs::copy_options::recursive);
  }
  ~RootOrders() override {
    std::error_code ignored;
    fs::remove_all(base_, ignored);
  }
  Root opened() {
    auto folder = keystore::StateFolder::open(base_ / "root", kRootFormat);
    EXPECT_TRUE(folder);
    auto root = Root::open(*std::move(folder), clock_, random_);
    EXPECT_TRUE(root) << root.error().detail;
    return *std::move(root);
  }
  // A leaf of a CA whose key is `ca_key`.
  static pki::Certificate leaf(pki::ProfileId id, const pki::Certificate& ca, crypto::PrivateKey& ca_key,
                               std::vector<std::string> names) {
    const auto own = crypto::PrivateKey::generate();
    const auto& profile = pki::profile(id);
    const pki::CertificateFields fields{.common_name = "leaf",
                                        .dns_names = std::move(names),
                                        .public_key = own.public_key(),
                                        .validity = pki::choose_validity(profile, &ca, kOrderTime, profile.longest),
                                        .serial = pki::SerialNumber::draw(random_)};
    auto linted = pki::prepare(profile, fields, ca, kOrderTime);
    EXPECT_TRUE(linted) << linted.error().detail;
    return *pki::issue(*std::move(linted), ca_key);
  }
  // A CA of the name of `ca`, with a key of its own, that another root has signed.
  static pki::Certificate same_name(const pki::Certificate& ca, crypto::PrivateKey& own) {
    auto root_key = crypto::PrivateKey::generate();
    const auto make = [](pki::ProfileId id, const pki::Certificate* above, std::string name,
                         const crypto::PublicKey& key, std::vector<std::string> permitted, crypto::PrivateKey& by) {
      const auto& profile = pki::profile(id);
      const pki::CertificateFields fields{.common_name = std::move(name),
                                          .public_key = key,
                                          .validity = pki::choose_validity(profile, above, kOrderTime, profile.longest),
                                          .serial = pki::SerialNumber::draw(random_),
                                          .permitted_dns = std::move(permitted)};
      auto linted = above == nullptr ? pki::prepare_self_signed(profile, fields, kOrderTime)
                                     : pki::prepare(profile, fields, *above, kOrderTime);
      EXPECT_TRUE(linted) << linted.error().detail;
      return *pki::issue(*std::move(linted), by);
    };
    const auto root =
        make(pki::ProfileId::root, nullptr, pki::ca_common_name("root", "Acme"), root_key.public_key(), {}, root_key);
    return make(pki::ProfileId::server_ca, &root, ca.subject().common_name().value_or(""), own.public_key(),
                {"devices.example", "console.example"}, root_key);
  }
  static pki::Certificate gateway() {
    return leaf(pki::ProfileId::server, *server_ca_, server_ca_key_, {"gateway.devices.example"});
  }
  static pki::RootOrder open(const Root& root, const SignedOrder& order) {
    const std::array roots{root.certificate()};
    const auto opened = pki::open_root_order(order.sealed, roots);
    EXPECT_TRUE(opened) << opened.error().error.detail;
    return opened ? opened->order() : pki::RootOrder{};
  }
  static Result<SignedOrder> sign_order(Root& root, const ProposedOrder& proposed) {
    return root.sign_order(proposed, as_bytes(kRootPassphrase), kUsualCrl);
  }

  fs::path base_;
  static inline fs::path templates_;
  static inline ManualClock clock_{kOrderTime};
  static inline crypto::SystemRandom random_;
  static inline crypto::PrivateKey server_ca_key_ = crypto::PrivateKey::generate();
  static inline crypto::PrivateKey site_key_ = crypto::PrivateKey::generate();
  static inline std::optional<pki::Certificate> server_ca_;
};

TEST_F(RootOrders, OnACertificateNamesItsCaAndItsSerialAndLeavesTheCrlAlone) {
  auto root = opened();
  const auto certificate = gateway();
  const auto proposed = root.propose_order_on_certificate(certificate, kReason, std::nullopt);
  ASSERT_TRUE(proposed) << proposed.error().detail;
  EXPECT_EQ(proposed->ca_name(), "server-ca");
  const auto order = sign_order(root, *proposed);
  ASSERT_TRUE(order) << order.error().detail;
  const auto said = open(root, *order);
  EXPECT_EQ(said.number, 1U);
  EXPECT_EQ(said.installation, "Acme");
  EXPECT_EQ(said.ca_key, server_ca_->spki_sha256());
  EXPECT_EQ(said.serial, certificate.serial());
  EXPECT_EQ(said.reason, kReason);
  EXPECT_TRUE(order->crls.empty());
  EXPECT_EQ(root.crl_number(), 1U);
}

TEST_F(RootOrders, OnACaRevokesItOnTheCrlThatComesWithIt) {
  auto root = opened();
  const auto proposed = root.propose_order_on_ca("server-ca", kReason, "Another");
  ASSERT_TRUE(proposed) << proposed.error().detail;
  const auto order = sign_order(root, *proposed);
  ASSERT_TRUE(order) << order.error().detail;
  const auto said = open(root, *order);
  EXPECT_EQ(said.serial, std::nullopt);
  EXPECT_EQ(said.installation, "Another");
  ASSERT_EQ(order->crls.size(), 1U);
  EXPECT_EQ(order->crls.front().number(), 2U);
  EXPECT_NE(order->crls.front().find(server_ca_->serial()), nullptr);
}

TEST_F(RootOrders, AreNumberedOverEveryOpening) {
  const auto certificate = gateway();
  for (const std::uint64_t number : {1U, 2U, 3U}) {
    auto root = opened();
    EXPECT_EQ(root.order_number(), number - 1);
    const auto proposed = root.propose_order_on_certificate(certificate, kReason, std::nullopt);
    ASSERT_TRUE(proposed);
    const auto order = sign_order(root, *proposed);
    ASSERT_TRUE(order);
    EXPECT_EQ(open(root, *order).number, number);
  }
}

TEST_F(RootOrders, AJournalWithoutOneOfThemIsRefused) {
  {
    auto root = opened();
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(sign_order(root, *root.propose_order_on_certificate(gateway(), kReason, std::nullopt)));
    }
  }
  const auto path = base_ / "root" / "journal";
  auto journal = Journal::open(path);
  ASSERT_TRUE(journal);
  std::string shortened;
  for (const auto& entry : journal->entries()) {
    if (entry.act != "order" || *entry.field("number") != "1") shortened += encode_journal_line(entry);
  }
  ASSERT_TRUE(fs::remove(path));
  ASSERT_TRUE(keystore::AppendFile::open(path, 0600)->append(as_bytes(shortened)));
  auto folder = keystore::StateFolder::open(base_ / "root", kRootFormat);
  const auto root = Root::open(*std::move(folder), clock_, random_);
  ASSERT_FALSE(root);
  EXPECT_EQ(root.error().code, Errc::malformed);
}

TEST_F(RootOrders, AreSignedOnNothingThatTheRootHasNotSigned) {
  auto root = opened();
  for (const char* unknown : {"web-ca", "", "00", "3f9a"}) {
    EXPECT_EQ(root.propose_order_on_ca(unknown, kReason, std::nullopt).error().code, Errc::not_found) << unknown;
  }
  crypto::PrivateKey foreign_key = crypto::PrivateKey::generate();
  const auto foreign_ca = same_name(*server_ca_, foreign_key);
  const auto forged = leaf(pki::ProfileId::server, foreign_ca, foreign_key, {"gateway.devices.example"});
  ASSERT_EQ(forged.issuer(), server_ca_->subject());
  EXPECT_EQ(root.propose_order_on_certificate(forged, kReason, std::nullopt).error().code, Errc::unauthorized)
      << "in server-ca's name, by another key";
  EXPECT_EQ(root.propose_order_on_certificate(*server_ca_, kReason, std::nullopt).error().code, Errc::unauthorized)
      << "a CA is named, not shown";
}

TEST_F(RootOrders, AreSignedOnNoFactoryCertificateSinceNobodyAnswersForIt) {
  auto root = opened();
  const auto site = root.signed_cas().back();
  ASSERT_EQ(site.ca_name, "local-ca/acme");
  const auto pem = keystore::read_file(base_ / "root" / "issued" / (site.serial.hex() + ".pem"), 64U << 10U);
  const auto ca = pki::parse_certificates_pem(as_text(*pem), 1);
  ASSERT_TRUE(ca);
  const auto device =
      leaf(pki::ProfileId::factory_device, ca->front(), site_key_, {"d-1.acme.factory.devices.example"});
  const auto refused = root.propose_order_on_certificate(device, kReason, std::nullopt);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unauthorized);
  EXPECT_NE(refused.error().detail.find("local-ca/acme"), std::string::npos) << refused.error().detail;
}

TEST_F(RootOrders, OnARevokedCaAreStillSignedByItsSerial) {
  auto root = opened();
  ASSERT_TRUE(sign_order(root, *root.propose_order_on_ca("server-ca", kReason, std::nullopt)));
  EXPECT_EQ(root.propose_order_on_ca("server-ca", kReason, std::nullopt).error().code, Errc::not_found);
  const auto again = root.propose_order_on_ca(server_ca_->serial().hex(), kReason, std::nullopt);
  ASSERT_TRUE(again) << again.error().detail;
  const auto order = sign_order(root, *again);
  ASSERT_TRUE(order) << order.error().detail;
  EXPECT_EQ(open(root, *order).number, 2U);
}

TEST_F(RootOrders, NeedThePassphraseAndLeaveNoTraceWithoutIt) {
  auto root = opened();
  const auto entries = root.journal().entries().size();
  const auto proposed = root.propose_order_on_ca("server-ca", kReason, std::nullopt);
  ASSERT_TRUE(proposed);
  const auto refused = root.sign_order(*proposed, as_bytes("correct horse "), kUsualCrl);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unauthorized);
  EXPECT_EQ(root.journal().entries().size(), entries);
}

}  // namespace
}  // namespace sallyport::root
