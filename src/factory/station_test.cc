#include "factory/station.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <set>

#include "codec/pem.h"
#include "factory/detail/test_site.h"
#include "keystore/file.h"

namespace sallyport::factory {
namespace {

// A station whose CA key is the one that TestSite signs for.
class StationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sallyport-station-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    base_ = name;
    const auto state = *keystore::StateFolder::open_or_create(path(), kFactoryFormat);
    const auto made = initialise_station(state, {.site = SiteName("acme"), .zone = site_.zone}, site_.random);
    ASSERT_TRUE(made) << made.error().detail;
    const auto secret = *keystore::MachineSecret::open(path() / "secret");
    auto key = *secret.read_key(path() / "ca.key");
    site_.ca = site_.site_ca(key.public_key(), site_.name_space.get());
  }
  void TearDown() override { std::filesystem::remove_all(base_); }

  std::filesystem::path path() const { return base_ / "station"; }
  Station opened() {
    auto station = Station::open(*keystore::StateFolder::open(path(), kFactoryFormat), clock_, site_.random);
    EXPECT_TRUE(station) << station.error().detail;
    return *std::move(station);
  }
  Commissioning papers(const pki::SitePermit& permit) {
    return {.permit = site_.seal(permit), .ca_pem = TestSite::pem(site_.ca), .root_pem = TestSite::pem(site_.root)};
  }
  Station commissioned(std::uint64_t count = 10) {
    auto station = opened();
    const auto permit = station.commission(papers(site_.permit(1, count)));
    EXPECT_TRUE(permit) << permit.error().detail;
    return station;
  }
  static pki::CertificateRequest request(crypto::PrivateKey& key, const std::string& name,
                                         const std::vector<std::string>& dns = {}) {
    return *pki::parse_csr(*pki::build_csr(key, *pki::DistinguishedName::of(name), dns));
  }
  // Issues for a new key.
  static Result<Issued> issue(Station& station, const std::string& id) {
    auto key = crypto::PrivateKey::generate();
    return station.issue(request(key, id), std::nullopt);
  }
  static Errc refusal(const Result<Issued>& issued) {
    EXPECT_FALSE(issued);
    return issued ? Errc::internal : issued.error().code;
  }

  std::filesystem::path base_;
  TestSite site_;
  ManualClock clock_{kTestNow};
};

