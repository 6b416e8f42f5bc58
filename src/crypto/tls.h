// TLS 1.3 (1.2 too towards foreign servers) over a non-blocking descriptor: contexts that are made once, sessions that
// read and write and say what they wait for. The peer's certificates go to a verifier of ours; OpenSSL's own verifier
// is never asked.
//
// Writes go through write(2), which raises SIGPIPE when the peer has gone: programs ignore that signal (net/task.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/key.h"
#include "crypto/tls_records.h"

namespace sallyport::crypto {

// What a peer may show; more ends the handshake before the verifier is asked.
inline constexpr std::size_t kMaxPeerCertificates = 10;
inline constexpr std::size_t kMaxPeerChainBytes = 16 * 1024;  // OpenSSL 3.0 takes 0.3 ms for each that it parses
inline constexpr std::size_t kMaxStapledOcsp = 16 * 1024;
inline constexpr std::size_t kMaxClientIssuers = 16;  // of which clients are told, as each of them reads them

// Decides on the peer's certificates, leaf first, DER, as sent. Called during the handshake on the session's thread;
// returning an error ends the handshake with the TLS alert that fits its Errc. A server that wants no certificate, or
// gets none that it did not require, does not call it.
using PeerVerifier = std::function<Result<void>(std::span<const Bytes> chain)>;

// How a server wants a client certificate.
enum class ClientAuth : std::uint8_t { none, optional, required };

struct TlsIdentity {
  std::vector<Bytes> chain;  // DER, leaf first, without the root
  std::shared_ptr<const PrivateKey> key;
};

// A key that both ends hold (RFC 8446 §2.2, external PSK with (EC)DHE), of TLS_AES_256_GCM_SHA384's hash length.
inline constexpr std::size_t kPskBytes = 48;
inline constexpr std::size_t kMaxPskIdentity = 1'024;
using Psk = Secret<kPskBytes>;

// What a client resumes with: a key that it agreed on with the server in an earlier session, the identity under which
// the server finds it again, and the chain that the server showed then, on which the verifier is asked once more. A
// server that does not know the identity makes a full handshake.
struct TlsResumption {
  Bytes identity;  // 1 to kMaxPskIdentity bytes
  Psk key;
  std::vector<Bytes> server_chain;
};

struct TlsServerSettings {
  TlsIdentity identity;
  std::vector<std::string> alpn;  // accepted protocols in order of preference; empty: no ALPN
  bool require_alpn = false;      // refuse a client that offers none of `alpn`
  ClientAuth client_auth = ClientAuth::none;
  PeerVerifier verify_client;  // must be set unless client_auth is none
  // So many clients show certificates that reading one is to take no longer than it must: keys of RSA, EC and Ed25519
  // alone, and a few hundred kilobytes for the process (crypto/detail/tls_library.h).
  bool reads_many_certificates = false;
  // Names of CAs, DER, whose certificates we have: clients are told of them (RFC 8446 §4.2.4), and need not show these.
  std::vector<Bytes> client_issuers;
  // Which certificate to show for a name, in lower case, empty when the client named none; absent: `identity` for every
  // name. An error refuses the name (unrecognized_name) and comes back from handshake(). A malformed name is refused
  // either way.
  std::function<Result<TlsIdentity>(std::string_view server_name)> identity_for;
  // How to treat clients that name this; absent: `client_auth` for every name.
  std::function<ClientAuth(std::string_view server_name)> client_auth_for;
  // The DER OCSP response to staple to the certificate in use; empty: none. Absent: never.
  std::function<Bytes(std::string_view server_name)> ocsp_staple;
  // A resumed session skips the client's certificate, so this excludes client authentication (Errc::conflict).
  bool session_tickets = false;
  // Sessions may forget their handshake (TlsSession::forget_handshake()), for which their traffic secrets are kept
  // until then. Excludes `session_tickets` (Errc::conflict). The sessions of such a context are one thread's.
  bool forgets_handshakes = false;
  // The key of an identity that a client offers; absent, and a full handshake follows, when it is none of ours. A
  // client that holds the key shows no certificate, whatever `client_auth` says: psk_identity() then tells who it is.
  std::function<std::optional<Psk>(ByteView identity)> find_psk;
};

struct TlsClientSettings {
  std::optional<TlsIdentity> identity;
  // Show the leaf of `identity` without the rest of its chain to a server that says it has the leaf's issuer.
  bool leaf_alone_if_known = false;
  std::vector<std::string> alpn;
  PeerVerifier verify_server;  // must be set
  // The server is none of ours: TLS 1.2 will do as well, with an ephemeral key and an AEAD, and RSA with PKCS #1.
  bool foreign_server = false;
  bool request_ocsp_staple = false;
  // Keep the newest ticket per server name in the context and offer it the next time. The verifier is asked again at
  // every resumption, about the chain that the server showed when the session began.
  bool resume = false;
  std::shared_ptr<const TlsResumption> resumption;  // may be empty; excludes `resume` (Errc::conflict)
};

struct TlsCallbacks;

// An immutable set of choices for many sessions. Thread-safe. TLS 1.3 only but for foreign servers, X25519 and P-256
// (X25519MLKEM768 first where the library has it), no early data, no renegotiation, buffers released while idle.
class TlsContext {
 public:
  static Result<std::shared_ptr<TlsContext>> server(TlsServerSettings settings);
  static Result<std::shared_ptr<TlsContext>> client(TlsClientSettings settings);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 private:
  friend class TlsSession;
  friend struct TlsCallbacks;
  struct State;
  explicit TlsContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// What an operation needs before it can go on.
enum class TlsWant : std::uint8_t { nothing, read, write };

// The outcome of one step.
struct TlsStep {
  TlsWant want = TlsWant::nothing;  // nothing: done
  std::size_t bytes = 0;            // read or written
  bool end_of_stream = false;       // the peer sent close_notify
};

// One connection. Borrows the descriptor, which must be non-blocking and outlive it. Not thread-safe.
class TlsSession {
 public:
  // `server_name` is sent as SNI by a client; ignored by a server.
  TlsSession(std::shared_ptr<TlsContext> context, int descriptor, std::string_view server_name = {});
  ~TlsSession();
  TlsSession(TlsSession&&) noexcept;
  TlsSession& operator=(TlsSession&&) noexcept;

