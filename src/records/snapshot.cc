#include "records/snapshot.h"

#include <utility>

#include "codec/tlv.h"

namespace sallyport::records {
namespace {

// update := number base issued_at root_crl ca* certificate* device*
enum Field : std::uint16_t {
  kNumber = 1,
  kBase = 2,
  kIssuedAt = 3,
  kRootCrl = 4,
  kCa = 5,
  kCertificate = 6,
  kDevice = 7,
};
constexpr std::uint8_t kRevokedFlag = 1;

// ca := name length u8, name, certificate
Bytes encode_ca(const SnapshotCa& ca) {
  return Writer().bytes_u8(as_bytes(ca.name.get())).bytes(ca.certificate).take();
}

Result<SnapshotCa> parse_ca(ByteView in) {
  Reader reader(in);
  TRY(auto name, reader.bytes_u8());
  return SnapshotCa{CaName(std::string(as_text(name))), to_bytes(reader.rest())};
}

// certificate := ca index u16, kind u8, flags u8, not_after u64, [revoked_at u64, reason u8], serial (u8 length),
// subject (u8 length)
Bytes encode_certificate(const SnapshotCertificate& certificate, std::uint16_t ca_index) {
  Writer writer;
  writer.u16(ca_index)
      .u8(std::to_underlying(certificate.kind))
      .u8(certificate.revoked_at ? kRevokedFlag : 0)
      .u64(static_cast<std::uint64_t>(certificate.not_after.since_epoch()));
  if (certificate.revoked_at) {
    writer.u64(static_cast<std::uint64_t>(certificate.revoked_at->since_epoch()))
        .u8(std::to_underlying(certificate.reason));
  }
  writer.bytes_u8(certificate.serial.get()).bytes_u8(as_bytes(certificate.subject));
  return std::move(writer).take();
}

Result<SnapshotCertificate> parse_certificate_entry(ByteView in, const std::vector<SnapshotCa>& cas) {
  Reader reader(in);
  SnapshotCertificate out;
  TRY(auto ca_index, reader.u16());
  if (ca_index >= cas.size())
    return failf(Errc::malformed, "snapshot certificate: CA {}, want below {}", ca_index, cas.size());
  out.ca = cas[ca_index].name;
  TRY(auto kind, reader.u8());
  if (kind < 1 || kind > std::to_underlying(CertificateKind::ocsp_signer)) {
    return failf(Errc::malformed, "snapshot certificate: kind {}, want 1 to 9", kind);
  }
  out.kind = static_cast<CertificateKind>(kind);
  TRY(auto flags, reader.u8());
  if (flags > kRevokedFlag) return failf(Errc::malformed, "snapshot certificate: flags {}, want 0 or 1", flags);
  TRY(auto not_after, reader.u64());
  out.not_after = UnixTime(static_cast<std::int64_t>(not_after));
  if (flags == kRevokedFlag) {
    TRY(auto revoked_at, reader.u64());
    out.revoked_at = UnixTime(static_cast<std::int64_t>(revoked_at));
    TRY(auto reason, reader.u8());
    if (reason > std::to_underlying(RevocationReason::cessation_of_operation)) {
      return failf(Errc::malformed, "snapshot certificate: reason {}, want 0 to 5", reason);
    }
    out.reason = static_cast<RevocationReason>(reason);
  }
  TRY(auto serial, reader.bytes_u8());
  if (serial.empty() || serial.size() > 20)
    return failf(Errc::malformed, "snapshot certificate: serial of {} bytes", serial.size());
  out.serial = CertificateSerial(to_bytes(serial));
  TRY(auto subject, reader.bytes_u8());
  out.subject = std::string(as_text(subject));
  TRY_VOID(reader.finish("snapshot certificate"));
  return out;
}

// device := state u8, remote access u8, name
Bytes encode_device(const SnapshotDevice& device) {
  return Writer().u8(std::to_underlying(device.state)).u8(device.remote_access ? 1 : 0).text(device.name.get()).take();
}

Result<SnapshotDevice> parse_device(ByteView in) {
  Reader reader(in);
  SnapshotDevice out;
  TRY(auto state, reader.u8());
  if (state < 1 || state > std::to_underlying(DeviceState::retired)) {
    return failf(Errc::malformed, "snapshot device: state {}, want 1 to 6", state);
  }
  out.state = static_cast<DeviceState>(state);
  TRY(auto remote_access, reader.u8());
  if (remote_access > 1) return failf(Errc::malformed, "snapshot device: switch {}, want 0 or 1", remote_access);
  out.remote_access = remote_access == 1;
  TRY(out.name, parse_device_name(as_text(reader.rest())));
  return out;
}

std::string certificate_key(const CaName& ca, const CertificateSerial& serial) {
  return ca.get() + '\0' + std::string(as_text(serial.get()));
}

}  // namespace

Bytes encode_snapshot_update(const SnapshotUpdate& update) {
  codec::TlvWriter writer;
  writer.u64(kNumber, update.number)
      .u64(kBase, update.base)
      .time(kIssuedAt, update.issued_at)
      .bytes(kRootCrl, update.root_crl);
  std::map<CaName, std::uint16_t> index;
  for (const SnapshotCa& ca : update.cas) {
    index.emplace(ca.name, static_cast<std::uint16_t>(index.size()));
    writer.bytes(kCa, encode_ca(ca));
  }
  for (const SnapshotCertificate& certificate : update.certificates) {
    const auto found = index.find(certificate.ca);
    SALLYPORT_CHECK(found != index.end());
    writer.bytes(kCertificate, encode_certificate(certificate, found->second));
  }
  for (const SnapshotDevice& device : update.devices) writer.bytes(kDevice, encode_device(device));
  return std::move(writer).take();
}

Result<SnapshotUpdate> parse_snapshot_update(ByteView payload) {
  codec::TlvReader reader(payload, "snapshot update");
  SnapshotUpdate out;
  TRY(out.number, reader.u64(kNumber));
  TRY(out.base, reader.u64(kBase));
  TRY(out.issued_at, reader.time(kIssuedAt));
  TRY(auto root_crl, reader.bytes(kRootCrl));
  out.root_crl = to_bytes(root_crl);
  TRY(auto cas, reader.repeated(kCa, kMaxSnapshotCas));
  for (const ByteView view : cas) {
    TRY(auto ca, parse_ca(view));
    out.cas.push_back(std::move(ca));
  }
  TRY(auto certificates, reader.repeated(kCertificate, kMaxSnapshotEntries));
  for (const ByteView view : certificates) {
    TRY(auto certificate, parse_certificate_entry(view, out.cas));
    out.certificates.push_back(std::move(certificate));
  }
  TRY(auto devices, reader.repeated(kDevice, kMaxSnapshotEntries));
  for (const ByteView view : devices) {
    TRY(auto device, parse_device(view));
    out.devices.push_back(std::move(device));
  }
  TRY_VOID(reader.finish());
  return out;
}

Result<void> SnapshotState::apply(SnapshotUpdate update) {
  if (update.number < number_ || (update.number == number_ && update.base != 0)) {
    return failf(Errc::conflict, "snapshot: number {}, want above {}", update.number, number_);
  }
  if (update.base != 0 && update.base != number_) {
    return failf(Errc::conflict, "snapshot: change on top of {}, have {}", update.base, number_);
  }
  if (update.base == 0) {
    certificates_.clear();
    devices_.clear();
  }
  number_ = update.number;
  issued_at_ = update.issued_at;
  cas_ = std::move(update.cas);
  root_crl_ = std::move(update.root_crl);
  for (SnapshotCertificate& certificate : update.certificates) {
    std::string key = certificate_key(certificate.ca, certificate.serial);
    certificates_.insert_or_assign(std::move(key), std::move(certificate));
  }
  for (SnapshotDevice& device : update.devices) devices_.insert_or_assign(device.name.get(), device);
  return {};
}

const SnapshotCertificate* SnapshotState::find_certificate(const CaName& ca, const CertificateSerial& serial) const {
  const auto found = certificates_.find(certificate_key(ca, serial));
  return found == certificates_.end() ? nullptr : &found->second;
}

const SnapshotDevice* SnapshotState::find_device(const DeviceName& name) const {
  const auto found = devices_.find(name.get());
  return found == devices_.end() ? nullptr : &found->second;
}

const SnapshotCa* SnapshotState::find_ca(const CaName& name) const {
  for (const SnapshotCa& ca : cas_) {
    if (ca.name == name) return &ca;
  }
  return nullptr;
}

}  // namespace sallyport::records
