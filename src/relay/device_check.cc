#include "relay/device_check.h"

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
    : link_(link), clock_(clock), zone_(std::move(zone)), anchors_{link.root()} {}

Result<void> DeviceCheck::verify(std::span<const Bytes> chain) {
  TRY(const auto certificates, pki::parse_chain(chain));
  TRY(const auto verified, pki::verify_chain(certificates, anchors_, pki::OperationalDevicePurpose{zone_},
                                             pki::TimeRule::clock(clock_.now()), root_crl_ ? &*root_crl_ : nullptr));
  const pki::Certificate& leaf = verified.leaf();
  DeviceCertificate found{.name = verified.identity_as<DeviceName>(),
                          .serial = leaf.serial(),
                          .issuer_serial = verified.issuer().serial(),
                          .not_after = leaf.validity().not_after};
  TRY_VOID(recheck(found));
  // Entries of handshakes that broke off stay behind; they are few bytes and go all at once.
  if (verified_.size() >= kMaxVerified) verified_.clear();
  verified_.insert_or_assign(leaf.fingerprint(), std::move(found));
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
  if (root_crl_ && root_crl_->crl().find(certificate.issuer_serial) != nullptr) {
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
  const ByteView der = link_.snapshot().root_crl();
  if (der.empty() || equal(der, root_crl_der_)) return;
  const auto crl = pki::parse_crl(der);
  // How old it may be is the agents' question; here what it lists counts, whatever its date.
  const auto verified = crl ? pki::verify_crl(*crl, anchors_.front(), pki::TimeRule::floor(crl->this_update()),
                                              root_crl_ ? root_crl_->crl().number() : 0)
                            : pki::Verdict<pki::VerifiedCrl>(pki::refuse(pki::Reason::malformed, "does not parse"));
  if (!verified) {
    log::error("relay.root-crl-refused", {{"error", verified.error().error}});
    return;
  }
  root_crl_ = *verified;
  root_crl_der_ = to_bytes(der);
}

}  // namespace sallyport::relay
