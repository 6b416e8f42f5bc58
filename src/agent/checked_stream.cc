#include "agent/checked_stream.h"

#include <memory>

#include "net/tls_stream.h"

namespace sallyport::agent {

net::Task<Result<CheckedStream>> ServerDialer::connect(ServerTarget target) {
  const auto verified = std::make_shared<std::optional<pki::VerifiedChain>>();
  crypto::TlsClientSettings settings;
  settings.identity = std::move(target.identity);
  settings.alpn = {target.alpn};
  settings.verify_server = [verified, root = state_.root(), name = target.certificate_name,
                            rule = time_.rule()](std::span<const Bytes> der) -> Result<void> {
    TRY(const auto chain, pki::parse_chain(der));
    const pki::Certificate anchors[] = {root};
    TRY(*verified, pki::verify_chain(chain, anchors, pki::ServerPurpose{.name = name}, rule));
    return {};
  };
  CO_TRY(auto context, crypto::TlsContext::client(std::move(settings)));
  const net::Deadline deadline(kDialLimit);
  CO_TRY(auto lower, co_await way_out_.dial_relay(deadline));
  auto opened = co_await net::tls_connect(std::move(lower), std::move(context), target.server_name.get(), deadline);
  if (!opened) co_return std::unexpected(std::move(opened).error().at(target.server_name.get()));
  net::StreamPtr stream = *std::move(opened);
  if (!*verified) co_return fail(Errc::unauthorized, "server: showed no certificate");
  if (stream->peer().alpn != target.alpn) {
    co_return failf(Errc::unauthorized, "{}: did not agree to {}", target.server_name.get(), target.alpn);
  }
  pki::VerifiedChain server = **verified;
  CO_TRY_VOID(co_await check_.check(server, target.certificate_name.get()));
  co_return CheckedStream(std::move(stream), std::move(server));
}

}  // namespace sallyport::agent
