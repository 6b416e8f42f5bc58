// What devices show in their handshakes, verified up to the root, and what is remembered of it: the same bytes under
// the same CAs and root CRLs are good again while every certificate of their path is valid, and are neither parsed nor
// are their signatures computed a second time. What changes by the minute is not looked at here: see device_check.h.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "base/names.h"
#include "crypto/hash.h"
#include "pki/verify.h"
#include "relay/limits.h"

namespace sallyport::relay {

// An operational certificate that was verified up to the root.
struct DeviceCertificate {
  DeviceName name;
  pki::SerialNumber serial;
  pki::SerialNumber issuer_serial;
  UnixTime not_after;
};

// One thread.
class ShownCertificates {
 public:
  // Remembers `most` certificates at most, those that were asked for lately.
  ShownCertificates(std::vector<pki::Certificate> anchors, DnsName zone, std::size_t most = kMaxRememberedCertificates);

  // The CAs of devices, of which a chain that is a leaf alone is made up, and the root's CRLs; before the first there
  // are none, and none is asked. Forgets what was verified under others.
  void use(std::vector<pki::Certificate> issuers, std::vector<pki::VerifiedCrl> root_crls);

  // Verifies what a device has shown, leaf first, at this time. Errc::not_found for a leaf that is alone and of none of
  // the CAs; other errors as those of pki::verify_chain.
  Result<DeviceCertificate> verify(std::span<const Bytes> chain, UnixTime now);

  const std::vector<pki::VerifiedCrl>& root_crls() const { return root_crls_; }
  // The names of the CAs, DER, each once.
  std::vector<Bytes> issuer_names() const;
  std::size_t remembered() const { return recent_.size() + older_.size(); }

 private:
  struct Remembered {
    DeviceCertificate certificate;
    crypto::Sha256Digest issuer{};  // its fingerprint
    bool issuer_is_ours = false;
    // When every certificate of the path is valid.
    UnixTime from;
    UnixTime until;
  };
  using Memory = std::map<crypto::Sha256Digest, Remembered>;  // by the leaf's fingerprint

  const Remembered* find(const crypto::Sha256Digest& leaf);
  void remember(const crypto::Sha256Digest& leaf, Remembered verified);
  Result<DeviceCertificate> verify_anew(std::span<const Bytes> chain, UnixTime now);
  void add_issuers(std::vector<pki::Certificate>& leaf_alone) const;

  std::vector<pki::Certificate> anchors_;
  DnsName zone_;
  std::size_t most_;
  std::vector<pki::Certificate> issuers_;
  std::vector<pki::VerifiedCrl> root_crls_;
  // What was asked for lately, and what was before; when the first is full it becomes the second.
  Memory recent_;
  Memory older_;
};

}  // namespace sallyport::relay
