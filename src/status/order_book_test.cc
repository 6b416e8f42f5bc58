#include "status/order_book.h"

#include <gtest/gtest.h>

#include <fstream>

#include "crypto/system_random.h"
#include "keystore/file.h"
#include "pki/issue.h"

namespace sallyport::status {
namespace {

namespace fs = std::filesystem;

constexpr UnixTime kBookTime{1'780'315'200};  // 2026-06-01T12:00:00Z

// A root with its key.
struct TestRoot {
  crypto::PrivateKey key = crypto::PrivateKey::generate();
  pki::Certificate certificate;

  explicit TestRoot(Random& random) : certificate(make(key, random)) {}

  static pki::Certificate make(crypto::PrivateKey& key, Random& random) {
    const auto& profile = pki::profile(pki::ProfileId::root);
    const pki::CertificateFields fields{.common_name = "Sallyport root test",
                                        .public_key = key.public_key(),
                                        .validity = pki::choose_validity(profile, nullptr, kBookTime, profile.longest),
                                        .serial = pki::SerialNumber::draw(random)};
    return *pki::issue(*pki::prepare_self_signed(profile, fields, kBookTime), key);
  }
  Bytes crl(std::uint64_t number, std::vector<pki::SerialNumber> revoked = {}, UnixTime made = kBookTime) {
    pki::CrlFields fields{.number = number, .this_update = made, .next_update = made + 90 * kDay};
    for (const auto& serial : revoked) fields.entries.push_back({.serial = serial, .revoked_at = made});
    return *pki::build_crl(certificate, std::move(fields), key);
  }
  Bytes seal(const pki::RootOrder& order) { return *pki::seal_root_order(order, key, certificate); }
};

class OrderBookTest : public testing::Test {
 protected:
  OrderBookTest() {
    std::string name = (fs::temp_directory_path() / "sallyport-book-XXXXXX").native();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    base_ = name;
  }
  ~OrderBookTest() override {
    std::error_code ignored;
    fs::remove_all(base_, ignored);
  }
  Result<OrderBook> open() {
    return OrderBook::open({.folder = base_ / "orders", .installation = "Acme", .roots = {root_.certificate}});
  }
  OrderBook opened() {
    auto book = open();
    EXPECT_TRUE(book) << book.error().detail;
    return *std::move(book);
  }
  pki::RootOrder order(std::uint64_t number, std::optional<pki::SerialNumber> serial) const {
    return {.number = number,
            .installation = "Acme",
            .issued_at = kBookTime,
            .ca = "server-ca",
            .ca_key = ca_key_,
            .serial = serial,
            .reason = pki::RevocationReason::key_compromise};
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(base_ / "orders"), fs::directory_iterator()));
  }
  void spoil(const std::string& file, std::size_t at) {
    auto bytes = keystore::read_file(base_ / "orders" / file, kMaxRootCrl);
    ASSERT_TRUE(bytes);
    (*bytes)[at] ^= 1U;
    ASSERT_TRUE(keystore::atomic_write_file(base_ / "orders" / file, *bytes, keystore::kPublicMode));
  }
  static void expect_refused(const Result<Taken>& taken, Errc code, std::string_view why) {
    ASSERT_FALSE(taken) << why;
    EXPECT_EQ(to_string(taken.error().code), to_string(code)) << why << ": " << taken.error().detail;
  }

