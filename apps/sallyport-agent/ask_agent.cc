#include "commands.h"
#include "http/client.h"
#include "net/connect.h"
#include "net/io.h"
#include "net/run.h"

namespace sallyport::agent_cli {
namespace {

// A socket without a listener is what a killed agent leaves behind. Only what fails before a word was sent may be done
// again in another way: an agent that dies over its answer may have done what it was asked.
Error nobody_runs(Error cause, const std::filesystem::path& socket) {
  if (cause.code != Errc::not_found && cause.code != Errc::unavailable) return cause;
  return {Errc::not_found, fmt::format("{}: no agent runs here, start it: sallyport-agent run --state {}",
                                       socket.native(), socket.parent_path().parent_path().native())};
}

net::Task<Result<http::Response>> exchange(std::string path, http::Request request, milliseconds limit) {
  const net::Deadline deadline(limit);
  auto stream = co_await net::connect_unix(path, deadline);
  if (!stream) co_return std::unexpected(nobody_runs(std::move(stream).error(), path));
  http::Client client(*std::move(stream), "agent");
  co_return co_await client.send(std::move(request), deadline);
}

}  // namespace

Result<std::string> ask_agent(const std::filesystem::path& state, const std::string& method, const std::string& target,
                              std::string body, milliseconds limit) {
  http::Request request;
  request.method = method;
  request.target = target;
  request.body = to_bytes(std::string_view(body));
  if (!body.empty()) request.headers.set("Content-Type", "application/json");
  net::Io io;
  auto answered = net::run(io, exchange((state / "run" / "agent.sock").native(), std::move(request), limit));
  if (!answered) return fail(Errc::internal, "agent: the exchange was interrupted");
  if (!*answered) return std::unexpected(std::move(*answered).error());
  const http::Response& response = **answered;
  std::string text(as_text(response.body));
  while (text.ends_with('\n')) text.pop_back();
  if (response.status >= 300) return failf(Errc::conflict, "agent: {}", text.empty() ? "refused" : text);
  return text;
}

}  // namespace sallyport::agent_cli
