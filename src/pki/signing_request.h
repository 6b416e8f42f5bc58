// What the authority asks the signer, and what it answers: the only input the signer parses. The signer builds the
// to-be-signed bytes itself; nothing of what is here is ever signed as it came.
#pragma once

#include <array>
#include <string>
#include <variant>
#include <vector>

#include "pki/crl.h"
#include "pki/issue.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxSigningRequestBytes = 64U << 20U;  // a CRL of a million entries
inline constexpr std::size_t kMaxCaName = 80;
// Certificates that may be ordered at once; more is Errc::overloaded.
inline constexpr std::size_t kMaxIssuingCalls = 512;
// Requests that may be under way in all: a crowd of orders leaves these places to CRLs, grants, snapshots and the log.
inline constexpr std::size_t kMaxSigningCalls = kMaxIssuingCalls + 64;

// Issue a certificate of `profile` under the CA named `ca` ("server-ca"; "server-ca@<serial>" when it was replaced).
struct IssueCertificate {
  std::string ca;
  ProfileId profile{};
  CertificateFields fields;
};
// Sign a CRL of that CA.
struct SignCrl {
  std::string ca;
  CrlFields fields;
};
// Seal a control object with the signer's current key for `kind`.
struct SignObject {
  ControlKind kind{};
  Bytes payload;
};
// Sign the head of the log: a note of the signer's own origin with this size and root (ADR 0008).
struct SignCheckpoint {
  std::uint64_t size = 0;
  std::array<std::uint8_t, 32> root{};
  // The proof that this tree continues the one of `continues` entries (RFC 9162 §2.1.4), the last that was signed.
  std::uint64_t continues = 0;
  std::vector<std::array<std::uint8_t, 32>> proof = {};
};
inline constexpr std::size_t kMaxLogProofHashes = 65;
using SigningRequest = std::variant<IssueCertificate, SignCrl, SignObject, SignCheckpoint>;
Bytes encode_signing_request(const SigningRequest& request);
Result<SigningRequest> parse_signing_request(ByteView bytes);

struct IssuedCertificate {
  Bytes der;
};
struct SignedCrl {
  Bytes der;
};
struct SealedObject {
  Bytes bytes;
};
struct SignedCheckpoint {
  std::string note;
};
// Instead of a checkpoint: the last log that was signed has so many entries; ask with the proof from there.
struct LogPosition {
  std::uint64_t size = 0;
};
using SigningAnswer = std::variant<IssuedCertificate, SignedCrl, SealedObject, SignedCheckpoint, LogPosition, Error>;
Bytes encode_signing_answer(const SigningAnswer& answer);
Result<SigningAnswer> parse_signing_answer(ByteView bytes);

}  // namespace sallyport::pki
