#include "records/snapshot_tables.h"

#include <algorithm>
#include <limits>

namespace sallyport::records {
namespace {

constexpr std::size_t kMaxSubject = 255;
constexpr std::size_t kMaxSubjects = std::numeric_limits<std::uint32_t>::max() - kMaxSubject - 1;

}  // namespace

std::optional<std::uint32_t> SnapshotTables::find_ca_index(const CaName& ca) const {
  const auto found = std::ranges::find(cas_, ca);
  if (found == cas_.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - cas_.begin());
}

std::uint32_t SnapshotTables::keep_subject(std::string_view subject) {
  SALLYPORT_CHECK(subject.size() <= kMaxSubject && subjects_.size() <= kMaxSubjects);
  const auto place = static_cast<std::uint32_t>(subjects_.size());
  subjects_ += static_cast<char>(static_cast<std::uint8_t>(subject.size()));
  subjects_ += subject;
  return place;
}

std::string_view SnapshotTables::subject_at(std::uint32_t place) const {
  const std::size_t size = static_cast<std::uint8_t>(subjects_[place]);
  return std::string_view(subjects_).substr(place + 1, size);
}

void SnapshotTables::put(const SnapshotCertificate& certificate) {
  const Bytes& serial = certificate.serial.get();
  SALLYPORT_CHECK(!serial.empty() && serial.size() <= kMaxSerial);
  auto ca = find_ca_index(certificate.ca);
  if (!ca) {
    ca = static_cast<std::uint32_t>(cas_.size());
    cas_.push_back(certificate.ca);
  }
  CertificateEntry entry;
  entry.id.ca = *ca;
  entry.id.size = static_cast<std::uint8_t>(serial.size());
  std::ranges::copy(serial, entry.id.serial.begin());
  entry.kind = certificate.kind;
  entry.reason = certificate.reason;
  entry.not_after = certificate.not_after.since_epoch();
  entry.revoked = certificate.revoked_at.has_value();
  if (entry.revoked) entry.revoked_at = certificate.revoked_at->since_epoch();
  // What is revoked, or re-stated, is about whom it was before.
  const CertificateEntry* before = certificates_.find(entry.id);
  const bool same = before != nullptr && subject_at(before->subject) == certificate.subject;
  entry.subject = same ? before->subject : keep_subject(certificate.subject);
  certificates_.put(entry);
}

void SnapshotTables::put(const SnapshotDevice& device) {
  SALLYPORT_CHECK(device.name.get().size() == kDeviceNameLength);
  DeviceEntry entry;
  std::ranges::copy(device.name.get(), entry.name.begin());
  entry.state = device.state;
  entry.remote_access = device.remote_access;
  devices_.put(entry);
}

SnapshotCertificate SnapshotTables::unpacked(const CertificateEntry& entry) const {
  SnapshotCertificate out;
  out.ca = cas_[entry.id.ca];
  out.serial = CertificateSerial(Bytes(entry.id.serial.begin(), entry.id.serial.begin() + entry.id.size));
  out.kind = entry.kind;
  out.subject = subject_at(entry.subject);
  out.not_after = UnixTime(entry.not_after);
  if (entry.revoked) out.revoked_at = UnixTime(entry.revoked_at);
  out.reason = entry.reason;
  return out;
}

std::optional<SnapshotCertificate> SnapshotTables::find_certificate(const CaName& ca,
                                                                    const CertificateSerial& serial) const {
  const auto index = find_ca_index(ca);
  if (!index || serial.get().empty() || serial.get().size() > kMaxSerial) return std::nullopt;
  CertificateKey key;
  key.ca = *index;
  key.size = static_cast<std::uint8_t>(serial.get().size());
  std::ranges::copy(serial.get(), key.serial.begin());
  const CertificateEntry* found = certificates_.find(key);
  return found == nullptr ? std::nullopt : std::optional(unpacked(*found));
}

std::optional<SnapshotDevice> SnapshotTables::find_device(const DeviceName& name) const {
  if (name.get().size() != kDeviceNameLength) return std::nullopt;
  std::array<char, kDeviceNameLength> key{};
  std::ranges::copy(name.get(), key.begin());
  const DeviceEntry* found = devices_.find(key);
  if (found == nullptr) return std::nullopt;
  return SnapshotDevice{name, found->state, found->remote_access};
}

void SnapshotTables::for_each_certificate(const std::function<bool(const SnapshotCertificate&)>& visit) const {
  certificates_.for_each([&](const CertificateEntry& entry) { return visit(unpacked(entry)); });
}

void SnapshotTables::for_each_device(const std::function<bool(const SnapshotDevice&)>& visit) const {
  devices_.for_each([&](const DeviceEntry& entry) {
    return visit({DeviceName(std::string(entry.name.begin(), entry.name.end())), entry.state, entry.remote_access});
  });
}

}  // namespace sallyport::records
