// Signed, numbered state from which relay, gateway and status work without a database (DESIGN §8), and the update that
// carries it. The signature envelope around the payload is pki's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/names.h"
#include "base/time.h"
#include "records/certificate_record.h"
#include "records/device_record.h"

namespace sallyport::records {

struct SnapshotCa {
  CaName name;
  Bytes certificate;  // DER
};

struct SnapshotCertificate {
  CaName ca;
  CertificateSerial serial;
  CertificateKind kind{};
  std::string subject;  // as CertificateRecord::subject
  UnixTime not_after;
  std::optional<UnixTime> revoked_at;
  RevocationReason reason = RevocationReason::unspecified;
};

struct SnapshotDevice {
  DeviceName name;
  DeviceState state{};
  bool remote_access = false;
};

// A full state (base 0) or the changes since the state of number `base`.
struct SnapshotUpdate {
  std::uint64_t number = 0;  // never falls
  std::uint64_t base = 0;
  UnixTime issued_at;
  std::vector<SnapshotCa> cas;  // all of them, in every update
  Bytes root_crl;               // DER, in every update
  std::vector<SnapshotCertificate> certificates;
  std::vector<SnapshotDevice> devices;
};

inline constexpr std::size_t kMaxSnapshotCas = 4'096;
inline constexpr std::size_t kMaxSnapshotEntries = 4'000'000;
// Changes per update: larger ones are sent as several updates or a full state.
inline constexpr std::size_t kMaxUpdateBytes = 16U << 20U;

Bytes encode_snapshot_update(const SnapshotUpdate& update);
Result<SnapshotUpdate> parse_snapshot_update(ByteView payload);

// The state that results from updates. Not thread-safe.
class SnapshotState {
 public:
  // Fails with Errc::conflict, leaving the state, when the number does not rise or a change does not build on this
  // state: the role must then ask for a full one.
  Result<void> apply(SnapshotUpdate update);

  std::uint64_t number() const { return number_; }
  UnixTime issued_at() const { return issued_at_; }
  // Borrowed until the next apply(); null when unknown. An unknown certificate is refused by everybody.
  const SnapshotCertificate* find_certificate(const CaName& ca, const CertificateSerial& serial) const;
  const SnapshotDevice* find_device(const DeviceName& name) const;
  const std::vector<SnapshotCa>& cas() const { return cas_; }
  const SnapshotCa* find_ca(const CaName& name) const;
  ByteView root_crl() const { return root_crl_; }
  std::size_t certificate_count() const { return certificates_.size(); }
  std::size_t device_count() const { return devices_.size(); }
  const std::unordered_map<std::string, SnapshotCertificate>& certificates() const { return certificates_; }
  const std::map<std::string, SnapshotDevice>& devices() const { return devices_; }

 private:
  std::uint64_t number_ = 0;
  UnixTime issued_at_;
  std::vector<SnapshotCa> cas_;
  Bytes root_crl_;
  std::unordered_map<std::string, SnapshotCertificate> certificates_;
  std::map<std::string, SnapshotDevice> devices_;
};

}  // namespace sallyport::records
