// Who a device is by the certificate of its connection.
#pragma once

#include <span>
#include <variant>
#include <vector>

#include "pki/verify.h"
#include "records/snapshot.h"

namespace sallyport::gateway {

// What a client sent, completed by its issuer from `cas` when it sent its own certificate alone, as strongSwan's EST
// client does. Proves nothing: what comes out is verified like any other chain.
std::vector<Bytes> complete_chain(std::span<const Bytes> sent, std::span<const records::SnapshotCa> cas);

// Verifies a device's chain as an operational certificate, or else as a factory certificate, for the zone. Which of the
// two it is follows from its CA's policy alone. `anchors` are the roots.
pki::Verdict<pki::VerifiedChain> verify_device_chain(std::span<const Bytes> chain,
                                                     std::span<const pki::Certificate> anchors, const DnsName& zone,
                                                     UnixTime now, const pki::RootCrls& root_crls);

inline bool is_operational(const pki::VerifiedChain& chain) {
  return std::holds_alternative<DeviceName>(chain.identity());
}

}  // namespace sallyport::gateway
