// A bundle with the node's signature and certificates: what lies at the broker, retained (docs/protocol/sealed-rpc.md
// §2).
//
//   u16(length) chain: DER certificates one after another, leaf first, root left out
//   u8(length) signature over "sallyport/rpc-bundle/v1\0" || payload
//   payload: encode_bundle()
#pragma once

#include <span>

#include "pki/verify.h"
#include "sealed/bundle.h"

namespace sallyport::sealed {

inline constexpr std::size_t kMaxSignedBundle = 16U << 10U;

// Signs with the key of chain.front(). Errc::overloaded above kMaxSignedBundle, Errc::unavailable when the key does not
// answer.
Result<Bytes> sign_bundle(const Bundle& bundle, crypto::SigningKey& key, std::span<const pki::Certificate> chain);

struct OpenedBundle {
  Bundle bundle;
  pki::VerifiedChain signer;  // an operational device certificate of the zone
};
// Verifies chain, then signature, then parses. Errc::malformed, Errc::unauthorized, Errc::expired. Whether the device
// is the one that the node's name stands for, and check_bundle(), are the caller's.
Result<OpenedBundle> open_bundle(ByteView bytes, std::span<const pki::Certificate> anchors, const DnsName& zone,
                                 UnixTime now);

}  // namespace sallyport::sealed
