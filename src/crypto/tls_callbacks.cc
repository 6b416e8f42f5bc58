#include <algorithm>

#include <openssl/ocsp.h>

#include "base/names.h"
#include "codec/text.h"
#include "crypto/detail/tls_context.h"

namespace sallyport::crypto {
namespace {

// The verify_result that makes OpenSSL send the fitting alert.
int verify_result_for(Errc code) {
  switch (code) {
    case Errc::malformed:
      return X509_V_ERR_CERT_REJECTED;  // bad_certificate
    case Errc::unauthorized:
    case Errc::conflict:
      return X509_V_ERR_CERT_UNTRUSTED;  // bad_certificate
    case Errc::not_found:
      return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT;  // unknown_ca
    case Errc::expired:
      return X509_V_ERR_CERT_HAS_EXPIRED;  // certificate_expired
    case Errc::overloaded:
    case Errc::unavailable:
    case Errc::not_yet:
    case Errc::internal:
      return X509_V_ERR_UNSPECIFIED;  // internal_error
  }
  return X509_V_ERR_UNSPECIFIED;
}

Result<std::vector<Bytes>> encode_chain(const STACK_OF(X509) * certificates) {
  const int count = certificates == nullptr ? 0 : sk_X509_num(certificates);
  if (count <= 0) return fail(Errc::unauthorized, "tls: the peer showed no certificate");
  if (static_cast<std::size_t>(count) > kMaxPeerCertificates) {
    return failf(Errc::malformed, "tls: {} peer certificates, want {} or fewer", count, kMaxPeerCertificates);
  }
  std::vector<Bytes> chain;
  std::size_t total = 0;
  for (int i = 0; i < count; ++i) {
    const int length = i2d_X509(sk_X509_value(certificates, i), nullptr);
    if (length <= 0) return fail(Errc::malformed, "tls: a peer certificate cannot be encoded");
    total += static_cast<std::size_t>(length);
    if (total > kMaxPeerChainBytes) return failf(Errc::malformed, "tls: peer chain above {} bytes", kMaxPeerChainBytes);
    Bytes der(static_cast<std::size_t>(length));
    unsigned char* out = der.data();
    i2d_X509(sk_X509_value(certificates, i), &out);
    chain.push_back(std::move(der));
  }
  return chain;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Runs a callback that may throw; what it threw becomes an error.
template <class Call>
Result<void> guarded(Call call) {
  try {
    return call();
  } catch (const std::exception& error) {
    return failf(Errc::internal, "tls: a callback failed: {}", error.what());
  }
}

}  // namespace

TlsSession::State& TlsCallbacks::session_of(const SSL* ssl) {
  return *static_cast<TlsSession::State*>(SSL_get_app_data(ssl));
}

TlsContext::State& TlsCallbacks::context_of(const TlsSession::State& session) {
  return *session.context->state_;
}

Result<void> TlsCallbacks::ask_verifier(const TlsContext::State& context, std::span<const Bytes> chain) {
  const auto& verifier = context.is_server ? context.server.verify_client : context.client.verify_server;
  if (!verifier) return fail(Errc::unauthorized, "tls: nobody verifies the peer's certificate");
  return verifier(chain);
}

Result<void> TlsCallbacks::verify_chain(TlsSession::State& session, const STACK_OF(X509) * certificates) {
  TRY(session.chain, encode_chain(certificates));
  const auto& context = context_of(session);
  TRY_VOID(ask_verifier(context, session.chain));
  if (context.client.resume) session.remembered_chain = session.chain;
  return {};
}

int TlsCallbacks::verify(X509_STORE_CTX* store, void*) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& session = session_of(ssl);
  auto verified = guarded([&] { return verify_chain(session, X509_STORE_CTX_get0_untrusted(store)); });
  if (verified) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }
  X509_STORE_CTX_set_error(store, verify_result_for(verified.error().code));
  session.refusal = std::move(verified).error();
  return 0;
}

