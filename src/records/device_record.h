// A device as the installation knows it, from its ledger entry to its end.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/names.h"
#include "base/time.h"
#include "records/certificate_record.h"

namespace sallyport::records {

// DO NOT CHANGE THESE VALUES: they are stored and travel in snapshots.
enum class DeviceState : std::uint8_t {
  manufactured = 1,  // in an accepted ledger, not yet connected
  connected = 2,     // enrolled, nobody's
  claimed = 3,
  suspended = 4,
  revoked = 5,
  retired = 6,
};
std::string_view to_string(DeviceState state);

struct DeviceRecord {
  SerialId serial_id;
  SiteName site;
  DeviceState state = DeviceState::manufactured;
  Digest factory_spki_sha256{};                // of the ledger entry
  CertificateSerial factory_serial;            // of the ledger entry
  std::optional<DeviceName> name;              // allocated at first connection, never changed, never reused
  std::optional<Digest> enrolled_spki_sha256;  // the key that burnt the factory certificate
  std::string tenant;                          // empty until claimed
  std::string alias;                           // what people call it; at most kMaxAliasLength bytes of UTF-8
  bool remote_access = false;                  // the operator's switch
  std::optional<Digest> claim_hash;            // SHA-256("sallyport claim v1" ‖ name ‖ code), absent once used
  std::optional<Digest> void_claim_hash;       // of the last code that claimed it: no device comes with that one again
  std::uint32_t alarms = 0;                    // refused enrolments with another key since the last re-opening
  bool freeze_on_alarm = false;                // the owner's choice: such an alarm suspends the device
  std::optional<UnixTime> renew_asked;         // its certificates from before are to be renewed at once
  UnixTime created;
  std::optional<UnixTime> connected_at;
  std::optional<UnixTime> claimed_at;
};

inline constexpr std::size_t kMaxAliasLength = 120;

class DeviceDirectory {
 public:
  virtual ~DeviceDirectory() = default;
  // Errc::conflict when the site already has this serial id.
  virtual Result<void> add(const DeviceRecord& device) = 0;
  // Replaces the record of (site, serial id). Errc::not_found without one; Errc::conflict when `name` is another
  // device's.
  virtual Result<void> update(const DeviceRecord& device) = 0;
  virtual Result<std::optional<DeviceRecord>> find(const SiteName& site, const SerialId& serial_id) const = 0;
  virtual Result<std::optional<DeviceRecord>> find_by_name(const DeviceName& name) const = 0;
  virtual Result<std::vector<DeviceRecord>> find_by_serial_id(const SerialId& serial_id) const = 0;
  // In order of (site, serial id), beginning after `after` when given.
  virtual Result<std::vector<DeviceRecord>> list(std::string_view tenant_or_empty, std::size_t limit,
                                                 const std::optional<DeviceRecord>& after) const = 0;
  // Devices with a name that were added or updated since the change number `after`, in order of change.
  virtual Result<std::vector<DeviceRecord>> changed_after(std::uint64_t after, std::size_t limit) const = 0;
  // Calls `visit` with each of the same, so that no list of them is ever held; ends with the first error that it
  // returns.
  virtual Result<void> visit_changed(std::uint64_t after,
                                     const std::function<Result<void>(const DeviceRecord&)>& visit) const = 0;
  virtual Result<std::uint64_t> count(const SiteName& site, DeviceState at_least) const = 0;
};

}  // namespace sallyport::records
