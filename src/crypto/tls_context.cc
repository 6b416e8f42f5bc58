#include "crypto/detail/tls_context.h"
#include "crypto/detail/tls_library.h"

namespace sallyport::crypto {
namespace {

// X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem) is known from OpenSSL 3.5 on.
constexpr const char* kHybridGroups = "X25519MLKEM768:X25519:P-256";
constexpr const char* kClassicGroups = "X25519:P-256";
constexpr const char* kSignatureAlgorithms =
    "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ed25519:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384";
// Towards a foreign server that speaks TLS 1.2: RFC 9325 §4.2, and the signatures that such servers make.
constexpr const char* kForeignCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr const char* kForeignSignatureAlgorithms =
    "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ed25519:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:"
    "RSA+SHA256:RSA+SHA384:RSA+SHA512";
constexpr std::size_t kMaxAlpnWire = 1024;

Result<OwnedCertificate> decode_certificate(ByteView der) {
  const unsigned char* at = der.data();
  OwnedCertificate certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!certificate || at != der.data() + der.size()) {
    return fail(Errc::malformed, "tls identity: a certificate of the chain is not one DER certificate");
  }
  return certificate;
}

using OwnedNames =
    Owned<STACK_OF(X509_NAME), [](STACK_OF(X509_NAME) * names) { sk_X509_NAME_pop_free(names, X509_NAME_free); }>;

// Tells clients whose certificates we have.
Result<void> name_issuers(SSL_CTX* context, const std::vector<Bytes>& issuers) {
  if (issuers.size() > kMaxClientIssuers)
    return failf(Errc::malformed, "tls server: {} CAs to be named, want {} or fewer", issuers.size(),
                 kMaxClientIssuers);
  const ErrorQueueGuard guard;
  OwnedNames names(sk_X509_NAME_new_null());
  for (const Bytes& der : issuers) {
    const unsigned char* at = der.data();
    Owned<X509_NAME, X509_NAME_free> name(d2i_X509_NAME(nullptr, &at, static_cast<long>(der.size())));
    if (!name || at != der.data() + der.size())
      return fail(Errc::malformed, "tls server: the name of a CA is not one DER name");
    if (!names || sk_X509_NAME_push(names.get(), name.get()) <= 0) return fail(Errc::internal, "tls server: no memory");
    static_cast<void>(name.release());
  }
  if (!issuers.empty()) SSL_CTX_set0_CA_list(context, names.release());
  return {};
}

Result<std::string> encode_alpn(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const auto& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255)
      return fail(Errc::malformed, "tls: an ALPN name is empty or too long");
    wire += static_cast<char>(protocol.size());
    wire += protocol;
  }
  if (wire.size() > kMaxAlpnWire) return fail(Errc::malformed, "tls: the ALPN list is too long");
  return wire;
}

Result<void> check_resumption(const TlsClientSettings& settings) {
  if (settings.resume) return fail(Errc::conflict, "tls client: tickets and a resumption, want one of the two");
  const std::size_t length = settings.resumption->identity.size();
  if (length == 0 || length > kMaxPskIdentity)
    return failf(Errc::malformed, "tls client: a PSK identity of {} bytes, want 1 to {}", length, kMaxPskIdentity);
  return {};
}

Result<OwnedSslContext> make_context(bool is_server, OSSL_LIB_CTX* library = nullptr) {
  const ErrorQueueGuard guard;
  OwnedSslContext context(SSL_CTX_new_ex(library, nullptr, is_server ? TLS_server_method() : TLS_client_method()));
  SSL_CTX* raw = context.get();
  // OpenSSL's macros want lists that they could write to.
  std::string hybrid_groups(kHybridGroups);
  std::string classic_groups(kClassicGroups);
  std::string signature_algorithms(kSignatureAlgorithms);
  if (raw == nullptr || SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(raw, TLS1_3_VERSION) != 1 ||
      (SSL_CTX_set1_groups_list(raw, hybrid_groups.data()) != 1 &&
       SSL_CTX_set1_groups_list(raw, classic_groups.data()) != 1) ||
      SSL_CTX_set1_sigalgs_list(raw, signature_algorithms.data()) != 1) {
    return fail(Errc::internal, take_openssl_error("tls: no context"));
  }
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_NO_AUTO_CHAIN);  // a leaf that is alone is to stay so
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_clear_options(raw, SSL_OP_ENABLE_KTLS);  // which openssl.cnf may have set: keys stay in this process
  SSL_CTX_set_max_early_data(raw, 0);
  SSL_CTX_set_recv_max_early_data(raw, 0);
  // So that a read returns after each record that was not for the application, and a flood of such keeps nobody
  // waiting.
  SSL_CTX_clear_mode(raw, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_msg_callback(raw, &TlsCallbacks::watch);
  // A server's message holds its stapled answer as well.
  SSL_CTX_set_max_cert_list(raw, static_cast<long>(kMaxPeerChainBytes + (is_server ? 0 : kMaxStapledOcsp)));
  SSL_CTX_set_cert_verify_callback(raw, &TlsCallbacks::verify, nullptr);
  return context;
}

Result<void> allow_tls_1_2(SSL_CTX* context) {
  const ErrorQueueGuard guard;
  std::string signature_algorithms(kForeignSignatureAlgorithms);
  if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context, kForeignCiphers) != 1 ||
      SSL_CTX_set1_sigalgs_list(context, signature_algorithms.data()) != 1) {
    return fail(Errc::internal, take_openssl_error("tls: no context for a foreign server"));
  }
  return {};
}

}  // namespace

