// TLS over a socket stream. The handshake is part of the opening: a TLS stream that exists has proven its peer.
#pragma once

#include <memory>
#include <string>

#include "crypto/tls.h"
#include "net/raw_socket.h"
#include "net/stream.h"

namespace sallyport::net {

// Each takes a TCP or Unix stream over (a pipe is Errc::conflict) and returns what carries its inside; peer() then has
// chain, ALPN and server name. The verifier's error comes back whole; the lower stream is closed on any error.
Task<Result<StreamPtr>> tls_connect(StreamPtr lower, std::shared_ptr<crypto::TlsContext> context,
                                    std::string server_name, Deadline deadline);
Task<Result<StreamPtr>> tls_accept(StreamPtr lower, std::shared_ptr<crypto::TlsContext> context, Deadline deadline);
// On what was looked at before.
Task<Result<StreamPtr>> tls_accept(std::unique_ptr<RawSocket> lower, std::shared_ptr<crypto::TlsContext> context,
                                   Deadline deadline);

// Frees the peer's certificates, which peer() shows until then, once they have been looked at, and all else that
// TlsSession::forget_handshake() does, if nothing was read or written yet: a server of many idle connections needs the
// memory. Nothing happens for any other stream.
void forget_handshake(Stream& stream);

// RFC 8446 §7.5 exporter and the stapled OCSP answer of a stream that tls_connect or tls_accept made; Errc::conflict
// for any other.
Result<Bytes> export_keying_material(const Stream& stream, std::string_view label, std::size_t length);
Result<Bytes> stapled_ocsp(const Stream& stream);
// Whether a TLS stream resumed an earlier session; false for any other.
bool is_resumed(const Stream& stream);
// Whether a client of TLS has shown its leaf without the rest of its chain; false for any other.
bool showed_leaf_alone(const Stream& stream);
// TlsSession::psk_identity() of a TLS stream, which lives as long as it; empty for any other.
ByteView psk_identity(const Stream& stream);

}  // namespace sallyport::net
