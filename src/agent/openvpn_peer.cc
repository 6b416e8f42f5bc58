#include "agent/openvpn_peer.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "codec/text.h"
#include "keystore/file.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kMaxPeerFile = 4 * pki::kMaxCertificateBytes;
constexpr std::size_t kMaxDepthDigits = 4;

Result<bool> is_about_a_ca(std::string_view depth) {
  const bool is_number = !depth.empty() && depth.size() <= kMaxDepthDigits &&
                         std::ranges::all_of(depth, [](char c) { return c >= '0' && c <= '9'; });
  if (!is_number || (depth.size() > 1 && depth.front() == '0'))
    return fail(Errc::malformed, "openvpn: found no depth of a certificate as first argument, want it from tls-verify");
  return depth != "0";
}

// The exit status of both programs for who does not answer.
constexpr int kUnreachableStatus = 5;

// Nothing but what a signal handler may do.
void give_up(int /*signal*/) {
  constexpr std::string_view kLine = "openvpn: no answer in time, the peer is refused\n";
  static_cast<void>(!::write(STDERR_FILENO, kLine.data(), kLine.size()));
  ::_exit(kUnreachableStatus);
}

}  // namespace

void end_openvpn_hook_after(seconds limit) {
  static_cast<void>(std::signal(SIGALRM, give_up));
  ::alarm(static_cast<unsigned>(limit.count()));
}

Result<std::optional<pki::Certificate>> read_openvpn_peer(const OpenvpnPeer& peer) {
  TRY(const bool is_ca, is_about_a_ca(peer.depth));
  if (is_ca) return std::nullopt;
  if (peer.file.empty()) {
    return fail(Errc::malformed,
                "openvpn: found no peer_cert in the environment, want tls-export-cert in the configuration");
  }
  if (peer.sha256.empty())
    return fail(Errc::malformed, "openvpn: found no tls_digest_sha256_0 in the environment, want it from OpenVPN");
  TRY(const auto pem, keystore::read_file(peer.file, kMaxPeerFile));
  auto parsed = pki::parse_certificates_pem(as_text(pem), 1);
  if (!parsed) return std::unexpected(std::move(parsed).error().at("openvpn: the peer's certificate"));
  std::string seen = peer.sha256;
  std::erase(seen, ':');
  std::ranges::transform(seen, seen.begin(),
                         [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c | 0x20) : c; });
  if (seen != codec::encode_hex(parsed->front().fingerprint())) {
    return fail(Errc::unauthorized,
                "openvpn: found another certificate in peer_cert than tls_digest_sha256_0 tells, want the same");
  }
  return parsed->front();
}

}  // namespace sallyport::agent
