// TLS 1.3 over a non-blocking descriptor: contexts that are made once, sessions that read and write and say what they wait
// for. The peer's certificates go to a verifier of ours; OpenSSL's own verifier is never asked.
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
#include "crypto/key.h"

namespace sallyport::crypto {

// Decides on the peer's certificates, leaf first, DER, as sent. Called during the handshake on the session's thread; returning
// an error ends the handshake with the TLS alert that fits its Errc.
using PeerVerifier = std::function<Result<void>(std::span<const Bytes> chain)>;

// How a server wants a client certificate.
enum class ClientAuth : std::uint8_t { none, optional, required };

struct TlsIdentity {
  std::vector<Bytes> chain;  // DER, leaf first, without the root
  std::shared_ptr<const PrivateKey> key;
};

struct TlsServerSettings {
  TlsIdentity identity;
  std::vector<std::string> alpn;     // accepted protocols in order of preference; empty: no ALPN
  bool require_alpn = false;         // refuse a client that offers none of `alpn`
  ClientAuth client_auth = ClientAuth::none;
  PeerVerifier verify_client;        // must be set unless client_auth is none
  // Which certificate to show for a name; absent: `identity` for every name. An error refuses the name (unrecognized_name).
  std::function<Result<TlsIdentity>(std::string_view server_name)> identity_for;
  bool session_tickets = false;
  bool request_ocsp_stapling = false;
};

struct TlsClientSettings {
  std::optional<TlsIdentity> identity;
  std::vector<std::string> alpn;
  PeerVerifier verify_server;        // must be set
};

// An immutable set of choices for many sessions. Thread-safe. TLS 1.3 only, X25519 and P-256 (X25519MLKEM768 first where the
// library has it), no early data, no renegotiation, buffers released while idle.
class TlsContext {
 public:
  static Result<std::shared_ptr<TlsContext>> server(TlsServerSettings settings);
  static Result<std::shared_ptr<TlsContext>> client(TlsClientSettings settings);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 private:
  friend class TlsSession;
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

  // Each fails with Errc::unauthorized when a certificate was refused (ours or theirs; the verifier's own error is returned
  // whole), Errc::malformed on a protocol fault, Errc::unavailable when the connection broke.
  Result<TlsStep> handshake();
  Result<TlsStep> read(std::span<std::uint8_t> into);
  Result<TlsStep> write(ByteView from);
  // Sends close_notify. The connection may then be closed without waiting for the peer's.
  Result<TlsStep> shutdown();

  // After the handshake. The chain is the peer's, leaf first, empty when it showed none; drop_peer_chain() frees it.
  const std::vector<Bytes>& peer_chain() const;
  void drop_peer_chain();
  std::string_view alpn() const;
  // What the client named in SNI, in the form it was sent; empty when it named nothing.
  std::string_view server_name() const;
  // RFC 8446 §7.5 exporter.
  Result<Bytes> export_keying_material(std::string_view label, std::size_t length) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::crypto
