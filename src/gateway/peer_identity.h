// Who a device is by the certificate of its connection.
#pragma once

#include <span>
#include <variant>
#include <vector>

#include "pki/verify.h"

namespace sallyport::gateway {

// Verifies a device's chain as an operational certificate, or else as a factory certificate, for the zone. Which of the
// two it is follows from its CA's policy alone. `anchors` is the root, `root_crl` may be null.
pki::Verdict<pki::VerifiedChain> verify_device_chain(std::span<const Bytes> chain,
                                                     std::span<const pki::Certificate> anchors, const DnsName& zone,
                                                     UnixTime now, const pki::VerifiedCrl* root_crl);

inline bool is_operational(const pki::VerifiedChain& chain) {
  return std::holds_alternative<DeviceName>(chain.identity());
}

}  // namespace sallyport::gateway
