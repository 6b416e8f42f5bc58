#include "rpc_https.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "http/client.h"
#include "net/connect.h"
#include "net/run.h"
#include "net/tls_stream.h"

namespace sallyport::cli {
namespace {

constexpr std::int64_t kMaxHttpsTimeout = 600;

// Sends the call and returns the answer, whatever its status.
net::Task<Result<http::Response>> exchange(const RpcTarget& target, std::shared_ptr<crypto::TlsContext> context,
                                           const sealed::CallId& id, std::string json) {
  const net::Deadline deadline(target.timeout);
  CO_TRY(auto plain, co_await net::connect_tcp(*target.https, deadline));
  const std::string name = target.device.get();
  CO_TRY(auto stream, co_await net::tls_connect(std::move(plain), std::move(context), name, deadline));
  http::Client client(std::move(stream), net::to_string(*target.https));
  http::Request request = http::post("/rpc", "application/json", to_bytes(json));
  request.headers.add("Idempotency-Key", sealed::to_text(id));
  const std::int64_t limit =
      std::clamp<std::int64_t>(std::chrono::ceil<seconds>(target.timeout).count(), 1, kMaxHttpsTimeout);
  request.headers.add("Sallyport-Timeout", std::to_string(limit));
  co_return co_await client.send(std::move(request), deadline, sealed::kMaxMessageBytes);
}

Result<std::shared_ptr<crypto::TlsContext>> make_context(const RpcTarget& target, const Clock& clock) {
  crypto::TlsClientSettings settings;
  settings.identity = target.identity->tls();
  settings.alpn = {"http/1.1"};
  settings.verify_server = [&target, &clock](std::span<const Bytes> chain) -> Result<void> {
    TRY(const auto shown, target.identity->name(std::vector<Bytes>(chain.begin(), chain.end()), clock.now()));
    const std::string& who = shown.principal.get();
    if (who != "device:" + target.device.get())
      return failf(Errc::unauthorized, "server: is {}, want device {}", who, target.device.get());
    return {};
  };
  return crypto::TlsContext::client(std::move(settings));
}

Try<sealed::ReplyBody> reply_of(const http::Response& response) {
  using sealed::ReplyBody;
  using sealed::ReplyStatus;
  const std::string body(as_text(response.body));
  switch (response.status) {
    case 200:
      return ReplyBody{.status = ReplyStatus::done, .json = body};
    case 204:
      return ReplyBody{.status = ReplyStatus::done};
    case 202:
      return ReplyBody{.status = ReplyStatus::accepted};
    case 409:
      return ReplyBody{.status = ReplyStatus::outcome_unknown};
    case 503:
      return ReplyBody{.status = ReplyStatus::overloaded, .after = seconds(5)};
    default:
      return std::unexpected(
          Failure({Errc::unauthorized, fmt::format("node: answered {}: {}", response.status, log::escape(body))},
                  ExitStatus::refused));
  }
}

}  // namespace

Try<sealed::ReplyBody> call_over_https(const RpcTarget& target, const sealed::CallId& id, std::string json,
                                       Environment& environment) {
  TRY(auto context, make_context(target, environment.clock));
  net::Io io;
  auto response = net::run(io, exchange(target, std::move(context), id, std::move(json)));
  if (!response) return std::unexpected(Failure({Errc::internal, "call: ended without an answer"}, ExitStatus::failed));
  if (!*response) {
    const bool refused = response->error().code == Errc::unauthorized;
    return std::unexpected(
        Failure(std::move(*response).error(), refused ? ExitStatus::refused : ExitStatus::unreachable));
  }
  return reply_of(**response);
}

}  // namespace sallyport::cli
