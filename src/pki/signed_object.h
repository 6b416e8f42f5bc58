// The envelope of our own signed objects: grants, snapshots, permits, licences.
//
//   1 certificate, repeated: signer first, its CA, perhaps root links   2 payload   3 signature over
//   codec::signing_input(kind, payload)
#pragma once

#include <span>

#include "pki/verify.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxObjectPayload = (1U << 24U) - 1;
inline constexpr std::size_t kMaxObjectBytes = kMaxObjectPayload + kMaxChainBytes + 64;
inline constexpr std::size_t kMaxObjectCertificates = 6;

// Signs `payload` as an object of `kind` with the key of chain.front(). The chain leaves out the root. Errc::conflict
// when the key is another; Errc::overloaded above kMaxObjectPayload.
Result<Bytes> seal_object(ControlKind kind, ByteView payload, crypto::SigningKey& key,
                          std::span<const Certificate> chain);

// A payload whose signature was verified before anybody parsed it. Made by open_object() alone.
class OpenedObject {
 public:
  ControlKind kind() const { return kind_; }
  ByteView payload() const { return payload_; }
  // For the status checks that the receiver owes.
  const VerifiedChain& signer() const { return signer_; }

 private:
  friend Verdict<OpenedObject> open_object(ControlKind, ByteView, std::span<const Certificate>, const TimeRule&,
                                           const RootCrls&);
  OpenedObject(ControlKind kind, Bytes payload, VerifiedChain signer)
      : kind_(kind), payload_(std::move(payload)), signer_(std::move(signer)) {}
  ControlKind kind_;
  Bytes payload_;
  VerifiedChain signer_;
};

// Verifies chain (control-ca, the EKU of `kind`), then signature. An object of another kind never opens.
Verdict<OpenedObject> open_object(ControlKind kind, ByteView sealed, std::span<const Certificate> anchors,
                                  const TimeRule& time, const RootCrls& root_crls = {});

}  // namespace sallyport::pki
