// Whether a device may hold a control connection: certificate, issuance record, state (DESIGN §8). One thread.
#pragma once

#include <map>
#include <optional>
#include <span>

#include "relay/shown_certificates.h"
#include "rolelink/role_link.h"

namespace sallyport::relay {

class DeviceCheck {
 public:
  // Borrows both for its lifetime.
  DeviceCheck(rolelink::RoleLink& link, const Clock& clock, DnsName zone);

  // The verifier of the handshake: chain, purpose, root CRL, and a revocation that is known already.
  Result<void> verify(std::span<const Bytes> chain);
  // What verify() found out about the leaf, once. Errc::not_found without it.
  Result<DeviceCertificate> take_verified(ByteView leaf);
  // Whether the certificate is in the issuance record, for this device, and the device may connect. A certificate that
  // the snapshot lacks is asked for once.
  net::Task<Result<void>> confirm(DeviceCertificate certificate);
  // The same from the snapshot alone, for a connection that was confirmed before.
  Result<void> recheck(const DeviceCertificate& certificate) const;

  // Whether a control connection of this name may be attempted at all.
  bool is_known(const DeviceName& device) const;
  // Whether users may reach the device: claimed, and remote access on.
  bool is_reachable(const DeviceName& device) const;

  // The names of the CAs of devices, DER, whose certificates need not be shown.
  std::vector<Bytes> issuer_names() const { return shown_.issuer_names(); }

  // The snapshot has changed.
  void on_snapshot();

 private:
  Result<void> check_device(const DeviceName& device) const;
  std::vector<pki::VerifiedCrl> find_root_crls();

  rolelink::RoleLink& link_;
  const Clock& clock_;
  ShownCertificates shown_;
  // Of the snapshot, as shown_ has them.
  std::vector<Bytes> issuer_ders_;
  std::vector<Bytes> root_crl_ders_;
  std::map<crypto::Sha256Digest, DeviceCertificate> verified_;
};

// Handshakes whose certificate was verified and which are not complete.
inline constexpr std::size_t kMaxVerified = 4'096;

}  // namespace sallyport::relay