int verify_mode(ClientAuth wanted) {
  switch (wanted) {
    case ClientAuth::none:
      return SSL_VERIFY_NONE;
    case ClientAuth::optional:
      return SSL_VERIFY_PEER;
    case ClientAuth::required:
      return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
}

std::string take_openssl_error(std::string_view fallback) {
  const unsigned long code = ERR_get_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? std::string(fallback) : "tls: " + std::string(reason);
}

Result<void> use_identity(SSL_CTX* context, SSL* ssl, const TlsIdentity& identity) {
  const ErrorQueueGuard guard;
  if (identity.chain.empty() || !identity.key) return fail(Errc::malformed, "tls identity: no certificate or no key");
  TRY(auto leaf, decode_certificate(identity.chain.front()));
  Owned<STACK_OF(X509), [](STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }> issuers(sk_X509_new_null());
  for (std::size_t i = 1; i < identity.chain.size(); ++i) {
    TRY(auto issuer, decode_certificate(identity.chain[i]));
    if (!issuers || sk_X509_push(issuers.get(), issuer.get()) <= 0)
      return fail(Errc::internal, "tls identity: no memory");
    static_cast<void>(issuer.release());
  }
  EVP_PKEY* key = identity.key->native();
  const int used = ssl != nullptr ? SSL_use_cert_and_key(ssl, leaf.get(), key, issuers.get(), 1)
                                  : SSL_CTX_use_cert_and_key(context, leaf.get(), key, issuers.get(), 1);
  if (used != 1) return fail(Errc::malformed, take_openssl_error("tls identity: refused") + " (certificate and key)");
  return {};
}

TlsContext::TlsContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::server(TlsServerSettings settings) {
  const bool asks = settings.client_auth != ClientAuth::none || settings.client_auth_for != nullptr;
  if (asks && !settings.verify_client)
    return fail(Errc::conflict, "tls server: client certificates without a verifier");
  if (asks && settings.session_tickets) {
    return fail(Errc::conflict, "tls server: tickets with client certificates, want one of the two");
  }
  if (settings.forgets_handshakes && settings.session_tickets)
    return fail(Errc::conflict, "tls server: tickets of handshakes that are forgotten, want one of the two");
  if (settings.require_alpn && settings.alpn.empty())
    return fail(Errc::conflict, "tls server: ALPN required, none named");
  TRY(auto alpn, encode_alpn(settings.alpn));
  TRY(auto context, make_context(true, settings.reads_many_certificates ? tls_library() : nullptr));
  SSL_CTX* raw = context.get();
  if (!settings.identity.chain.empty() || !settings.identity_for) {
    TRY_VOID(use_identity(raw, nullptr, settings.identity));
  }
  TRY_VOID(name_issuers(raw, settings.client_issuers));
  SSL_CTX_set_verify(raw, verify_mode(settings.client_auth), nullptr);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  if (settings.session_tickets) {
    SSL_CTX_set_num_tickets(raw, 1);
  } else {
    SSL_CTX_set_num_tickets(raw, 0);
    SSL_CTX_set_options(raw, SSL_OP_NO_TICKET);
  }
  if (settings.find_psk) {
    // OpenSSL resumes nothing where client certificates are asked for and no session is told apart from another.
    const ByteView context_id = as_bytes("sallyport");
    SSL_CTX_set_session_id_context(raw, context_id.data(), static_cast<unsigned>(context_id.size()));
    SSL_CTX_set_psk_find_session_callback(raw, &TlsCallbacks::find_psk);
  }
  SSL_CTX_set_tlsext_servername_callback(raw, &TlsCallbacks::select_name);
  if (settings.require_alpn) SSL_CTX_set_client_hello_cb(raw, &TlsCallbacks::require_alpn, nullptr);
  if (!settings.alpn.empty()) SSL_CTX_set_alpn_select_cb(raw, &TlsCallbacks::select_alpn, nullptr);
  if (settings.ocsp_staple) SSL_CTX_set_tlsext_status_cb(raw, &TlsCallbacks::staple);

  auto state = std::make_unique<State>();
  state->context = std::move(context);
  state->is_server = true;
  state->server = std::move(settings);
  state->alpn_wire = std::move(alpn);
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(state)));
}

Result<std::shared_ptr<TlsContext>> TlsContext::client(TlsClientSettings settings) {
  if (!settings.verify_server) return fail(Errc::conflict, "tls client: no verifier for the server");
  if (settings.resumption) TRY_VOID(check_resumption(settings));
  TRY(auto alpn, encode_alpn(settings.alpn));
  TRY(auto context, make_context(false));
  SSL_CTX* raw = context.get();
  if (settings.foreign_server) TRY_VOID(allow_tls_1_2(raw));
  if (settings.identity) TRY_VOID(use_identity(raw, nullptr, *settings.identity));
  if (settings.leaf_alone_if_known) SSL_CTX_set_cert_cb(raw, &TlsCallbacks::choose_chain, nullptr);
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
  // SSL_CTX_set_alpn_protos returns 0 for success.
  if (!alpn.empty() && SSL_CTX_set_alpn_protos(raw, as_bytes(alpn).data(), static_cast<unsigned>(alpn.size())) != 0) {
    return fail(Errc::internal, take_openssl_error("tls client: ALPN refused"));
  }
  if (settings.request_ocsp_staple) SSL_CTX_set_tlsext_status_type(raw, TLSEXT_STATUSTYPE_ocsp);
  if (settings.resumption) SSL_CTX_set_psk_use_session_callback(raw, &TlsCallbacks::use_psk);
  if (settings.resume) {
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(raw, &TlsCallbacks::remember);
  } else {
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  }

  auto state = std::make_unique<State>();
  state->context = std::move(context);
  state->client = std::move(settings);
  state->alpn_wire = std::move(alpn);
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(state)));
}

}  // namespace sallyport::crypto
