#include "store/detail/record_tables.h"

namespace sallyport::store {
namespace {

using records::DeviceRecord;
using records::DeviceState;

#define DEVICE_COLUMNS                                                                                       \
  "site, serial_id, state, factory_spki_sha256, factory_serial, name, enrolled_spki_sha256, tenant, alias, " \
  "remote_access, claim_hash, alarms, created, connected_at, claimed_at, void_claim_hash, freeze_on_alarm, " \
  "renew_asked"

Result<std::optional<records::Digest>> optional_digest(const Query& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  TRY(auto digest, row.array<32>(column));
  return std::optional(digest);
}

Result<DeviceRecord> read_device(const Query& row) {
  DeviceRecord device{.serial_id = SerialId(row.text(1)),
                      .site = SiteName(row.text(0)),
                      .state = static_cast<DeviceState>(row.integer(2)),
                      .factory_serial = records::CertificateSerial(row.bytes(4)),
                      .tenant = row.text(7),
                      .alias = row.text(8),
                      .remote_access = row.boolean(9),
                      .alarms = static_cast<std::uint32_t>(row.integer(11)),
                      .created = row.time(12),
                      .connected_at = row.optional_time(13),
                      .claimed_at = row.optional_time(14)};
  device.freeze_on_alarm = row.boolean(16);
  device.renew_asked = row.optional_time(17);
  TRY(device.factory_spki_sha256, row.array<32>(3));
  if (!row.is_null(5)) device.name = DeviceName(row.text(5));
  TRY(device.enrolled_spki_sha256, optional_digest(row, 6));
  TRY(device.claim_hash, optional_digest(row, 10));
  TRY(device.void_claim_hash, optional_digest(row, 15));
  return device;
}

// What a contradiction means here; other errors as they are.
Result<void> explained(Result<std::uint64_t> changed, std::string_view conflict) {
  if (changed) return {};
  Error error = std::move(changed).error();
  return std::unexpected(error.code == Errc::conflict ? std::move(error).at(conflict) : std::move(error));
}

Result<void> check_alias(const DeviceRecord& device) {
  if (device.alias.size() <= records::kMaxAliasLength) return {};
  return failf(Errc::malformed, "device: alias of {} bytes, want at most {}", device.alias.size(),
               records::kMaxAliasLength);
}

}  // namespace

Result<void> DeviceTable::add(const DeviceRecord& device) {
  TRY_VOID(check_alias(device));
  TRY(auto number, changes_.next());
  auto inserted =
      database_.run("INSERT INTO device(" DEVICE_COLUMNS
                    ", changed) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
                    "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
                    device.site, device.serial_id, device.state, device.factory_spki_sha256, device.factory_serial,
                    device.name, device.enrolled_spki_sha256, device.tenant, device.alias, device.remote_access,
                    device.claim_hash, device.alarms, device.created, device.connected_at, device.claimed_at,
                    device.void_claim_hash, device.freeze_on_alarm, device.renew_asked, number);
  return explained(std::move(inserted), "device: the serial id or the name is taken");
}

Result<void> DeviceTable::update(const DeviceRecord& device) {
  TRY_VOID(check_alias(device));
  TRY(auto present, find(device.site, device.serial_id));
  if (!present) return fail(Errc::not_found, "device: the site has no such serial id");
  if (present->name && present->name != device.name) return fail(Errc::conflict, "device: a name is never changed");
  TRY(auto number, changes_.next());
  auto updated = database_.run(
      "UPDATE device SET state = ?3, factory_spki_sha256 = ?4, factory_serial = ?5, name = ?6, enrolled_spki_sha256 = "
      "?7, "
      "tenant = ?8, alias = ?9, remote_access = ?10, claim_hash = ?11, alarms = ?12, created = ?13, connected_at = "
      "?14, "
      "claimed_at = ?15, void_claim_hash = ?16, freeze_on_alarm = ?17, renew_asked = ?18, changed = ?19 WHERE site = "
      "?1 AND serial_id = ?2",
      device.site, device.serial_id, device.state, device.factory_spki_sha256, device.factory_serial, device.name,
      device.enrolled_spki_sha256, device.tenant, device.alias, device.remote_access, device.claim_hash, device.alarms,
      device.created, device.connected_at, device.claimed_at, device.void_claim_hash, device.freeze_on_alarm,
      device.renew_asked, number);
  return explained(std::move(updated), "device: the name is another device's");
}

Result<std::optional<DeviceRecord>> DeviceTable::find(const SiteName& site, const SerialId& serial_id) const {
  TRY(auto query,
      database_.query("SELECT " DEVICE_COLUMNS " FROM device WHERE site = ?1 AND serial_id = ?2", site, serial_id));
  return read_first(std::move(query), read_device);
}

Result<std::optional<DeviceRecord>> DeviceTable::find_by_name(const DeviceName& name) const {
  TRY(auto query, database_.query("SELECT " DEVICE_COLUMNS " FROM device WHERE name = ?1", name));
  return read_first(std::move(query), read_device);
}

Result<std::vector<DeviceRecord>> DeviceTable::find_by_serial_id(const SerialId& serial_id) const {
  TRY(auto query,
      database_.query("SELECT " DEVICE_COLUMNS " FROM device WHERE serial_id = ?1 ORDER BY site", serial_id));
  return read_all(std::move(query), read_device);
}

Result<std::vector<DeviceRecord>> DeviceTable::list(std::string_view tenant_or_empty, std::size_t limit,
                                                    const std::optional<DeviceRecord>& after) const {
  const SiteName site = after ? after->site : SiteName();
  const SerialId serial_id = after ? after->serial_id : SerialId();
  if (tenant_or_empty.empty()) {
    TRY(auto query, database_.query("SELECT " DEVICE_COLUMNS
                                    " FROM device WHERE (site, serial_id) > (?1, ?2) ORDER BY site, serial_id LIMIT ?3",
                                    site, serial_id, limit));
    return read_all(std::move(query), read_device);
  }
  TRY(auto query,
      database_.query("SELECT " DEVICE_COLUMNS
                      " FROM device WHERE tenant = ?4 AND tenant != '' AND (site, serial_id) > (?1, ?2) ORDER BY "
                      "site, serial_id LIMIT ?3",
                      site, serial_id, limit, tenant_or_empty));
  return read_all(std::move(query), read_device);
}

Result<std::vector<DeviceRecord>> DeviceTable::changed_after(std::uint64_t after, std::size_t limit) const {
  TRY(auto query,
      database_.query("SELECT " DEVICE_COLUMNS
                      " FROM device WHERE changed > 0 AND changed > ?1 AND name IS NOT NULL ORDER BY changed "
                      "LIMIT ?2",
                      after, limit));
  return read_all(std::move(query), read_device);
}

Result<void> DeviceTable::visit_changed(std::uint64_t after,
                                        const std::function<Result<void>(const DeviceRecord&)>& visit) const {
  TRY(auto query, database_.query("SELECT " DEVICE_COLUMNS
                                  " FROM device WHERE changed > 0 AND changed > ?1 AND name IS NOT NULL ORDER BY "
                                  "changed",
                                  after));
  return visit_all(std::move(query), read_device, visit);
}

Result<std::uint64_t> DeviceTable::count(const SiteName& site, DeviceState at_least) const {
  TRY(auto found, database_.integer("SELECT count(*) FROM device WHERE site = ?1 AND state >= ?2", site, at_least));
  return static_cast<std::uint64_t>(found);
}

}  // namespace sallyport::store
