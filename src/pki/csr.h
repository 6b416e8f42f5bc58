// PKCS#10 certification requests (RFC 2986).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "crypto/key.h"
#include "pki/distinguished_name.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxCsrBytes = 8U << 10U;
inline constexpr std::size_t kMaxCsrAttributes = 16;

// A request whose sender has shown that he holds the key. Only the key is ever used for issuing: the subject and
// whatever else is asked for come from the record. They are here for people to compare.
struct CertificateRequest {
  crypto::PublicKey public_key;
  DistinguishedName subject;
  std::vector<std::string> dns_names;  // asked for in an extensionRequest; absent when that does not parse
  Bytes der;
};

// Errc::malformed: not a DER PKCS#10 of version 0. Errc::unauthorized: a key or algorithm never accepted, or a
// signature that is not the key's.
Result<CertificateRequest> parse_csr(ByteView der);

// Makes a request over `key` and signs it. `dns_names` may be empty and may hold wildcards.
Result<Bytes> build_csr(crypto::SigningKey& key, const DistinguishedName& subject,
                        std::span<const std::string> dns_names = {});

}  // namespace sallyport::pki