// SSL_CTX_set_alpn_select_cb is not asked when the client sends no ALPN extension at all.
int TlsCallbacks::require_alpn(SSL* ssl, int* alert, void*) {
  const unsigned char* extension = nullptr;
  std::size_t length = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &extension, &length) == 1) {
    return SSL_CLIENT_HELLO_SUCCESS;
  }
  session_of(ssl).refusal = Error{Errc::unauthorized, "tls: the client offers no application protocol"};
  *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  return SSL_CLIENT_HELLO_ERROR;
}

Result<void> TlsCallbacks::choose_for_name(TlsSession::State& session, SSL* ssl) {
  const char* sent = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (sent != nullptr) {
    std::string name(sent);
    std::ranges::transform(name, name.begin(), lower);
    auto parsed = parse_dns_name(name);
    if (!parsed) return std::unexpected<Error>(std::move(parsed).error().at("tls server name"));
    session.server_name = std::move(name);
  }
  const auto& settings = context_of(session).server;
  if (settings.identity_for) {
    TRY(auto identity, settings.identity_for(session.server_name));
    TRY_VOID(use_identity(nullptr, ssl, identity));
  }
  if (settings.client_auth_for) {
    SSL_set_verify(ssl, verify_mode(settings.client_auth_for(session.server_name)), nullptr);
  }
  return {};
}

int TlsCallbacks::select_name(SSL* ssl, int* alert, void*) {
  auto& session = session_of(ssl);
  if (!context_of(session).is_server) return SSL_TLSEXT_ERR_OK;
  auto chosen = guarded([&] { return choose_for_name(session, ssl); });
  if (chosen) return session.server_name.empty() ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_OK;
  session.refusal = std::move(chosen).error();
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int TlsCallbacks::select_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
                              unsigned in_length, void*) {
  auto& session = session_of(ssl);
  const auto& context = context_of(session);
  const auto ours = as_bytes(context.alpn_wire);
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, ours.data(), static_cast<unsigned>(ours.size()), in, in_length) ==
      OPENSSL_NPN_NEGOTIATED) {
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
  }
  if (!context.server.require_alpn) return SSL_TLSEXT_ERR_NOACK;
  session.refusal = Error{Errc::unauthorized, "tls: the client offers none of our application protocols"};
  return SSL_TLSEXT_ERR_ALERT_FATAL;  // no_application_protocol
}

int TlsCallbacks::staple(SSL* ssl, void*) {
  const auto& session = session_of(ssl);
  Bytes answer;
  auto made = guarded([&]() -> Result<void> {
    answer = context_of(session).server.ocsp_staple(session.server_name);
    return {};
  });
  if (!made || answer.empty() || answer.size() > kMaxStapledOcsp) return SSL_TLSEXT_ERR_NOACK;
  void* copy = OPENSSL_memdup(answer.data(), answer.size());
  if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(answer.size()));  // takes the copy
  return SSL_TLSEXT_ERR_OK;
}

void TlsCallbacks::watch(int written, int, int content_type, const void* message, std::size_t length, SSL* ssl, void*) {
  if (content_type != SSL3_RT_HANDSHAKE || length == 0) return;
  const auto type = *static_cast<const unsigned char*>(message);
  if (written == 0 && type == SSL3_MT_KEY_UPDATE) ++session_of(ssl).key_updates;
  if (written == 1 && type == SSL3_MT_FINISHED) begin_keeping_secrets(session_of(ssl));
}

// OpenSSL spells each secret in 80 calls of sprintf() for it, so those before a server's Finished are left out.
void TlsCallbacks::begin_keeping_secrets(TlsSession::State& session) {
  const auto& context = context_of(session);
  session.keeps_secrets = context.is_server && context.server.forgets_handshakes;
  if (session.keeps_secrets) SSL_CTX_set_keylog_callback(context.context.get(), &TlsCallbacks::keep_secret);
}

