#include "pki/issue.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "pki/crl.h"
#include "pki/detail/test_tree.h"
#include "pki/ocsp.h"
#include "pki/verify.h"

namespace sallyport::pki {
namespace {

struct LeafCase {
  ProfileId leaf;
  ProfileId ca;
  std::vector<std::string> names;
  std::string common_name;
  Purpose purpose;
};

std::vector<LeafCase> leaf_cases() {
  const DnsName zone = *parse_dns_name("devices.example");
  return {
      {ProfileId::factory_device,
       ProfileId::local_ca,
       {"unit-1.site-7.factory.devices.example"},
       "unit-1",
       FactoryDevicePurpose{zone}},
      {ProfileId::operational_device,
       ProfileId::online_ca,
       {"abcdefghij.devices.example"},
       "unit",
       OperationalDevicePurpose{zone}},
      {ProfileId::web_device,
       ProfileId::web_ca,
       {"abcdefghij.devices.example", "*.abcdefghij.devices.example"},
       "unit",
       WebDevicePurpose{zone}},
      {ProfileId::server,
       ProfileId::server_ca,
       {"gateway.devices.example", "console.example"},
       "gateway",
       ServerPurpose{*parse_dns_name("console.example")}},
      {ProfileId::role, ProfileId::roles_ca, {"relay.internal.devices.example"}, "relay", RolePurpose{zone}},
      {ProfileId::person, ProfileId::people_ca, {}, "anna@example.com", PersonPurpose{zone}},
      {ProfileId::grant_signer, ProfileId::control_ca, {}, "grants", ControlPurpose{ControlKind::grant}},
      {ProfileId::snapshot_signer, ProfileId::control_ca, {}, "snapshots", ControlPurpose{ControlKind::snapshot}},
      {ProfileId::permit_signer, ProfileId::control_ca, {}, "permits", ControlPurpose{ControlKind::permit}},
      {ProfileId::licence_signer, ProfileId::control_ca, {}, "licences", ControlPurpose{ControlKind::licence}},
      {ProfileId::checkpoint_signer, ProfileId::control_ca, {}, "log", ControlPurpose{ControlKind::checkpoint}},
  };
}

TEST(Issue, EveryLeafVerifiesForItsPurposeAndNoOther) {
  TestTree tree;
  const auto cases = leaf_cases();
  const std::array anchors = {tree.root};
  for (const LeafCase& one : cases) {
    SCOPED_TRACE(profile(one.leaf).name);
    const TestCa ca = tree.make_ca(one.ca);
    const TestLeaf leaf = tree.make_leaf(one.leaf, ca, one.names, one.common_name);
    const std::array chain = {leaf.certificate, ca.certificate};
    for (const LeafCase& other : cases) {
      const auto verified = verify_chain(chain, anchors, other.purpose, TimeRule::clock(kTestNow));
      EXPECT_EQ(verified.has_value(), one.leaf == other.leaf) << profile(other.leaf).name;
    }
  }
}

TEST(Issue, TwinsVerifyAsAnchorsOfForeignersAndNeverAsOurs) {
  TestTree tree;
  const TestCa ca = tree.make_ca(ProfileId::server_ca);
  const TestLeaf leaf = tree.make_leaf(ProfileId::server, ca, {"console.example"});
  const Profile& row = profile(ProfileId::server_ca_twin);
  CertificateFields fields =
      tree.fields(row, nullptr, *ca.certificate.subject().common_name(), ca.key->public_key(), {});
  fields.permitted_dns = TestTree::namespaces(ProfileId::server_ca_twin);
  const std::array twin = {TestTree::must(prepare_self_signed(row, fields, kTestNow), *ca.key)};
  const std::array chain = {leaf.certificate};
  const DnsName name = *parse_dns_name("console.example");
  EXPECT_TRUE(verify_chain(chain, twin, ForeignServerPurpose{name}, TimeRule::clock(kTestNow)));
  EXPECT_EQ(verify_chain(chain, twin, ServerPurpose{name}, TimeRule::clock(kTestNow)).error().reason, Reason::policy);
}

TEST(Issue, AnOldRootLeadsOverAPinnedLinkToTheNewOne) {
  TestTree next(2);
  TestTree old(1, next.root.spki_sha256());
  const Profile& row = profile(ProfileId::root_link);
  const CertificateFields fields =
      old.fields(row, &old.root, ca_common_name("root", "test"), next.root_key->public_key(), {});
  const Certificate link = TestTree::must(prepare(row, fields, old.root, kTestNow), *old.root_key);
  const TestCa ca = next.make_ca(ProfileId::server_ca);
  const TestLeaf leaf = next.make_leaf(ProfileId::server, ca, {"console.example"});
  const std::array chain = {leaf.certificate, ca.certificate, link};
  const std::array anchors = {old.root};
  const auto verified =
      verify_chain(chain, anchors, ServerPurpose{*parse_dns_name("console.example")}, TimeRule::clock(kTestNow));
  EXPECT_TRUE(verified) << verified.error().error.detail;
  TestTree unpinned(3);
  EXPECT_EQ(prepare(row, fields, unpinned.root, kTestNow).error().code, Errc::unauthorized);
}

struct Hostile {
  std::string what;
  void (*change)(CertificateFields&);
};

TEST(Issue, FieldsThatBreakTheProfileAreNeverSigned) {
  const std::vector<Hostile> cases = {
      {"another site", [](auto& f) { f.dns_names = {"unit-1.site-8.factory.devices.example"}; }},
      {"a second name", [](auto& f) { f.dns_names.push_back("unit-2.site-7.factory.devices.example"); }},
      {"no name", [](auto& f) { f.dns_names.clear(); }},
      {"a wildcard", [](auto& f) { f.dns_names = {"*.site-7.factory.devices.example"}; }},
      {"a deeper name", [](auto& f) { f.dns_names = {"a.b.site-7.factory.devices.example"}; }},
      {"upper case", [](auto& f) { f.dns_names = {"Unit-1.site-7.factory.devices.example"}; }},
      {"NUL", [](auto& f) { f.dns_names = {std::string("a\0.site-7.factory.devices.example", 34)}; }},
      {"path", [](auto& f) { f.dns_names = {"../a.site-7.factory.devices.example"}; }},
      {"percent", [](auto& f) { f.dns_names = {"%2e.site-7.factory.devices.example"}; }},
      {"newline in the common name", [](auto& f) { f.common_name = "a\nb"; }},
      {"4 kB common name", [](auto& f) { f.common_name = std::string(4'096, 'a'); }},
      {"empty common name", [](auto& f) { f.common_name.clear(); }},
      {"small serial", [](auto& f) { f.serial = *SerialNumber::parse_hex("05"); }},
      {"serial of 20 octets",
       [](auto& f) { f.serial = *SerialNumber::parse_hex("0102030405060708090a0b0c0d0e0f1011121314"); }},
      {"serial with a sign octet",
       [](auto& f) { f.serial = *SerialNumber::parse_hex("00ff0405060708090a0b0c0d0e0f1011"); }},
      {"begins in 1970", [](auto& f) { f.validity.not_before = UnixTime(0); }},
      {"begins tomorrow", [](auto& f) { f.validity.not_before = kTestNow + kDay; }},
      {"reversed", [](auto& f) { f.validity.not_after = f.validity.not_before - seconds(1); }},
      {"ended", [](auto& f) { f.validity.not_after = kTestNow - seconds(1); }},
      {"outlives its CA", [](auto& f) { f.validity.not_after = kNoExpiry; }},
      {"beyond the last year", [](auto& f) { f.validity.not_after = kNoExpiry + seconds(1); }},
      {"before the epoch", [](auto& f) { f.validity.not_before = UnixTime(-1); }},
      {"constraints of a leaf", [](auto& f) { f.permitted_dns = {"devices.example"}; }},
      {"pin of a leaf", [](auto& f) { f.next_root_key = crypto::Sha256Digest{}; }},
      {"https URL", [](auto& f) { f.crl_urls = {"https://status.example/"}; }},
      {"URL with a space", [](auto& f) { f.crl_urls = {"http://status .example/"}; }},
      {"nine URLs", [](auto& f) { f.ocsp_urls.assign(9, "http://a"); }},
      {"nine names", [](auto& f) { f.dns_names.assign(9, "a"); }},
  };
  TestTree tree;
  const TestCa ca = tree.make_ca(ProfileId::local_ca);
  const Profile& row = profile(ProfileId::factory_device);
  const auto key = TestTree::new_key();
  const CertificateFields sound =
      tree.fields(row, &ca.certificate, "unit-1", key->public_key(), {"unit-1.site-7.factory.devices.example"});
  ASSERT_TRUE(prepare(row, sound, ca.certificate, kTestNow));
  for (const Hostile& one : cases) {
    CertificateFields fields = sound;
    one.change(fields);
    EXPECT_FALSE(prepare(row, fields, ca.certificate, kTestNow)) << one.what;
  }
}

TEST(Issue, AnIssuerOfAnotherKindIsRefused) {
  TestTree tree;
  const TestCa web = tree.make_ca(ProfileId::web_ca);
  const TestCa local = tree.make_ca(ProfileId::local_ca);
  const auto key = TestTree::new_key();
  const Profile& server = profile(ProfileId::server);
  const CertificateFields fields =
      tree.fields(server, &web.certificate, "a", key->public_key(), {"gateway.devices.example"});
  EXPECT_FALSE(prepare(server, fields, web.certificate, kTestNow));
  EXPECT_FALSE(prepare(server, fields, tree.root, kTestNow));
  EXPECT_FALSE(prepare_self_signed(server, fields, kTestNow));
  const Profile& ocsp = profile(ProfileId::ocsp_signer);
  const CertificateFields delegate = tree.fields(ocsp, &local.certificate, "a", key->public_key(), {});
  EXPECT_FALSE(prepare(ocsp, delegate, local.certificate, kTestNow)) << "a factory CA tells no status";
  EXPECT_FALSE(prepare(ocsp, delegate, tree.root, kTestNow));
  const Profile& sub = profile(ProfileId::web_ca);
  CertificateFields below = tree.fields(sub, &web.certificate, "a", key->public_key(), {});
  below.permitted_dns = {"devices.example"};
  EXPECT_FALSE(prepare(sub, below, web.certificate, kTestNow)) << "a CA below a CA";
}

TEST(Issue, OnlyTheIssuersKeySigns) {
  TestTree tree;
  const TestCa ca = tree.make_ca(ProfileId::server_ca);
  const auto key = TestTree::new_key();
  const Profile& row = profile(ProfileId::server);
  const CertificateFields fields = tree.fields(row, &ca.certificate, "a", key->public_key(), {"console.example"});
  EXPECT_EQ(issue(*prepare(row, fields, ca.certificate, kTestNow), *key).error().code, Errc::conflict);
}

TEST(Issue, EveryProfileHasItsPlaceInTheTable) {
  for (const Profile& row : all_profiles()) {
    EXPECT_EQ(*parse_profile_id(static_cast<std::uint8_t>(row.id)), row.id);
    if (row.issuer && row.issuer != CaKind::root && !row.from_any_online_ca) {
      const auto& ca_uses = profile(ca_profile_of(*row.issuer)).extended_uses;
      for (const ExtendedUse use : row.extended_uses)
        EXPECT_NE(std::ranges::find(ca_uses, use), ca_uses.end()) << row.name;
    }
  }
  EXPECT_FALSE(parse_profile_id(0));
  EXPECT_FALSE(parse_profile_id(255));
  EXPECT_EQ(*ca_kind_of("local-ca/site-7"), CaKind::local);
  for (const char* bad : {"", "local-ca", "local-ca/", "local-ca/../x", "Root", "server-ca "})
    EXPECT_FALSE(ca_kind_of(bad)) << bad;
}

// What tests/e2e/pki_foreign_peers.py shows to OpenSSL, GnuTLS and NSS.
TEST(ForeignPeers, TheTreeWrittenForThemReadsBack) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "sallyport-pki-tree";
  std::filesystem::create_directories(folder);
  const auto write = [&](const std::string& name, ByteView bytes) {
    std::ofstream(folder / name, std::ios::binary) << as_text(bytes);
    EXPECT_EQ(std::filesystem::file_size(folder / name), bytes.size());
  };
  // The peers judge by the present.
  const UnixTime now = SystemClock().now();
  TestTree tree(1, std::nullopt, now);
  write("root.der", tree.root.der());
  for (const LeafCase& one : leaf_cases()) {
    const TestCa ca = tree.make_ca(one.ca);
    const TestLeaf leaf = tree.make_leaf(one.leaf, ca, one.names, one.common_name);
    const std::string name(profile(one.leaf).name);
    write(name + ".der", leaf.certificate.der());
    write(name + ".ca.der", ca.certificate.der());
    if (one.leaf != ProfileId::server) continue;
    const CrlFields fields{
        .number = 9,
        .this_update = now,
        .next_update = now + kDay * 90,
        .delta_base = std::nullopt,
        .entries = {
            {.serial = leaf.certificate.serial(), .reason = RevocationReason::key_compromise, .revoked_at = now}}};
    write("server.crl", *build_crl(ca.certificate, fields, *ca.key));
    const TestLeaf delegate = tree.make_leaf(ProfileId::ocsp_signer, ca, {});
    const OcspAnswer answer{
        .responses = {{.id = make_cert_id(CertIdHash::sha1, ca.certificate, leaf.certificate.serial()),
                       .status = GoodStatus{},
                       .this_update = now,
                       .next_update = now + kDay * 90,
                       .crl_number = 9}},
        .produced_at = now,
        .nonce = Bytes(32, 3)};
    write("server.ocsp", *build_ocsp_response(answer, *delegate.key, &delegate.certificate));
  }
}

}  // namespace
}  // namespace sallyport::pki
