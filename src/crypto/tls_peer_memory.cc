#include "crypto/detail/tls_context.h"

namespace sallyport::crypto {
namespace {

// A session of the same cipher about which nothing else is known, as OpenSSL writes it.
Bytes encode_bare_session(const SSL* ssl) {
  const OwnedSslSession bare(SSL_SESSION_new());
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  if (!bare || cipher == nullptr || SSL_SESSION_set_cipher(bare.get(), cipher) != 1 ||
      SSL_SESSION_set_protocol_version(bare.get(), SSL_version(ssl)) != 1) {
    return {};
  }
  const int length = i2d_SSL_SESSION(bare.get(), nullptr);
  if (length <= 0) return {};
  Bytes out(static_cast<std::size_t>(length));
  unsigned char* at = out.data();
  i2d_SSL_SESSION(bare.get(), &at);
  return out;
}

}  // namespace

void drop_peer_certificates(SSL* ssl) {
  if (SSL_get0_peer_certificate(ssl) == nullptr) return;
  const ErrorQueueGuard guard;
  STACK_OF(X509)* issuers = SSL_get_peer_cert_chain(ssl);
  while (X509* issuer = issuers == nullptr ? nullptr : sk_X509_pop(issuers)) X509_free(issuer);
  const Bytes bare = encode_bare_session(ssl);
  const unsigned char* at = bare.data();
  SSL_SESSION* session = SSL_get_session(ssl);
  if (!bare.empty()) d2i_SSL_SESSION(&session, &at, static_cast<long>(bare.size()));
}

}  // namespace sallyport::crypto
