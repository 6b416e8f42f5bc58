// OpenSSL's default provider, with nothing for libssl to choose among but what TLS with our settings needs. OpenSSL 3.0
// walks every decoder and every key manager of a library context for each certificate that a peer shows, which takes
// four fifths of the time of reading it.
#pragma once

#include <openssl/types.h>

namespace sallyport::crypto {

// The library context for TLS contexts whose peers show certificates, made once per process and kept; null, which means
// OpenSSL's own, where that has another provider than the default one (a FIPS module, say). All algorithms are those of
// the default provider: this hands its tables on and leaves entries out, so that what is missing fails.
OSSL_LIB_CTX* tls_library();

}  // namespace sallyport::crypto
