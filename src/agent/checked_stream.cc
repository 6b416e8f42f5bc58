#include "agent/checked_stream.h"

#include <algorithm>
#include <memory>

#include "base/log.h"
#include "net/tls_stream.h"
#include "pki/root_chain.h"
#include "tunnel/frames.h"

namespace sallyport::agent {

// What the handshake proved.
struct ServerDialer::Proof {
  std::optional<pki::VerifiedChain> server;
  std::vector<pki::Certificate> known;    // what was trusted when the connection began
  std::vector<pki::Certificate> anchors;  // what the server's links leave to be trusted
};

crypto::TlsClientSettings ServerDialer::settings_for(const ServerTarget& target, std::shared_ptr<Proof> proof) const {
  proof->known = state_.anchors();
  crypto::TlsClientSettings settings;
  settings.identity = target.identity;
  settings.leaf_alone_if_known = target.leaf_alone;
  settings.alpn = {target.alpn};
  settings.verify_server = [proof = std::move(proof), name = target.certificate_name,
                            rule = time_.rule()](std::span<const Bytes> der) -> Result<void> {
    TRY(const auto chain, pki::parse_chain(der));
    const auto& known = proof->known;
    proof->anchors = pki::follow_root_links(known, chain, rule);
    auto verified = pki::verify_chain(chain, proof->anchors, pki::ServerPurpose{.name = name}, rule);
    // A server that shows new roots and is none of theirs takes no old one away.
    if (!verified && proof->anchors != known) {
      proof->anchors = known;
      verified = pki::verify_chain(chain, known, pki::ServerPurpose{.name = name}, rule);
    }
    if (!verified) return std::unexpected(std::move(verified).error());
    proof->server = *std::move(verified);
    return {};
  };
  return settings;
}

// What the server does not show any more is forgotten, but for the root above our own credential: a server whose key
// was stolen may hide it, and renewals would fail until the CA below it gives way.
Result<void> ServerDialer::keep_roots(const Proof& proof) {
  std::vector<pki::Certificate> kept = proof.anchors;
  for (const pki::Certificate& root : proof.known) {
    if (std::ranges::find(kept, root) != kept.end() || kept.size() >= pki::kMaxAnchorsInUse) continue;
    TRY(const bool is_needed, state_.has_credential_below(root));
    if (is_needed) kept.push_back(root);
  }
  return state_.take_anchors(std::move(kept));
}

net::Task<Result<CheckedStream>> ServerDialer::connect(ServerTarget target) {
  auto resumption = target.resumes ? resumptions_.find(target.identity.chain.front()) : nullptr;
  const bool resumes = resumption != nullptr;
  auto checked = co_await connect_and_check(std::move(target), std::move(resumption));
  if (resumes && !checked) resumptions_.failed(checked.error());
  co_return checked;
}

net::Task<Result<CheckedStream>> ServerDialer::connect_and_check(
    ServerTarget target, std::shared_ptr<const crypto::TlsResumption> resumption) {
  const auto proof = std::make_shared<Proof>();
  TlsWanted wanted{.settings = settings_for(target, proof), .server_name = target.server_name.get(), .anchors = {}};
  // A server that has shown another chain since, or none that is good by now, is met as a stranger.
  if (resumption && !wanted.settings.verify_server(resumption->server_chain)) {
    resumptions_.forget();
    resumption.reset();
  }
  wanted.settings.resumption = std::move(resumption);
  wanted.anchors = proof->known;
  CO_TRY(Reached reached, co_await way_out_.connect_tls(std::move(wanted), time_.monotonic()));
  if (!proof->server) co_return fail(Errc::unauthorized, "server: showed no certificate");
  if (reached.stream->peer().alpn != target.alpn) {
    co_return failf(Errc::unauthorized, "{}: did not agree to {}", target.server_name.get(), target.alpn);
  }
  pki::VerifiedChain server = *proof->server;
  const auto good = co_await check_.check(server, target.certificate_name.get(), proof->anchors);
  if (!good && good.error().code == Errc::unauthorized && net::is_resumed(*reached.stream)) resumptions_.forget();
  if (!good) co_return std::unexpected(good.error());
  // One that began before another led on leads nobody back. Nothing is lost when it fails: the next proves the same.
  if (state_.anchors() == proof->known) {
    if (auto kept = keep_roots(*proof); !kept) log::warn("agent.roots-not-stored", {{"error", kept.error()}});
  }
  co_return CheckedStream(std::move(reached), std::move(server));
}

net::Task<Result<net::StreamPtr>> ServerDialer::connect_for_data(std::size_t way, DnsName server_name,
                                                                 net::Deadline deadline, net::SocketOptions socket) {
  crypto::TlsClientSettings settings;
  settings.alpn = {std::string(tunnel::kDataAlpn)};
  settings.verify_server = [anchors = state_.anchors(), name = state_.settings().server_name("relay"),
                            rule = time_.rule()](std::span<const Bytes> der) -> Result<void> {
    TRY(const auto chain, pki::parse_chain(der));
    TRY_VOID(pki::verify_chain(chain, anchors, pki::ServerPurpose{.name = name}, rule));
    return {};
  };
  CO_TRY(auto context, crypto::TlsContext::client(std::move(settings)));
  CO_TRY(auto lower, co_await way_out_.dial(way, deadline, socket));
  co_return co_await net::tls_connect(std::move(lower), std::move(context), server_name.get(), deadline);
}

}  // namespace sallyport::agent