TEST_F(StationTest, AsksTheRootForItsCaAndSaysForWhichZone) {
  const auto pem = keystore::read_file(path() / "to-root" / "local-ca-acme.csr", 4'096);
  ASSERT_TRUE(pem);
  EXPECT_TRUE(pki::parse_csr(*codec::parse_single_pem(as_text(*pem), "CERTIFICATE REQUEST")));
  EXPECT_EQ(as_text(*keystore::read_file(path() / "to-root" / "request.toml", 4'096)),
            "site = \"acme\"\nzone = \"devices.example\"\n");
}

TEST_F(StationTest, InitialisingAgainChangesNothingAndAnotherSiteIsRefused) {
  const auto before = *keystore::read_file(path() / "ca.key", 4'096);
  const auto state = *keystore::StateFolder::open_or_create(path(), kFactoryFormat);
  EXPECT_TRUE(initialise_station(state, {.site = SiteName("acme"), .zone = site_.zone}, site_.random));
  EXPECT_EQ(*keystore::read_file(path() / "ca.key", 4'096), before);
  const auto other = initialise_station(state, {.site = SiteName("other"), .zone = site_.zone}, site_.random);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::conflict);
}

TEST_F(StationTest, IssuesACertificateThatHoldsTheFactoryProfile) {
  auto station = commissioned();
  const auto issued = issue(station, "m-0001");
  ASSERT_TRUE(issued) << issued.error().detail;
  const auto certificate = *pki::parse_certificate(issued->certificate);
  EXPECT_TRUE(pki::lint(pki::profile(pki::ProfileId::factory_device), certificate, &site_.ca));
  EXPECT_EQ(certificate.extensions().alternative_names->dns,
            std::vector<std::string>{"m-0001.acme.factory.devices.example"});
  const std::array chain{certificate, site_.ca};
  const std::array anchors{site_.root};
  const auto verified =
      pki::verify_chain(chain, anchors, pki::FactoryDevicePurpose{site_.zone}, pki::TimeRule::clock(kTestNow));
  ASSERT_TRUE(verified) << verified.error().error.detail;
  EXPECT_EQ(verified->identity_as<pki::FactoryIdentity>().serial_id.get(), "m-0001");
}

TEST_F(StationTest, IssuesNothingWithoutAPermit) {
  auto station = opened();
  EXPECT_EQ(refusal(issue(station, "m-1")), Errc::unauthorized);
  EXPECT_FALSE(station.export_ledger(0));
}

TEST_F(StationTest, TheSameRequestAgainIsTheSameCertificate) {
  auto station = commissioned();
  auto key = crypto::PrivateKey::generate();
  const auto first = station.issue(request(key, "m-1"), std::nullopt);
  const auto again = station.issue(request(key, "m-1"), std::nullopt);
  ASSERT_TRUE(first && again);
  EXPECT_EQ(*first, *again);
  EXPECT_EQ(station.ledger().head().sequence, 1U);
}

TEST_F(StationTest, RefusesASerialIdOrAKeyForTheSecondTime) {
  auto station = commissioned();
  auto key = crypto::PrivateKey::generate();
  ASSERT_TRUE(station.issue(request(key, "m-1"), std::nullopt));
  EXPECT_EQ(refusal(issue(station, "m-1")), Errc::conflict);
  EXPECT_EQ(refusal(station.issue(request(key, "m-2"), std::nullopt)), Errc::conflict);
  EXPECT_EQ(station.ledger().head().sequence, 1U);
}

TEST_F(StationTest, RefusesNamesOutsideItsNamespace) {
  auto station = commissioned();
  auto key = crypto::PrivateKey::generate();
  const std::vector<std::vector<std::string>> foreign{
      {"m-1.other.factory.devices.example"},
      {"m-1.acme.factory.devices.attacker"},
      {"a.b.acme.factory.devices.example"},
      {"*.acme.factory.devices.example"},
      {"acme.factory.devices.example"},
      {"gateway.devices.example"},
      {"m-1.acme.factory.devices.example", "gateway.devices.example"},
  };
  for (const auto& names : foreign) {
    const auto issued = station.issue(request(key, "m-1", names), std::nullopt);
    ASSERT_FALSE(issued) << names.front();
    EXPECT_TRUE(issued.error().code == Errc::unauthorized || issued.error().code == Errc::malformed)
        << issued.error().detail;
  }
  EXPECT_EQ(refusal(station.issue(request(key, "x", {"m-1.acme.factory.devices.example"}), SerialId("m-2"))),
            Errc::unauthorized);
  EXPECT_EQ(refusal(station.issue(request(key, "Not An Id"), std::nullopt)), Errc::malformed);
  EXPECT_EQ(station.ledger().head().sequence, 0U);
  EXPECT_TRUE(station.issue(request(key, "whatever", {"m-1.acme.factory.devices.example"}), std::nullopt));
}

TEST_F(StationTest, StaysWithinThePermitsCount) {
  auto station = commissioned(2);
  ASSERT_TRUE(issue(station, "m-1"));
  ASSERT_TRUE(issue(station, "m-2"));
  EXPECT_EQ(refusal(issue(station, "m-3")), Errc::overloaded);
  ASSERT_TRUE(station.commission(papers(site_.permit(2, 3))));
  EXPECT_TRUE(issue(station, "m-3"));
  EXPECT_EQ(refusal(issue(station, "m-4")), Errc::overloaded);
}

TEST_F(StationTest, StaysWithinThePermitsTimeAndPrefix) {
  auto permit = site_.permit();
  permit.serial_prefix = "m-";
  auto station = opened();
  ASSERT_TRUE(station.commission(papers(permit)));
  EXPECT_EQ(refusal(issue(station, "x-1")), Errc::unauthorized);
  ASSERT_TRUE(issue(station, "m-1"));
  clock_.advance(31 * kDay);
  EXPECT_EQ(refusal(issue(station, "m-2")), Errc::expired);
}

TEST_F(StationTest, RefusesToIssueWhenTheClockWentBack) {
  auto station = commissioned();
  clock_.advance(kDay);
  ASSERT_TRUE(issue(station, "m-1"));
  ManualClock earlier(kTestNow + seconds(60));
  {
    auto moved = std::move(station);
  }
  auto again = Station::open(*keystore::StateFolder::open(path(), kFactoryFormat), earlier, site_.random);
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(refusal(issue(*again, "m-2")), Errc::conflict);
}

TEST_F(StationTest, InstallsOnlyPapersOfItsOwnRootSiteAndKey) {
  auto station = opened();
  TestSite foreign;
  const auto good = papers(site_.permit());
  const auto refused = [&](const Commissioning& bad) { return !station.commission(bad); };

  auto foreign_permit = good;
  foreign_permit.permit = foreign.seal(foreign.permit());
  EXPECT_TRUE(refused(foreign_permit)) << "a permit of another installation";
  auto foreign_root = good;
  foreign_root.root_pem = TestSite::pem(foreign.root);
  EXPECT_TRUE(refused(foreign_root));
  auto other_key = good;
  other_key.ca_pem = TestSite::pem(site_.site_ca(foreign.site_key.public_key(), site_.name_space.get()));
  EXPECT_TRUE(refused(other_key)) << "a CA certificate for another key";
  auto other_space = good;
  const auto secret = *keystore::MachineSecret::open(path() / "secret");
  other_space.ca_pem =
      TestSite::pem(site_.site_ca(secret.read_key(path() / "ca.key")->public_key(), "factory.devices.example"));
  EXPECT_TRUE(refused(other_space)) << "a CA certificate for a wider namespace";
  auto other_site = site_.permit();
  other_site.site = SiteName("other");
  other_site.name_space = DnsName("other.factory.devices.example");
  EXPECT_TRUE(refused(papers(other_site)));
  auto ended = site_.permit();
  ended.not_before = kTestNow - 30 * kDay;
  ended.not_after = kTestNow - kDay;
  EXPECT_TRUE(refused(papers(ended)));
  auto garbage = good;
  garbage.permit = to_bytes(as_bytes("permit"));
  EXPECT_TRUE(refused(garbage));
  EXPECT_EQ(refusal(issue(station, "m-1")), Errc::unauthorized) << "nothing was installed";
  EXPECT_TRUE(station.commission(good));
}

TEST_F(StationTest, AnOlderPermitDoesNotReplaceANewerOne) {
  auto station = opened();
  ASSERT_TRUE(station.commission(papers(site_.permit(2, 1))));
  const auto rolled_back = station.commission(papers(site_.permit(1, 1'000)));
  ASSERT_FALSE(rolled_back);
  EXPECT_EQ(rolled_back.error().code, Errc::conflict);
  EXPECT_EQ(station.status().permit->number, 2U);
}

TEST_F(StationTest, KeepsThePermitWhenItsSignersCertificateHasEnded) {
  static_cast<void>(commissioned());
  clock_.advance(3'650 * kDay);
  const auto station = opened();
  EXPECT_TRUE(station.status().permit);
}

TEST_F(StationTest, ExportsALedgerThatTheAuthorityAccepts) {
  auto station = commissioned();
  for (const char* id : {"m-1", "m-2", "m-3"}) ASSERT_TRUE(issue(station, id));
  const auto exported = station.export_ledger(0);
  ASSERT_TRUE(exported) << exported.error().detail;
  const auto parsed = pki::parse_ledger_export(pki::encode_ledger_export(*exported));
  ASSERT_TRUE(parsed);
  const auto permit = site_.permit();
  const auto accepted =
      pki::verify_ledger(*parsed, {.site_ca = site_.ca, .permit = permit, .accepted = {}, .is_known = {}});
  ASSERT_TRUE(accepted) << accepted.error().error.detail;
  EXPECT_EQ(accepted->head, station.ledger().head());
  const auto rest = station.export_ledger(2);
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->entries.front().sequence, 3U);
  EXPECT_FALSE(station.export_ledger(3));
}

// Issues in a child whose files may grow to `room` octets, so that the disk is "full" at a point of its own in each
// run, and tells what it was handed: the exit status is the number of certificates.
int issue_until_full(const std::function<int(std::size_t)>& issue_two, rlim_t room) {
  const pid_t child = ::fork();
  if (child == 0) {
    static_cast<void>(std::signal(SIGXFSZ, SIG_IGN));
    const rlimit limit{.rlim_cur = room, .rlim_max = room};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(99);
    ::_exit(issue_two(2));
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

TEST_F(StationTest, WhereverTheDiskIsFullNoCertificateLeavesWithoutItsRecord) {
  {
    static_cast<void>(commissioned());
  }
  const auto before = std::filesystem::file_size(path() / "ledger.bin");
  const std::uint64_t per_certificate = 2'200;
  std::set<int> seen;
  for (rlim_t room = before; room < before + 2 * per_certificate; room += 61) {
    std::filesystem::resize_file(path() / "ledger.bin", before);
    const int handed_out = issue_until_full(
        [&](std::size_t count) {
          auto station = Station::open(*keystore::StateFolder::open(path(), kFactoryFormat), clock_, site_.random);
          if (!station) return 98;
          int good = 0;
          for (std::size_t i = 0; i < count; ++i) good += issue(*station, "m-" + std::to_string(i)) ? 1 : 0;
          return good;
        },
        room);
    ASSERT_LE(handed_out, 2) << room;
    seen.insert(handed_out);
    auto station = opened();
    ASSERT_EQ(station.ledger().head().sequence, static_cast<std::uint64_t>(handed_out)) << room;
    ASSERT_TRUE(issue(station, "m-9")) << room;
  }
  EXPECT_EQ(seen, (std::set<int>{0, 1, 2}));
}

}  // namespace
}  // namespace sallyport::factory
