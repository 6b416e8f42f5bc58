#include <gtest/gtest.h>

#include "records/role_messages.h"
#include "records/snapshot.h"

namespace sallyport::records {
namespace {

SnapshotUpdate full_update() {
  SnapshotUpdate update;
  update.number = 7;
  update.issued_at = UnixTime(1'800'000'000);
  update.cas = {{CaName("online-ca"), Bytes{1}}, {CaName("local-ca/site-07"), Bytes{2}}};
  update.root_crl = Bytes{9, 9};
  update.certificates = {{CaName("online-ca"), CertificateSerial(Bytes{1, 2}), CertificateKind::operational,
                          "abcdefgh22", UnixTime(1'900'000'000), std::nullopt, RevocationReason::unspecified},
                         {CaName("local-ca/site-07"), CertificateSerial(Bytes{1, 2}), CertificateKind::factory,
                          "p1.site-07", kNoExpiry, UnixTime(1'800'000'001), RevocationReason::superseded}};
  update.devices = {{DeviceName("abcdefgh22"), DeviceState::claimed, true}};
  return update;
}

TEST(Snapshot, UpdateSurvivesItsEncoding) {
  const SnapshotUpdate update = full_update();
  const auto parsed = parse_snapshot_update(encode_snapshot_update(update));
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(encode_snapshot_update(*parsed), encode_snapshot_update(update));
  EXPECT_EQ(parsed->certificates[1].revoked_at, UnixTime(1'800'000'001));
}

TEST(Snapshot, TheCrlsOfSeveralRootsTravelTheNewestFirst) {
  SnapshotUpdate update = full_update();
  update.older_root_crls = {Bytes{8}, Bytes{7}};
  const auto parsed = parse_snapshot_update(encode_snapshot_update(update));
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(parsed->root_crl, update.root_crl);
  EXPECT_EQ(parsed->older_root_crls, update.older_root_crls);
  SnapshotState state;
  ASSERT_TRUE(state.apply(*parsed));
  EXPECT_EQ(state.root_crls(), (std::vector<Bytes>{Bytes{9, 9}, Bytes{8}, Bytes{7}}));
  update.number = 8;
  update.older_root_crls.pop_back();
  const auto change = state.apply(update);
  ASSERT_TRUE(change);
  EXPECT_TRUE(change->authorities);
}

TEST(Snapshot, MoreRootCrlsThanRootsMayBeAreRefused) {
  SnapshotUpdate update = full_update();
  update.older_root_crls.assign(kMaxRootCrls, Bytes{1});
  EXPECT_FALSE(parse_snapshot_update(encode_snapshot_update(update)));
}

TEST(CaNames, AnOlderCaIsToldFromItsSuccessorAndStillOneOfItsName) {
  const CaName older = older_ca_name("online-ca", "1f");
  EXPECT_EQ(older, CaName("online-ca@1f"));
  EXPECT_TRUE(is_older(older));
  EXPECT_FALSE(is_older(CaName("online-ca")));
  EXPECT_EQ(base_name(older), CaName("online-ca"));
  EXPECT_EQ(base_name(CaName("local-ca/site-07")), CaName("local-ca/site-07"));
  EXPECT_FALSE(site_of(older));
}

TEST(Snapshot, EveryTruncationIsRefused) {
  const Bytes whole = encode_snapshot_update(full_update());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto parsed = parse_snapshot_update(ByteView(whole).first(length));
    if (parsed) {
      EXPECT_NE(encode_snapshot_update(*parsed), whole);
    }
  }
}

TEST(SnapshotState, SameSerialOfAnotherCaIsAnotherCertificate) {
  SnapshotState state;
  ASSERT_TRUE(state.apply(full_update()));
  const CertificateSerial serial(Bytes{1, 2});
  EXPECT_FALSE(state.find_certificate(CaName("online-ca"), serial)->revoked_at);
  EXPECT_TRUE(state.find_certificate(CaName("local-ca/site-07"), serial)->revoked_at);
  EXPECT_FALSE(state.find_certificate(CaName("web-ca"), serial));
}

TEST(SnapshotState, RefusesToGoBackAndToSkip) {
  SnapshotState state;
  ASSERT_TRUE(state.apply(full_update()));
  SnapshotUpdate older = full_update();
  older.number = 6;
  EXPECT_EQ(state.apply(older).error().code, Errc::conflict);
  SnapshotUpdate gap = full_update();
  gap.number = 10;
  gap.base = 9;
  EXPECT_EQ(state.apply(gap).error().code, Errc::conflict);
  EXPECT_EQ(state.number(), 7U);
  SnapshotUpdate change = full_update();
  change.number = 8;
  change.base = 7;
  change.certificates.clear();
  change.devices[0].remote_access = false;
  ASSERT_TRUE(state.apply(change));
  EXPECT_FALSE(state.find_device(DeviceName("abcdefgh22"))->remote_access);
  EXPECT_EQ(state.certificate_count(), 2U);
}

TEST(RoleMessages, SurviveTheirEncoding) {
  Presence presence;
  presence.device = DeviceName("abcdefgh22");
  presence.online = true;
  presence.services = {{ServiceName("web"), "http"}};
  const auto parsed = parse_presence(encode(presence));
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(encode(*parsed), encode(presence));

  const AdminRequest request{"device.list", "ann", UserRole::owner, "", "127.0.0.1", "r1", "{\"limit\":10}"};
  const auto admin = parse_admin_request(encode(request));
  ASSERT_TRUE(admin) << admin.error().detail;
  EXPECT_EQ(admin->parameters, request.parameters);

  const EnrolRequest enrol{Bytes{1}, {Bytes{2}, Bytes{3}}, Bytes{4}, "192.0.2.1"};
  const auto parsed_enrol = parse_enrol_request(encode(enrol));
  ASSERT_TRUE(parsed_enrol);
  EXPECT_EQ(parsed_enrol->client_chain.size(), 2U);
}

TEST(RoleMessages, RefuseTrailingFieldsAndUnknownRoles) {
  Bytes bytes = encode(Subscribe{"relay", 1, 2});
  bytes.push_back(0);
  EXPECT_FALSE(parse_subscribe(bytes));
  AdminRequest request{"device.list", "ann", UserRole::owner, "", "", "", "{}"};
  request.role = static_cast<UserRole>(9);
  EXPECT_FALSE(parse_admin_request(encode(request)));
}

}  // namespace
}  // namespace sallyport::records
