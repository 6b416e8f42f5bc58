#include "socket_call.h"

#include "net/connect.h"
#include "net/rpc.h"
#include "net/run.h"
#include "records/role_messages.h"

namespace sallyport::cli {
namespace {

net::Task<Result<std::optional<Bytes>>> call(std::string path, Bytes request, std::string role) {
  auto connected = co_await net::connect_unix(std::move(path), kSocketCallLimit);
  if (!connected && connected.error().code == Errc::unavailable) co_return std::nullopt;
  CO_TRY(auto stream, std::move(connected));
  net::RpcOptions options;
  options.max_frame = options.max_queued = records::kMaxRoleMessage;
  const auto peer = net::RpcPeer::start(std::move(stream), std::move(options));
  const net::Deadline deadline(kSocketCallLimit);
  auto answer = co_await peer->call(std::move(request), deadline);
  peer->close();
  if (!answer && deadline.passed())
    co_return failf(Errc::unavailable, "{}: no answer within {} s", role, kSocketCallLimit / seconds(1));
  if (!answer) co_return std::unexpected(std::move(answer).error());
  co_return std::optional(*std::move(answer));
}

}  // namespace

Result<std::optional<Bytes>> call_socket(const std::filesystem::path& socket, Bytes request, std::string_view role) {
  if (!std::filesystem::exists(socket)) return std::nullopt;
  net::Io io;
  auto answer = net::run(io, call(socket.string(), std::move(request), std::string(role)));
  if (!answer) return failf(Errc::internal, "{}: the call ended without an answer", role);
  return *std::move(answer);
}

}  // namespace sallyport::cli