  // Each fails with Errc::unauthorized when a certificate was refused (ours or theirs; the verifier's own error is
  // returned whole), Errc::malformed on a protocol fault, Errc::unavailable when the connection broke.
  Result<TlsStep> handshake();
  Result<TlsStep> read(std::span<std::uint8_t> into);
  Result<TlsStep> write(ByteView from);
  // Whether bytes have been received that read() has not looked at yet; the descriptor says nothing of them.
  bool has_pending() const;
  // Sends close_notify. The connection may then be closed without waiting for the peer's.
  Result<TlsStep> shutdown();

  // After the handshake. The chain is the peer's, leaf first; empty when it showed none, or once it has been taken.
  std::vector<Bytes> take_peer_chain();
  std::string_view alpn() const;
  // What the client named in SNI, in lower case; empty when it named nothing.
  std::string_view server_name() const;
  // Whether this session resumed an earlier one.
  bool resumed() const;
  // A server's: under which identity the client resumed; empty when it did not, or by a ticket.
  ByteView psk_identity() const;
  // A client's: whether it has left out the rest of its chain (TlsClientSettings::leaf_alone_if_known).
  bool showed_leaf_alone() const;
  // What the server stapled; empty when it stapled nothing.
  Bytes stapled_ocsp() const;
  // RFC 8446 §7.5 exporter. Errc::unavailable before the handshake is over. `length` is 1 to kMaxTlsExport.
  Result<Bytes> export_keying_material(std::string_view label, std::size_t length) const;

  // Frees all that the handshake has left, which is most of what a connection holds, and goes on with the keys alone:
  // for a server's connections that idle. What is said above "after the handshake" is then empty, but for the server
  // name and keying material. Only right after handshake(), before anything is read or written. Nothing happens unless
  // the context `forgets_handshakes`.
  void forget_handshake();

 private:
  friend struct TlsCallbacks;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::crypto