  fs::path base_;
  crypto::SystemRandom random_;
  TestRoot root_{random_};
  const crypto::Sha256Digest ca_key_ = crypto::sha256(as_bytes("the CA's key"));
  const pki::SerialNumber serial_ = pki::SerialNumber::draw(random_);
  const pki::SerialNumber other_ = pki::SerialNumber::draw(random_);
};

TEST_F(OrderBookTest, RevokesOneCertificateAndRemembersItOverARestart) {
  {
    auto book = opened();
    EXPECT_EQ(book.find(ca_key_, serial_), nullptr);
    EXPECT_EQ(*book.take_order(root_.seal(order(1, serial_))), Taken::taken);
    ASSERT_NE(book.find(ca_key_, serial_), nullptr);
  }
  const auto book = opened();
  ASSERT_NE(book.find(ca_key_, serial_), nullptr);
  EXPECT_EQ(*book.find(ca_key_, serial_), order(1, serial_));
  EXPECT_EQ(book.find(ca_key_, other_), nullptr);
  EXPECT_EQ(book.find(crypto::sha256(as_bytes("another key")), serial_), nullptr) << "the serial under another CA";
}

TEST_F(OrderBookTest, RevokesEverythingBelowACa) {
  auto book = opened();
  ASSERT_TRUE(book.take_order(root_.seal(order(1, std::nullopt))));
  EXPECT_NE(book.find(ca_key_, serial_), nullptr);
  EXPECT_NE(book.find(ca_key_, other_), nullptr);
  EXPECT_EQ(book.find(crypto::sha256(as_bytes("another key")), serial_), nullptr);
  EXPECT_NE(opened().find(ca_key_, other_), nullptr);
}

TEST_F(OrderBookTest, AnOrderThatIsReplayedChangesNothing) {
  auto book = opened();
  const Bytes first = root_.seal(order(1, serial_));
  ASSERT_TRUE(book.take_order(first));
  ASSERT_TRUE(book.take_order(root_.seal(order(2, other_))));
  for (const Bytes& replayed : {first, root_.seal(order(1, serial_))}) {
    EXPECT_EQ(*book.take_order(replayed), Taken::known);
  }
  EXPECT_EQ(files(), 2U);
  EXPECT_EQ(book.orders().size(), 2U);
}

TEST_F(OrderBookTest, ALateOrderIsTakenSinceARevocationNeverComesTooLate) {
  auto book = opened();
  ASSERT_TRUE(book.take_order(root_.seal(order(5, other_))));
  EXPECT_EQ(*book.take_order(root_.seal(order(2, serial_))), Taken::taken);
  EXPECT_NE(book.find(ca_key_, serial_), nullptr);
}

TEST_F(OrderBookTest, TakesNothingButWhatItsRootHasSignedForThisInstallation) {
  auto book = opened();
  TestRoot stranger(random_);
  auto elsewhere = order(1, serial_);
  elsewhere.installation = "Bcme";
  Bytes altered = root_.seal(order(1, serial_));
  altered[altered.size() / 2 + 100] ^= 1U;
  Bytes cut = root_.seal(order(1, serial_));
  cut.pop_back();
  expect_refused(book.take_order(stranger.seal(order(1, serial_))), Errc::unauthorized, "a foreign root");
  expect_refused(book.take_order(root_.seal(elsewhere)), Errc::unauthorized, "another installation");
  EXPECT_FALSE(book.take_order(altered)) << "altered";
  expect_refused(book.take_order(cut), Errc::malformed, "cut");
  expect_refused(book.take_order(Bytes()), Errc::malformed, "empty");
  expect_refused(book.take_order(Bytes(pki::kMaxRootOrderBytes + 1, 1)), Errc::malformed, "too big");
  expect_refused(book.take_order(root_.crl(1)), Errc::malformed, "a CRL");
  EXPECT_TRUE(book.orders().empty());
  EXPECT_EQ(files(), 0U);
}

TEST_F(OrderBookTest, AnotherOrderOfANumberThatIsKnownIsRefused) {
  auto book = opened();
  ASSERT_TRUE(book.take_order(root_.seal(order(1, serial_))));
  expect_refused(book.take_order(root_.seal(order(1, other_))), Errc::conflict, "another certificate");
  EXPECT_EQ(book.find(ca_key_, other_), nullptr);
  EXPECT_NE(book.find(ca_key_, serial_), nullptr);
}

TEST_F(OrderBookTest, IsNotOpenedWithAFileThatIsNotAsItWasKept) {
  const auto kept = [this] {
    auto book = opened();
    ASSERT_TRUE(book.take_order(root_.seal(order(1, serial_))));
    ASSERT_TRUE(book.take_root_crl(root_.crl(2), {}, kBookTime));
  };
  const auto expect_not_opened = [this](std::string_view why) {
    const auto book = open();
    ASSERT_FALSE(book) << why;
    EXPECT_EQ(book.error().code, Errc::malformed) << why << ": " << book.error().detail;
    EXPECT_NE(book.error().detail.find((base_ / "orders").string()), std::string::npos) << book.error().detail;
    fs::remove_all(base_ / "orders");
  };
  kept();
  spoil("order-1.order", root_.seal(order(1, serial_)).size() - 20);
  expect_not_opened("a bit of an order");
  kept();
  fs::rename(base_ / "orders" / "order-1.order", base_ / "orders" / "order-2.order");
  expect_not_opened("an order under another's name");
  kept();
  fs::resize_file(base_ / "orders" / "order-1.order", 10);
  expect_not_opened("half an order");
  kept();
  std::string crl;
  for (const auto& entry : fs::directory_iterator(base_ / "orders")) {
    if (entry.path().extension() == ".crl") crl = entry.path().filename().string();
  }
  spoil(crl, root_.crl(2).size() - 20);
  expect_not_opened("a bit of a CRL");
  kept();
  std::ofstream(base_ / "orders" / "notes.txt") << "hello";
  expect_not_opened("somebody else's file");
}

TEST_F(OrderBookTest, WhatARootOrderedThatIsTrustedNoMoreCountsNoMoreAndHindersNobody) {
  ASSERT_TRUE(opened().take_order(root_.seal(order(1, serial_))));
  ASSERT_TRUE(opened().take_root_crl(root_.crl(2), {}, kBookTime));
  const TestRoot next(random_);
  const auto book = OrderBook::open({.folder = base_ / "orders", .installation = "Acme", .roots = {next.certificate}});
  ASSERT_TRUE(book) << book.error().detail;
  EXPECT_EQ(book->find(ca_key_, serial_), nullptr);
  EXPECT_TRUE(book->root_crls().empty());
  EXPECT_EQ(files(), 2U) << "nothing is thrown away";
}

TEST_F(OrderBookTest, OfTheRootCrlsTheHighestNumberWinsWhereverItCameFrom) {
  auto book = opened();
  const std::vector<Bytes> three{root_.crl(3)};
  ASSERT_EQ(book.newest_root_crls(three).size(), 1U);
  EXPECT_EQ(*book.take_root_crl(root_.crl(5), three, kBookTime), Taken::taken);
  EXPECT_EQ(book.newest_root_crls(three).front().crl().number(), 5U) << "a snapshot with an older one";
  EXPECT_EQ(opened().newest_root_crls(three).front().crl().number(), 5U) << "over a restart";
  EXPECT_EQ(book.newest_root_crls(std::vector<Bytes>{root_.crl(6)}).front().crl().number(), 6U);
}

TEST_F(OrderBookTest, TakesNoRootCrlThatIsNotNewerOrNotTheRoots) {
  auto book = opened();
  TestRoot stranger(random_);
  const std::vector<Bytes> three{root_.crl(3)};
  const Bytes five = root_.crl(5);
  ASSERT_TRUE(book.take_root_crl(five, three, kBookTime));
  EXPECT_EQ(*book.take_root_crl(five, three, kBookTime), Taken::known);
  Bytes altered = root_.crl(7);
  altered[altered.size() - 20] ^= 1U;
  expect_refused(book.take_root_crl(root_.crl(4), three, kBookTime), Errc::conflict,
                 "older than the one that was taken");
  expect_refused(book.take_root_crl(root_.crl(5, {serial_}), three, kBookTime), Errc::conflict,
                 "another of that number");
  expect_refused(book.take_root_crl(root_.crl(6), std::vector<Bytes>{root_.crl(8)}, kBookTime), Errc::conflict,
                 "older than the authority's");
  expect_refused(book.take_root_crl(stranger.crl(9), three, kBookTime), Errc::unauthorized, "a foreign root's");
  expect_refused(book.take_root_crl(altered, three, kBookTime), Errc::unauthorized, "altered");
  expect_refused(book.take_root_crl(root_.crl(9, {}, kBookTime - 100 * kDay), three, kBookTime), Errc::expired,
                 "overdue");
  expect_refused(book.take_root_crl(root_.crl(9, {}, kBookTime + kDay), three, kBookTime), Errc::expired,
                 "of tomorrow");
  expect_refused(book.take_root_crl(root_.seal(order(1, serial_)), three, kBookTime), Errc::malformed, "an order");
  expect_refused(book.take_root_crl(Bytes(kMaxRootCrl + 1), three, kBookTime), Errc::malformed, "too big");
  ASSERT_EQ(book.root_crls().size(), 1U);
  EXPECT_EQ(book.root_crls().front().crl().number(), 5U);
}

}  // namespace
}  // namespace sallyport::status
