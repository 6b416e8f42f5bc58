// What a TLS context holds besides OpenSSL's own state, shared by tls_context.cc and tls_session.cc.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <openssl/ssl.h>

#include "crypto/detail/evp.h"
#include "crypto/detail/tls_record_io.h"
#include "crypto/tls.h"

namespace sallyport::crypto {

using OwnedSslContext = Owned<SSL_CTX, SSL_CTX_free>;
using OwnedSsl = Owned<SSL, SSL_free>;
using OwnedSslSession = Owned<SSL_SESSION, SSL_SESSION_free>;
using OwnedCertificate = Owned<X509, X509_free>;

// The most server names whose tickets a client context keeps.
inline constexpr std::size_t kMaxRememberedSessions = 16;

// What a client needs to resume: the ticket, and the chain on which the verifier is asked again.
struct RememberedSession {
  OwnedSslSession session;
  std::vector<Bytes> chain;
};

struct TlsContext::State {
  OwnedSslContext context;
  bool is_server = false;
  TlsServerSettings server;
  TlsClientSettings client;
  std::string alpn_wire;  // RFC 7301 §3.1: u8 length | name, repeated

  std::mutex sessions_mutex;
  std::map<std::string, RememberedSession, std::less<>> sessions;  // by server name; guarded by sessions_mutex
};

// What the callbacks of one session read and leave behind; OpenSSL carries a pointer to it (SSL_get_app_data).
struct TlsSession::State {
  // Something is read or written behind the handshake: it can no longer be forgotten.
  void use() { secrets.reset(); }

  std::shared_ptr<TlsContext> context;
  OwnedSsl ssl;                            // null once the handshake is forgotten
  std::unique_ptr<TlsSecrets> secrets;     // of a server that forgets handshakes, until it does
  std::unique_ptr<TlsRecordIo> record_io;  // set once the handshake is forgotten
  std::vector<Bytes> chain;
  std::vector<Bytes> remembered_chain;
  std::string server_name;
  Bytes psk_identity;
  std::optional<Error> refusal;  // why a callback of ours ended the handshake
  std::size_t key_updates = 0;   // of the peer
  bool established = false;
  bool keeps_secrets = false;  // those that follow belong to what comes after the handshake
  bool showed_leaf_alone = false;
  bool write_closed = false;
  bool broken = false;  // after a fatal fault OpenSSL must not be called again
};

// What OpenSSL calls during a handshake. No exception leaves them: OpenSSL is C and must not be unwound.
struct TlsCallbacks {
  static int verify(X509_STORE_CTX* store, void* unused);
  static int require_alpn(SSL* ssl, int* alert, void* unused);
  static int select_name(SSL* ssl, int* alert, void* unused);
  static int select_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
                         unsigned in_length, void* unused);
  static int staple(SSL* ssl, void* unused);
  // Sees every message: counts the peer's key updates, and notes a server's Finished.
  static void watch(int written, int version, int content_type, const void* message, std::size_t length, SSL* ssl,
                    void* unused);
  // Has keep_secret() called until the present step of the handshake is over.
  static void begin_keeping_secrets(TlsSession::State& session);
  // Sees secrets (SSL_CTX_set_keylog_callback); keeps those under which the connection goes on.
  static void keep_secret(const SSL* ssl, const char* line);
  static int choose_chain(SSL* ssl, void* unused);
  static int remember(SSL* ssl, SSL_SESSION* session);
  static int find_psk(SSL* ssl, const unsigned char* identity, std::size_t length, SSL_SESSION** session);
  static int use_psk(SSL* ssl, const EVP_MD* digest, const unsigned char** identity, std::size_t* length,
                     SSL_SESSION** session);

  // Asks the verifier that the session's context has.
  static Result<void> ask_verifier(const TlsContext::State& context, std::span<const Bytes> chain);
  static OwnedSslSession session_with(SSL* ssl, const Psk& key);
  static TlsSession::State& session_of(const SSL* ssl);
  static TlsContext::State& context_of(const TlsSession::State& session);
  static Result<void> verify_chain(TlsSession::State& session, const STACK_OF(X509) * certificates);
  static Result<void> choose_for_name(TlsSession::State& session, SSL* ssl);
};

// The SSL_VERIFY_* flags for `wanted`.
int verify_mode(ClientAuth wanted);
// Reads and forgets the oldest entry of the thread's error queue; `fallback` when there is none.
std::string take_openssl_error(std::string_view fallback);
// Shows `identity` in the sessions of `context`, or in `ssl` alone.
Result<void> use_identity(SSL_CTX* context, SSL* ssl, const TlsIdentity& identity);

}  // namespace sallyport::crypto
