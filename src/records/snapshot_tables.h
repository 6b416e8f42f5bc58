// The certificates and devices of a snapshot, packed: a million of each take less than 100 MB.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/time.h"
#include "records/certificate_record.h"
#include "records/compact_table.h"
#include "records/device_record.h"

namespace sallyport::records {

struct SnapshotCertificate {
  CaName ca;
  CertificateSerial serial;
  CertificateKind kind{};
  std::string subject;  // as CertificateRecord::subject; at most 255 bytes
  UnixTime not_after;
  std::optional<UnixTime> revoked_at;
  RevocationReason reason = RevocationReason::unspecified;
};

struct SnapshotDevice {
  DeviceName name;
  DeviceState state{};
  bool remote_access = false;
};

// Not thread-safe.
class SnapshotTables {
 public:
  // Inserts, or replaces the one of the same CA and serial, or of the same name.
  void put(const SnapshotCertificate& certificate);
  void put(const SnapshotDevice& device);

  std::optional<SnapshotCertificate> find_certificate(const CaName& ca, const CertificateSerial& serial) const;
  std::optional<SnapshotDevice> find_device(const DeviceName& name) const;
  // Each one once, in no order, until `visit` returns false.
  void for_each_certificate(const std::function<bool(const SnapshotCertificate&)>& visit) const;
  void for_each_device(const std::function<bool(const SnapshotDevice&)>& visit) const;

  std::size_t certificate_count() const { return certificates_.size(); }
  std::size_t device_count() const { return devices_.size(); }

 private:
  static constexpr std::size_t kMaxSerial = 20;

  struct CertificateKey {
    std::uint32_t ca = 0;
    std::uint8_t size = 0;
    std::array<std::uint8_t, kMaxSerial> serial{};
    friend auto operator<=>(const CertificateKey&, const CertificateKey&) = default;
  };
  struct CertificateEntry {
    CertificateKey id;
    CertificateKind kind{};
    RevocationReason reason{};
    bool revoked = false;
    std::uint32_t subject = 0;  // where it begins in subjects_
    std::int64_t not_after = 0;
    std::int64_t revoked_at = 0;
    const CertificateKey& key() const { return id; }
  };
  struct DeviceEntry {
    std::array<char, kDeviceNameLength> name{};
    DeviceState state{};
    bool remote_access = false;
    const std::array<char, kDeviceNameLength>& key() const { return name; }
  };

  std::optional<std::uint32_t> find_ca_index(const CaName& ca) const;
  std::uint32_t keep_subject(std::string_view subject);
  std::string_view subject_at(std::uint32_t place) const;
  SnapshotCertificate unpacked(const CertificateEntry& entry) const;

  std::vector<CaName> cas_;  // every one that a certificate has named, in the order in which they came
  std::string subjects_;     // each: length u8, text
  CompactTable<CertificateEntry> certificates_;
  CompactTable<DeviceEntry> devices_;
};

}  // namespace sallyport::records
