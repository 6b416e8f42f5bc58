#include "relay/device_check.h"

#include <algorithm>

#include "base/log.h"
#include "crypto/hash.h"

namespace sallyport::relay {
namespace {

const records::CaName& online_ca() {
  static const records::CaName name("online-ca");
  return name;
}

records::CertificateSerial record_serial(const pki::SerialNumber& serial) {
  return records::CertificateSerial(to_bytes(serial.content()));
}

Result<void> check_record(const records::SnapshotCertificate& record, const DeviceName& device) {
  if (record.revoked_at) return fail(Errc::unauthorized, "device certificate: revoked");
  if (record.kind != records::CertificateKind::operational || record.subject != device.get()) {
    return fail(Errc::unauthorized, "device certificate: recorded for something else");
  }
  return {};
}

}  // namespace

DeviceCheck::DeviceCheck(rolelink::RoleLink& link, const Clock& clock, DnsName zone)
    : link_(link), clock_(clock), shown_(link.anchors(), std::move(zone)) {}

Result<void> DeviceCheck::verify(std::span<const Bytes> chain) {
  TRY(auto found, shown_.verify(chain, clock_.now()));
  TRY_VOID(recheck(found));
  // Entries of handshakes that broke off stay behind; they are few bytes and go all at once.
  if (verified_.size() >= kMaxVerified) verified_.clear();
  verified_.insert_or_assign(crypto::sha256(chain.front()), std::move(found));
  return {};
}

Result<DeviceCertificate> DeviceCheck::take_verified(ByteView leaf) {
  auto node = verified_.extract(crypto::sha256(leaf));
  if (node.empty()) return fail(Errc::not_found, "device certificate: not verified");
  return std::move(node.mapped());
}

net::Task<Result<void>> DeviceCheck::confirm(DeviceCertificate certificate) {
  CO_TRY(const auto record, co_await link_.find_certificate(online_ca(), certificate.serial));
  CO_TRY_VOID(check_record(record, certificate.name));
  co_return check_device(certificate.name);
}

Result<void> DeviceCheck::recheck(const DeviceCertificate& certificate) const {
  if (certificate.not_after < clock_.now()) return fail(Errc::expired, "device certificate: expired");
  const auto lists_it = [&](const auto& each) { return each.crl().find(certificate.issuer_serial) != nullptr; };
  if (std::ranges::any_of(shown_.root_crls(), lists_it)) {
    return fail(Errc::unauthorized, "device certificate: its CA is revoked");
  }
  const auto record = link_.snapshot().find_certificate(online_ca(), record_serial(certificate.serial));
  if (record) TRY_VOID(check_record(*record, certificate.name));
  return check_device(certificate.name);
}

Result<void> DeviceCheck::check_device(const DeviceName& device) const {
  const auto found = link_.snapshot().find_device(device);
  if (!found) return fail(Errc::unauthorized, "device: unknown");
  if (found->state != records::DeviceState::connected && found->state != records::DeviceState::claimed) {
    return failf(Errc::unauthorized, "device: {}, want connected or claimed", records::to_string(found->state));
  }
  return {};
}

bool DeviceCheck::is_known(const DeviceName& device) const {
  return check_device(device).has_value();
}

bool DeviceCheck::is_reachable(const DeviceName& device) const {
  const auto found = link_.snapshot().find_device(device);
  return found && found->state == records::DeviceState::claimed && found->remote_access;
}

void DeviceCheck::on_snapshot() {
  std::vector<Bytes> issuers;
  for (const auto& ca : link_.snapshot().cas()) {
    if (records::base_name(ca.name) == online_ca()) issuers.push_back(ca.certificate);
  }
  const auto& root_crls = link_.snapshot().root_crls();
  if (issuers == issuer_ders_ && root_crls == root_crl_ders_) return;
  std::vector<pki::Certificate> parsed;
  for (const Bytes& der : issuers) {
    if (auto one = pki::parse_certificate(der)) parsed.push_back(*std::move(one));
  }
  shown_.use(std::move(parsed), find_root_crls());
  issuer_ders_ = std::move(issuers);
}

// How old one may be is the agents' question; here what it lists counts, whatever its date. The link takes none whose
// number has fallen.
std::vector<pki::VerifiedCrl> DeviceCheck::find_root_crls() {
  const auto& ders = link_.snapshot().root_crls();
  if (ders.empty() || ders == root_crl_ders_) return shown_.root_crls();
  auto verified = link_.root_crls(pki::TimeRule::floor(UnixTime(0)));
  if (verified.empty()) {
    log::error("relay.root-crl-refused", {{"found", ders.size()}});
    return shown_.root_crls();
  }
  root_crl_ders_ = ders;
  return verified;
}

}  // namespace sallyport::relay
