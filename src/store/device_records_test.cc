#include <atomic>
#include <thread>

#include "store/detail/record_database_fixture.h"

namespace sallyport::store {
namespace {

using namespace records;

using DeviceRecordsTest = RecordDatabaseTest;
INSTANTIATE_TEST_SUITE_P(Kinds, DeviceRecordsTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "file" : "memory"; });

DeviceRecord device(std::string serial_id, std::string site = "plant") {
  DeviceRecord record;
  record.serial_id = SerialId(std::move(serial_id));
  record.site = SiteName(std::move(site));
  record.factory_spki_sha256 = digest(7);
  record.factory_serial = CertificateSerial({1, 2, 3});
  record.created = UnixTime(10);
  return record;
}

TEST_P(DeviceRecordsTest, KeepsEveryFieldOfADevice) {
  auto record = device("sn-1");
  must_write([&](Records& records) { return records.devices().add(record); });
  read([&](Records& records) -> Result<void> {
    TRY(auto found, records.devices().find(record.site, record.serial_id));
    EXPECT_TRUE(found);
    EXPECT_FALSE(found->name || found->enrolled_spki_sha256 || found->claim_hash || found->connected_at);
    EXPECT_EQ(found->state, DeviceState::manufactured);
    return {};
  });
  record.state = DeviceState::claimed;
  record.name = DeviceName("abcdefghij");
  record.enrolled_spki_sha256 = digest(8);
  record.tenant = "acme";
  record.alias = "Presse 4 – Süd";
  record.remote_access = true;
  record.claim_hash = digest(9);
  record.alarms = 3;
  record.void_claim_hash = digest(10);
  record.freeze_on_alarm = true;
  record.renew_asked = UnixTime(13);
  record.connected_at = UnixTime(11);
  record.claimed_at = UnixTime(12);
  must_write([&](Records& records) { return records.devices().update(record); });
  read([&](Records& records) -> Result<void> {
    TRY(auto found, records.devices().find_by_name(*record.name));
    EXPECT_TRUE(found);
    EXPECT_EQ(found->serial_id, record.serial_id);
    EXPECT_EQ(found->site, record.site);
    EXPECT_EQ(found->state, DeviceState::claimed);
    EXPECT_EQ(found->factory_spki_sha256, digest(7));
    EXPECT_EQ(found->factory_serial, record.factory_serial);
    EXPECT_EQ(found->enrolled_spki_sha256, digest(8));
    EXPECT_EQ(found->tenant, "acme");
    EXPECT_EQ(found->alias, record.alias);
    EXPECT_TRUE(found->remote_access);
    EXPECT_EQ(found->claim_hash, digest(9));
    EXPECT_EQ(found->alarms, 3U);
    EXPECT_EQ(found->void_claim_hash, digest(10));
    EXPECT_TRUE(found->freeze_on_alarm);
    EXPECT_EQ(found->renew_asked, UnixTime(13));
    EXPECT_EQ(found->created, UnixTime(10));
    EXPECT_EQ(found->connected_at, UnixTime(11));
    EXPECT_EQ(found->claimed_at, UnixTime(12));
    return {};
  });
}

TEST_P(DeviceRecordsTest, RefusesDevicesThatContradict) {
  auto first = device("sn-1");
  first.name = DeviceName("abcdefghij");
  must_write([&](Records& records) { return records.devices().add(first); });
  must_write([&](Records& records) { return records.devices().add(device("sn-2")); });
  EXPECT_EQ(refused([&](Records& records) { return records.devices().add(device("sn-1")); }), Errc::conflict);
  EXPECT_EQ(refused([&](Records& records) { return records.devices().update(device("sn-9")); }), Errc::not_found);
  auto second = device("sn-2");
  second.name = first.name;
  EXPECT_EQ(refused([&](Records& records) { return records.devices().update(second); }), Errc::conflict);
  auto renamed = first;
  renamed.name = DeviceName("zzzzzzzzzz");
  EXPECT_EQ(refused([&](Records& records) { return records.devices().update(renamed); }), Errc::conflict);
  renamed.name.reset();
  EXPECT_EQ(refused([&](Records& records) { return records.devices().update(renamed); }), Errc::conflict);
  auto talkative = first;
  talkative.alias = std::string(kMaxAliasLength + 1, 'x');
  EXPECT_EQ(refused([&](Records& records) { return records.devices().update(talkative); }), Errc::malformed);
}

TEST_P(DeviceRecordsTest, ListsDevicesInPortionsOfTenantsAndChanges) {
  must_write([](Records& records) -> Result<void> {
    for (const char* site : {"b", "a"}) {
      for (const char* serial_id : {"3", "1", "2"}) {
        auto record = device(serial_id, site);
        record.tenant = serial_id == std::string_view("2") ? "acme" : "";
        record.state = serial_id == std::string_view("1") ? DeviceState::connected : DeviceState::manufactured;
        TRY_VOID(records.devices().add(record));
      }
    }
    return {};
  });
  const auto before = change_number();
  must_write([](Records& records) -> Result<void> {
    TRY(auto found, records.devices().find(SiteName("a"), SerialId("3")));
    found->name = DeviceName("abcdefghij");
    return records.devices().update(*found);
  });
  read([&](Records& records) -> Result<void> {
    std::string seen;
    std::optional<DeviceRecord> last;
    while (true) {
      TRY(auto portion, records.devices().list("", 4, last));
      if (portion.empty()) break;
      for (const auto& found : portion) seen += found.site.get() + found.serial_id.get() + " ";
      last = portion.back();
    }
    EXPECT_EQ(seen, "a1 a2 a3 b1 b2 b3 ");
    TRY(auto of_tenant, records.devices().list("acme", 10, std::nullopt));
    EXPECT_EQ(of_tenant.size(), 2U);
    TRY(auto of_nobody, records.devices().list("nobody", 10, std::nullopt));
    EXPECT_TRUE(of_nobody.empty());
    TRY(auto same_id, records.devices().find_by_serial_id(SerialId("1")));
    EXPECT_EQ(same_id.size(), 2U);
    TRY(auto connected, records.devices().count(SiteName("a"), DeviceState::connected));
    EXPECT_EQ(connected, 1U);
    TRY(auto changed, records.devices().changed_after(before, 10));
    EXPECT_EQ(changed.size(), 1U);
    TRY(auto named, records.devices().changed_after(0, 10));
    EXPECT_EQ(named.size(), 1U) << "devices without a name are in no snapshot";
    return {};
  });
}

TEST_P(DeviceRecordsTest, KeepsSites) {
  SiteRecord site{.name = SiteName("plant"),
                  .ca_certificate = to_bytes(std::string_view("ca")),
                  .permit = {},
                  .permitted = 1'000,
                  .activation_quota = 900,
                  .enrolled = 3,
                  .ledger_sequence = 4,
                  .ledger_head = digest(4),
                  .kept_until = 3,
                  .created = UnixTime(5)};
  must_write([&](Records& records) { return records.sites().add(site); });
  EXPECT_EQ(refused([&](Records& records) { return records.sites().add(site); }), Errc::conflict);
  site.state = SiteState::disabled;
  site.permit = to_bytes(std::string_view("permit"));
  must_write([&](Records& records) { return records.sites().update(site); });
  EXPECT_EQ(refused([](Records& records) { return records.sites().update({.name = SiteName("x")}); }), Errc::not_found);
  read([&](Records& records) -> Result<void> {
    TRY(auto found, records.sites().find(site.name));
    EXPECT_TRUE(found);
    EXPECT_EQ(found->state, SiteState::disabled);
    EXPECT_EQ(found->permit, site.permit);
    EXPECT_EQ(found->ca_certificate, site.ca_certificate);
    EXPECT_EQ(found->permitted, 1'000U);
    EXPECT_EQ(found->activation_quota, 900U);
    EXPECT_EQ(found->enrolled, 3U);
    EXPECT_EQ(found->ledger_sequence, 4U);
    EXPECT_EQ(found->ledger_head, digest(4));
    EXPECT_EQ(found->kept_until, 3U);
    TRY(auto all, records.sites().list());
    EXPECT_EQ(all.size(), 1U);
    return {};
  });
}

// Parallel takers of the last one of a quota (docs/threat-model.md, P4).
TEST_P(DeviceRecordsTest, GivesTheLastOneOfAQuotaOnce) {
  must_write([](Records& records) { return records.sites().add({.name = SiteName("plant"), .activation_quota = 7}); });
  std::atomic<int> taken = 0;
  std::atomic<int> refusals = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          const auto result = write([](Records& records) -> Result<void> {
            TRY(auto site, records.sites().find(SiteName("plant")));
            if (site->enrolled >= site->activation_quota) return fail(Errc::unauthorized, "quota");
            ++site->enrolled;
            return records.sites().update(*site);
          });
          ++(result ? taken : refusals);
        }
      });
    }
  }
  EXPECT_EQ(taken, 7);
  EXPECT_EQ(refusals, 193);
}

}  // namespace
}  // namespace sallyport::store
