#include "records/snapshot.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "codec/tlv.h"

namespace sallyport::records {
namespace {

// update := number base issued_at root_crl+ ca* certificate* device*
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

Result<void> read_entries(codec::TlvReader& reader, const std::vector<SnapshotCa>& cas,
                          std::vector<SnapshotCertificate>& certificates, std::vector<SnapshotDevice>& devices) {
  while (reader.next_is(kCertificate)) {
    TRY(auto view, reader.bytes(kCertificate));
    TRY(auto certificate, parse_certificate_entry(view, cas));
    certificates.push_back(std::move(certificate));
  }
  while (reader.next_is(kDevice)) {
    TRY(auto view, reader.bytes(kDevice));
    TRY(auto device, parse_device(view));
    devices.push_back(std::move(device));
  }
  return reader.finish();
}

Result<void> check_ca_names(const std::vector<SnapshotCa>& cas) {
  std::vector<CaName> names;
  for (const SnapshotCa& ca : cas) names.push_back(ca.name);
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice == names.end()) return {};
  return failf(Errc::malformed, "snapshot update: CA {} twice, want every one once", twice->get());
}

Result<void> check_size(ByteView payload, std::size_t most) {
  if (payload.size() <= most) return {};
  return failf(Errc::malformed, "snapshot portion: {} bytes, want at most {}", payload.size(), most);
}

bool is_same(const std::vector<SnapshotCa>& a, const std::vector<SnapshotCa>& b) {
  return std::ranges::equal(a, b, [](const SnapshotCa& one, const SnapshotCa& other) {
    return one.name == other.name && one.certificate == other.certificate;
  });
}

}  // namespace

SnapshotWriter::SnapshotWriter(const SnapshotUpdate& head) {
  codec::TlvWriter writer;
  writer.u64(kNumber, head.number).u64(kBase, head.base).time(kIssuedAt, head.issued_at).bytes(kRootCrl, head.root_crl);
  for (const Bytes& crl : head.older_root_crls) writer.bytes(kRootCrl, crl);
  for (const SnapshotCa& ca : head.cas) {
    ca_index_.emplace_back(ca.name, static_cast<std::uint16_t>(ca_index_.size()));
    writer.bytes(kCa, encode_ca(ca));
  }
  std::ranges::sort(ca_index_);
  portions_.push_back(writer.take());
  close_if_full();
}

void SnapshotWriter::close_if_full() {
  if (portions_.back().size() >= kPortionBytes) portions_.emplace_back();
}

void SnapshotWriter::add(const SnapshotCertificate& certificate) {
  const auto found = std::ranges::lower_bound(ca_index_, certificate.ca, {}, &std::pair<CaName, std::uint16_t>::first);
  SALLYPORT_CHECK(found != ca_index_.end() && found->first == certificate.ca);
  append(portions_.back(),
         codec::TlvWriter().bytes(kCertificate, encode_certificate(certificate, found->second)).take());
  close_if_full();
}

void SnapshotWriter::add(const SnapshotDevice& device) {
  append(portions_.back(), codec::TlvWriter().bytes(kDevice, encode_device(device)).take());
  close_if_full();
}

std::vector<Bytes> SnapshotWriter::take() {
  if (portions_.size() > 1 && portions_.back().empty()) portions_.pop_back();
  return std::move(portions_);
}

Bytes encode_snapshot_update(const SnapshotUpdate& update) {
  SnapshotWriter writer(update);
  for (const SnapshotCertificate& certificate : update.certificates) writer.add(certificate);
  for (const SnapshotDevice& device : update.devices) writer.add(device);
  Bytes out;
  for (const Bytes& portion : writer.take()) append(out, portion);
  return out;
}

Result<SnapshotUpdate> parse_snapshot_update(ByteView payload) {
  TRY_VOID(check_size(payload, kMaxFirstPortionBytes));
  codec::TlvReader reader(payload, "snapshot update");
  SnapshotUpdate out;
  TRY(out.number, reader.u64(kNumber));
  TRY(out.base, reader.u64(kBase));
  TRY(out.issued_at, reader.time(kIssuedAt));
  TRY(const auto root_crls, reader.repeated(kRootCrl, kMaxRootCrls));
  if (root_crls.empty()) return fail(Errc::malformed, "snapshot update: no root CRL");
  out.root_crl = to_bytes(root_crls.front());
  for (const ByteView crl : root_crls | std::views::drop(1)) out.older_root_crls.push_back(to_bytes(crl));
  TRY(auto cas, reader.repeated(kCa, kMaxSnapshotCas));
  for (const ByteView view : cas) {
    TRY(auto ca, parse_ca(view));
    out.cas.push_back(std::move(ca));
  }
  TRY_VOID(check_ca_names(out.cas));
  TRY_VOID(read_entries(reader, out.cas, out.certificates, out.devices));
  return out;
}

Result<SnapshotEntries> parse_snapshot_portion(ByteView payload, const std::vector<SnapshotCa>& cas) {
  TRY_VOID(check_size(payload, kMaxPortionBytes));
  codec::TlvReader reader(payload, "snapshot portion");
  SnapshotEntries out;
  TRY_VOID(read_entries(reader, cas, out.certificates, out.devices));
  return out;
}

SnapshotAssembly::SnapshotAssembly(SnapshotUpdate first) : head_(std::move(first)) {
  add({std::exchange(head_.certificates, {}), std::exchange(head_.devices, {})});
}

void SnapshotAssembly::add(const SnapshotEntries& entries) {
  for (const SnapshotCertificate& certificate : entries.certificates) tables_.put(certificate);
  for (const SnapshotDevice& device : entries.devices) tables_.put(device);
}

Result<void> SnapshotState::check_order(std::uint64_t number, std::uint64_t base) const {
  if (number < number_ || (number == number_ && base != 0)) {
    return failf(Errc::conflict, "snapshot: found number {}, want above {}", number, number_);
  }
  if (base != 0 && base != number_) {
    return failf(Errc::conflict, "snapshot: found a change on top of {}, want one on top of {}", base, number_);
  }
  return {};
}

Result<SnapshotChange> SnapshotState::apply(SnapshotAssembly update) {
  TRY_VOID(check_order(update.head_.number, update.head_.base));
  SnapshotChange change;
  change.whole = update.head_.base == 0;
  std::vector<Bytes> root_crls = std::move(update.head_.older_root_crls);
  root_crls.insert(root_crls.begin(), std::move(update.head_.root_crl));
  change.authorities = !is_same(cas_, update.head_.cas) || root_crls_ != root_crls;
  number_ = update.head_.number;
  issued_at_ = update.head_.issued_at;
  cas_ = std::move(update.head_.cas);
  root_crls_ = std::move(root_crls);
  if (change.whole) {
    tables_ = std::move(update.tables_);
    return change;
  }
  update.tables_.for_each_certificate([&](const SnapshotCertificate& certificate) {
    tables_.put(certificate);
    change.certificates.emplace_back(certificate.ca, certificate.serial);
    return true;
  });
  update.tables_.for_each_device([&](const SnapshotDevice& device) {
    tables_.put(device);
    return true;
  });
  return change;
}

const SnapshotCa* SnapshotState::find_ca(const CaName& name) const {
  for (const SnapshotCa& ca : cas_) {
    if (ca.name == name) return &ca;
  }
  return nullptr;
}

}  // namespace sallyport::records
