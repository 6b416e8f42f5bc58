// What OpenVPN hands to a program that it asks about its peer (openvpn(8): --tls-verify with --tls-export-cert).
#pragma once

#include <optional>
#include <string>

#include "base/time.h"
#include "pki/certificate.h"

namespace sallyport::agent {

struct OpenvpnPeer {
  std::string depth;   // first argument: "0" for the peer itself, more for a CA above it
  std::string file;    // environment, peer_cert: where the certificate of that depth lies as PEM
  std::string sha256;  // environment, tls_digest_sha256_0: fingerprint of the peer's certificate, "4c:1f:…"
};

// The certificate that OpenVPN shakes hands with; absent when it asks about a CA, which is judged with the peer below
// it. Whatever is missing is an error, and so is a file that holds another certificate than OpenVPN has seen: Errc::
// malformed or unauthorized, with what the configuration lacks.
Result<std::optional<pki::Certificate>> read_openvpn_peer(const OpenvpnPeer& peer);

// Ends the process after `limit` with a line on standard error and exit status 5, whatever it is doing, a system call
// that looks a name up too: OpenVPN waits for it and serves nobody meanwhile.
void end_openvpn_hook_after(seconds limit);

}  // namespace sallyport::agent
