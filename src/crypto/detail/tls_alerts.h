// What TLS alerts mean to us.
#pragma once

#include <openssl/ssl.h>

namespace sallyport::crypto {

// Whether the peer says by it that it does not want us, rather than that something is wrong with the protocol (RFC 8446
// §6.2).
inline bool is_refusal_alert(int alert) {
  switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_UNRECOGNIZED_NAME:
    case SSL_AD_CERTIFICATE_REQUIRED:
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return true;
    default:
      return false;
  }
}

}  // namespace sallyport::crypto
