// What first connections and renewals share: the certificates of devices and who may have one.
#pragma once

#include <optional>
#include <string>

#include "authority/core.h"
#include "authority/issuance.h"
#include "authority/turns.h"
#include "net/task.h"
#include "records/role_messages.h"

namespace sallyport::authority {

inline const records::CaName kOnlineCa("online-ca");
inline const records::CaName kWebCa("web-ca");

// For whom a key is asked.
struct KeyHolder {
  std::string name;  // the device's; empty before it has one
  records::CertificateKind kind{};
  std::optional<records::Digest> kept;  // its factory key, where its site lets devices keep that (site_policy.h)
};

// Refuses a key of which any other device or service ever had a certificate, and one of which a certificate was
// revoked.
Result<void> check_key_is_new(records::Records& records, const records::Digest& spki, const KeyHolder& holder);

// Requests for one key are answered one after the other, so that the second finds the certificate of the first.
net::Task<Result<Turns::Turn>> take_turn(Core& core, records::CertificateKind kind, records::Digest spki);

// The certificate that this very key got before, if it did and the certificate has most of its life before it: a later
// request is a renewal.
Result<std::optional<Bytes>> find_earlier_answer(const Core& core, records::CertificateKind kind,
                                                 const records::Digest& spki, const std::string& subject);

// The order for the device's operational certificate, or its web certificate.
IssueOrder order_device_certificate(const Core& core, const DeviceName& name, const crypto::PublicKey& key, bool web);

// The leaf and the CA that issued it.
Result<records::CertificateChain> to_chain(const Core& core, ByteView leaf);

}  // namespace sallyport::authority
