// What the authority asks the signer, and what it answers: the only input the signer parses. The signer builds the
// to-be-signed bytes itself; nothing of what is here is ever signed as it came.
#pragma once

#include <string>
#include <variant>

#include "pki/crl.h"
#include "pki/issue.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxSigningRequestBytes = 64U << 20U;  // a CRL of a million entries
inline constexpr std::size_t kMaxCaName = 80;

// Issue a certificate of `profile` under the CA named `ca` ("server-ca").
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
using SigningRequest = std::variant<IssueCertificate, SignCrl, SignObject>;
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
using SigningAnswer = std::variant<IssuedCertificate, SignedCrl, SealedObject, Error>;
Bytes encode_signing_answer(const SigningAnswer& answer);
Result<SigningAnswer> parse_signing_answer(ByteView bytes);

}  // namespace sallyport::pki
