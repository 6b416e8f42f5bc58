#include <array>

#include "store/detail/record_database_fixture.h"

namespace sallyport::store {
namespace {

using namespace records;

using CertificateRecordsTest = RecordDatabaseTest;
INSTANTIATE_TEST_SUITE_P(Kinds, CertificateRecordsTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "file" : "memory"; });

const CaName kCa("online-ca");

CertificateRecord certificate(std::uint8_t serial, std::string subject = "abcdefghij") {
  return {.ca = kCa,
          .serial = CertificateSerial({1, serial}),
          .kind = CertificateKind::operational,
          .subject = std::move(subject),
          .spki_sha256 = digest(serial),
          .not_before = UnixTime(100),
          .not_after = UnixTime(200),
          .recorded_at = UnixTime(100 + serial)};
}

RecordDatabase::Work issue(std::uint8_t serial, std::string subject = "abcdefghij") {
  return [=](Records& records) -> Result<void> {
    const auto record = certificate(serial, subject);
    TRY_VOID(records.certificates().record_intent(record));
    return records.certificates().record_issued(kCa, record.serial, as_bytes("der"));
  };
}

TEST_P(CertificateRecordsTest, KeepsACertificateFromIntentToRevocation) {
  const auto serial = certificate(5).serial;
  must_write([&](Records& records) { return records.certificates().record_intent(certificate(5)); });
  EXPECT_EQ(refused([&](Records& records) { return records.certificates().record_intent(certificate(5)); }),
            Errc::conflict);
  EXPECT_EQ(change_number(), 0U) << "snapshots show no intents";
  must_write([&](Records& records) { return records.certificates().record_issued(kCa, serial, as_bytes("der")); });
  EXPECT_EQ(refused([&](Records& records) { return records.certificates().record_issued(kCa, serial, as_bytes("x")); }),
            Errc::not_found);
  EXPECT_EQ(refused([&](Records& records) { return records.certificates().void_intent(kCa, serial); }),
            Errc::not_found);
  must_write([&](Records& records) {
    return records.certificates().revoke(kCa, serial, UnixTime(150), RevocationReason::key_compromise);
  });
  must_write([&](Records& records) {
    return records.certificates().revoke(kCa, serial, UnixTime(160), RevocationReason::superseded);
  });
  read([&](Records& records) -> Result<void> {
    TRY(auto found, records.certificates().find(kCa, serial));
    EXPECT_TRUE(found);
    EXPECT_EQ(found->state, CertificateState::revoked);
    EXPECT_EQ(found->revoked_at, UnixTime(150)) << "the first time and reason stay";
    EXPECT_EQ(found->reason, RevocationReason::key_compromise);
    EXPECT_EQ(as_text(found->der), "der");
    EXPECT_EQ(found->kind, CertificateKind::operational);
    EXPECT_EQ(found->subject, "abcdefghij");
    EXPECT_EQ(found->spki_sha256, digest(5));
    EXPECT_EQ(found->not_before, UnixTime(100));
    EXPECT_EQ(found->not_after, UnixTime(200));
    EXPECT_EQ(found->recorded_at, UnixTime(105));
    TRY(auto absent, records.certificates().find(CaName("web-ca"), serial));
    EXPECT_FALSE(absent) << "serials are per CA";
    return {};
  });
  EXPECT_EQ(change_number(), 2U) << "a second revocation changes nothing";
}

TEST_P(CertificateRecordsTest, RefusesToRevokeWhatWasNeverRecorded) {
  EXPECT_EQ(refused([](Records& records) {
              return records.certificates().revoke(kCa, CertificateSerial({9}), UnixTime(1), {});
            }),
            Errc::not_found);
}

TEST_P(CertificateRecordsTest, RefusesImpossibleSerialsAndIntents) {
  auto record = certificate(1);
  record.serial = CertificateSerial(Bytes(21, 1));
  EXPECT_EQ(refused([&](Records& records) { return records.certificates().record_intent(record); }), Errc::conflict);
  record.serial = CertificateSerial(Bytes());
  EXPECT_FALSE(write([&](Records& records) { return records.certificates().record_intent(record); }));
  auto issued = certificate(1);
  issued.state = CertificateState::issued;
  EXPECT_FALSE(write([&](Records& records) { return records.certificates().record_intent(issued); }));
}

TEST_P(CertificateRecordsTest, TheNewestIsTheOneThatWasRecordedLastWhateverTheClockSaid) {
  must_write([&](Records& records) -> Result<void> {
    for (std::uint8_t serial = 9; serial >= 7; --serial) {
      auto record = certificate(serial);
      record.spki_sha256 = digest(1);
      TRY_VOID(records.certificates().record_intent(record));
      TRY_VOID(records.certificates().record_issued(kCa, record.serial, as_bytes("der")));
    }
    return {};
  });
  read([&](Records& records) -> Result<void> {
    auto& certificates = records.certificates();
    TRY(const auto by_subject, certificates.list_by_subject(CertificateKind::operational, "abcdefghij"));
    TRY(const auto by_key, certificates.list_by_spki(CertificateKind::operational, digest(1)));
    TRY(const auto newest, certificates.find_by_spki(CertificateKind::operational, digest(1)));
    EXPECT_EQ(by_subject.front().serial, certificate(7).serial);
    EXPECT_EQ(by_subject.back().serial, certificate(9).serial);
    EXPECT_EQ(by_key.front().serial, certificate(7).serial);
    EXPECT_EQ(newest->serial, certificate(7).serial);
    return {};
  });
}

TEST_P(CertificateRecordsTest, FindsCertificatesByKeySubjectAndState) {
  for (std::uint8_t serial = 1; serial <= 3; ++serial) must_write(issue(serial));
  must_write([&](Records& records) -> Result<void> {
    auto same_key = certificate(4);
    same_key.spki_sha256 = digest(3);
    TRY_VOID(records.certificates().record_intent(same_key));
    TRY_VOID(records.certificates().record_issued(kCa, same_key.serial, as_bytes("der")));
    TRY_VOID(records.certificates().record_intent(certificate(6)));
    TRY_VOID(records.certificates().record_intent(certificate(7)));
    TRY_VOID(records.certificates().void_intent(kCa, certificate(7).serial));
    return records.certificates().revoke(kCa, certificate(1).serial, UnixTime(1), {});
  });
  read([&](Records& records) -> Result<void> {
    auto& certificates = records.certificates();
    TRY(auto newest, certificates.find_by_spki(CertificateKind::operational, digest(3)));
    EXPECT_EQ(newest->serial, certificate(4).serial);
    TRY(auto revoked, certificates.find_by_spki(CertificateKind::operational, digest(1)));
    EXPECT_FALSE(revoked);
    TRY(auto other_kind, certificates.find_by_spki(CertificateKind::web, digest(3)));
    EXPECT_FALSE(other_kind);
    TRY(auto of_subject, certificates.list_by_subject(CertificateKind::operational, "abcdefghij"));
    EXPECT_EQ(of_subject.size(), 5U) << "all but the void one";
    EXPECT_EQ(of_subject.front().serial, certificate(6).serial);
    EXPECT_EQ(of_subject.back().serial, certificate(1).serial);
    TRY(auto intents, certificates.list_by_state(CertificateState::intent, 10));
    EXPECT_EQ(intents.size(), 1U);
    TRY(auto limited, certificates.list_by_state(CertificateState::issued, 2));
    EXPECT_EQ(limited.size(), 2U);
    TRY(auto count, certificates.count(kCa, CertificateState::issued));
    EXPECT_EQ(count, 3U);
    TRY(auto elsewhere, certificates.count(CaName("web-ca"), CertificateState::issued));
    EXPECT_EQ(elsewhere, 0U);
    return {};
  });
}

TEST_P(CertificateRecordsTest, ListsChangesInOrderAndEachOnceInPortions) {
  for (std::uint8_t serial = 1; serial <= 3; ++serial) must_write(issue(serial));
  const auto before = change_number();
  must_write(
      [&](Records& records) { return records.certificates().revoke(kCa, certificate(2).serial, UnixTime(1), {}); });
  EXPECT_GT(change_number(), before);
  read([&](Records& records) -> Result<void> {
    TRY(auto all, records.certificates().changed_after(0, 10));
    EXPECT_EQ(all.size(), 3U);
    EXPECT_EQ(all.back().serial, certificate(2).serial) << "what changed last comes last";
    TRY(auto since, records.certificates().changed_after(before, 10));
    EXPECT_EQ(since.size(), 1U);
    TRY(auto first, records.certificates().changed_after(0, 1));
    EXPECT_EQ(first.size(), 1U);
    TRY(auto now, records.change_number());
    TRY(auto none, records.certificates().changed_after(now, 10));
    EXPECT_TRUE(none.empty());
    return {};
  });
}

TEST_P(CertificateRecordsTest, UndoesAFailedWorkWholeWithItsChangeNumbers) {
  EXPECT_EQ(refused([](Records& records) -> Result<void> {
              TRY_VOID(issue(1)(records));
              TRY_VOID(records.put_value("x", as_bytes("1")));
              return fail(Errc::unauthorized, "refused at the end");
            }),
            Errc::unauthorized);
  EXPECT_EQ(change_number(), 0U);
  read([&](Records& records) -> Result<void> {
    TRY(auto found, records.certificates().find(kCa, certificate(1).serial));
    EXPECT_FALSE(found);
    TRY(auto value, records.find_value("x"));
    EXPECT_FALSE(value);
    return {};
  });
}

TEST_P(CertificateRecordsTest, VisitsTheCertificatesOfACaInOrderOfRecordingButVoidOnes) {
  for (const auto serial : std::to_array<std::uint8_t>({3, 1, 4, 2})) must_write(issue(serial));
  must_write([](Records& records) { return records.certificates().record_intent(certificate(5)); });
  must_write([](Records& records) -> Result<void> {
    TRY_VOID(records.certificates().void_intent(kCa, certificate(5).serial));
    return records.certificates().revoke(kCa, certificate(1).serial, UnixTime(150), RevocationReason::superseded);
  });
  std::vector<std::uint8_t> order;
  read([&](Records& records) -> Result<void> {
    return records.certificates().visit_of_ca(kCa, [&](const CertificateRecord& record) -> Result<void> {
      EXPECT_TRUE(record.der.empty());
      order.push_back(record.serial.get()[1]);
      return {};
    });
  });
  EXPECT_EQ(order, (std::vector<std::uint8_t>{3, 1, 4, 2}));
}

TEST_P(CertificateRecordsTest, RaisesTheChangeNumberOnDemand) {
  must_write([](Records& records) -> Result<void> {
    TRY_VOID(records.raise_change_number());
    TRY(auto inside, records.change_number());
    EXPECT_EQ(inside, 1U);
    return {};
  });
  EXPECT_EQ(change_number(), 1U);
}

TEST_P(CertificateRecordsTest, VisitsOfEachSubjectTheOneThatLastsLongest) {
  const auto store = [&](std::uint8_t serial, std::string subject, std::int64_t until) {
    must_write([&](Records& records) -> Result<void> {
      auto record = certificate(serial, subject);
      record.not_after = UnixTime(until);
      TRY_VOID(records.certificates().record_intent(record));
      return records.certificates().record_issued(kCa, record.serial, as_bytes("der"));
    });
  };
  store(1, "b", 300);
  store(2, "b", 500);
  store(3, "b", 400);
  store(4, "a", 100);
  store(5, "c", 900);
  must_write([&](Records& records) {
    return records.certificates().revoke(kCa, certificate(5).serial, UnixTime(150), RevocationReason::superseded);
  });
  must_write([&](Records& records) { return records.certificates().record_intent(certificate(6, "d")); });
  std::vector<std::pair<std::string, std::int64_t>> visited;
  read([&](Records& records) {
    return records.certificates().visit_lasting(CertificateKind::operational, [&](const CertificateRecord& record) {
      EXPECT_TRUE(record.subject != "b" || record.serial == certificate(2).serial) << "columns of another row";
      visited.emplace_back(record.subject, record.not_after.since_epoch());
      return Result<void>();
    });
  });
  const std::vector<std::pair<std::string, std::int64_t>> wanted = {{"a", 100}, {"b", 500}};
  EXPECT_EQ(visited, wanted) << "neither what is revoked nor what is only meant";
  read([&](Records& records) {
    return records.certificates().visit_lasting(CertificateKind::web, [](const CertificateRecord&) {
      ADD_FAILURE() << "of another kind";
      return Result<void>();
    });
  });
}

TEST_P(CertificateRecordsTest, CountsThoseThatAreAlive) {
  must_write(issue(1));
  must_write(issue(2));
  must_write(issue(3));
  must_write([&](Records& records) { return records.certificates().record_intent(certificate(4)); });
  must_write([&](Records& records) {
    return records.certificates().revoke(kCa, certificate(3).serial, UnixTime(150), RevocationReason::superseded);
  });
  const auto alive = [&](const CaName& ca, std::int64_t now) {
    std::uint64_t found = 99;
    read([&](Records& records) -> Result<void> {
      TRY(found, records.certificates().count_alive(ca, UnixTime(now)));
      return {};
    });
    return found;
  };
  EXPECT_EQ(alive(kCa, 199), 2U);
  EXPECT_EQ(alive(kCa, 200), 0U) << "at its end it is over";
  EXPECT_EQ(alive(CaName("web-ca"), 150), 0U);
}

TEST_P(CertificateRecordsTest, ChangeNumberRisesAboveWhatIsKnownAndNeverFalls) {
  must_write(issue(1));
  const auto above = [&](std::uint64_t known) {
    must_write([&](Records& records) { return records.raise_change_number_above(known); });
  };
  above(0);
  EXPECT_EQ(change_number(), 1U) << "it is above already";
  above(1);
  EXPECT_EQ(change_number(), 2U);
  above(1'000);
  EXPECT_EQ(change_number(), 1'001U);
  above(5);
  EXPECT_EQ(change_number(), 1'001U);
  must_write(issue(2));
  EXPECT_EQ(change_number(), 1'002U);
}

}  // namespace
}  // namespace sallyport::store
