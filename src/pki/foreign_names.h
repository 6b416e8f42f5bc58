// Whose a certificate is that is not of our own PKI, for people: who reads TLS on the way shows one of his.
#pragma once

#include "pki/distinguished_name.h"

namespace sallyport::pki {

// Nothing about them is proven.
struct ForeignNames {
  DistinguishedName issuer;
  DistinguishedName subject;
};

// Reads issuer and subject of an X.509 certificate with whatever key, algorithm and extensions. Errc::malformed where
// the structure is not that of RFC 5280 §4.1 as far as the subject, or a name is longer than kMaxNameBytes.
Result<ForeignNames> parse_foreign_names(ByteView der);

}  // namespace sallyport::pki