// The line is "LABEL client-random secret", both in hexadecimal digits.
void TlsCallbacks::keep_secret(const SSL* ssl, const char* line) {
  auto& state = session_of(ssl);
  const std::string_view text(line);
  const std::string_view label = text.substr(0, text.find(' '));
  if (!state.secrets) state.secrets = std::make_unique<TlsSecrets>();
  SecretBytes* const place = label == "CLIENT_TRAFFIC_SECRET_0"   ? &state.secrets->receive
                             : label == "SERVER_TRAFFIC_SECRET_0" ? &state.secrets->send
                             : label == "EXPORTER_SECRET"         ? &state.secrets->exporter
                                                                  : nullptr;
  if (place == nullptr) return;
  auto secret = codec::decode_hex(text.substr(text.rfind(' ') + 1));
  if (secret) *place = SecretBytes(*std::move(secret));
}

// A client's, before its certificate leaves, where the server wants one. Names are compared as RFC 5280 §7.1 has it; of
// two CAs with one name the server may have the other.
int TlsCallbacks::choose_chain(SSL* ssl, void*) {
  const X509* leaf = SSL_get_certificate(ssl);
  const STACK_OF(X509_NAME)* known = SSL_get0_peer_CA_list(ssl);
  if (leaf == nullptr || known == nullptr) return 1;
  for (int i = 0; i < sk_X509_NAME_num(known); ++i) {
    if (X509_NAME_cmp(sk_X509_NAME_value(known, i), X509_get_issuer_name(leaf)) != 0) continue;
    if (SSL_clear_chain_certs(ssl) != 1) return 0;
    session_of(ssl).showed_leaf_alone = true;
    return 1;
  }
  return 1;
}

int TlsCallbacks::remember(SSL* ssl, SSL_SESSION* ticket) {
  const auto& session = session_of(ssl);
  if (session.remembered_chain.empty() || session.server_name.empty()) return 0;
  auto& context = context_of(session);
  const std::lock_guard lock(context.sessions_mutex);
  if (!context.sessions.contains(session.server_name) && context.sessions.size() >= kMaxRememberedSessions) return 0;
  context.sessions[session.server_name] = RememberedSession{OwnedSslSession(ticket), session.remembered_chain};
  return 1;  // the reference is ours now
}

// RFC 8446 §4.2.11: the cipher suite's hash belongs to the key. Null when OpenSSL has no memory.
OwnedSslSession TlsCallbacks::session_with(SSL* ssl, const Psk& key) {
  constexpr std::array<unsigned char, 2> kAes256GcmSha384{0x13, 0x02};
  const SSL_CIPHER* cipher = SSL_CIPHER_find(ssl, kAes256GcmSha384.data());
  OwnedSslSession session(SSL_SESSION_new());
  if (!session || cipher == nullptr) return nullptr;
  const bool made = SSL_SESSION_set1_master_key(session.get(), key.expose().data(), key.expose().size()) == 1 &&
                    SSL_SESSION_set_cipher(session.get(), cipher) == 1 &&
                    SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION) == 1;
  return made ? std::move(session) : nullptr;
}

int TlsCallbacks::find_psk(SSL* ssl, const unsigned char* identity, std::size_t length, SSL_SESSION** session) {
  *session = nullptr;
  auto& state = session_of(ssl);
  if (length == 0 || length > kMaxPskIdentity) return 1;
  auto found = guarded([&]() -> Result<void> {
    const ByteView name(identity, length);
    const auto key = context_of(state).server.find_psk(name);
    if (!key) return {};
    *session = session_with(ssl, *key).release();
    state.psk_identity = to_bytes(name);
    return {};
  });
  if (found) return 1;
  state.refusal = std::move(found).error();
  return 0;
}

int TlsCallbacks::use_psk(SSL* ssl, const EVP_MD*, const unsigned char** identity, std::size_t* length,
                          SSL_SESSION** session) {
  const auto& resumption = *context_of(session_of(ssl)).client.resumption;
  *session = session_with(ssl, resumption.key).release();
  *identity = resumption.identity.data();
  *length = resumption.identity.size();
  return *session != nullptr ? 1 : 0;
}

}  // namespace sallyport::crypto
