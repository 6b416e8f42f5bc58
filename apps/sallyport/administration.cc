#include "administration.h"

#include <unistd.h>

#include <optional>

#include "folders.h"
#include "installation_folder.h"
#include "net/connect.h"
#include "net/io.h"
#include "net/rpc.h"
#include "offline_authority.h"
#include "records/role_messages.h"

namespace sallyport::cli {
namespace {

records::AdminRequest request_of(std::string_view method, const codec::Json& parameters) {
  return {.method = std::string(method),
          .actor = fmt::format("cli:uid {}", ::getuid()),
          .role = records::UserRole::owner,
          .source = "cli",
          .request_id = "cli",
          .parameters = parameters.write()};
}

// Absent when nobody listens there. What fails later may have been done.
net::Task<Result<std::optional<Bytes>>> call_socket(std::string path, Bytes request) {
  auto connected = co_await net::connect_unix(std::move(path), kAdministrationLimit);
  if (!connected && connected.error().code == Errc::unavailable) co_return std::nullopt;
  CO_TRY(auto stream, std::move(connected));
  net::RpcOptions options;
  options.max_frame = records::kMaxRoleMessage;
  const auto peer = net::RpcPeer::start(std::move(stream), std::move(options));
  const net::Deadline deadline(kAdministrationLimit);
  auto answer = co_await peer->call(std::move(request), deadline);
  peer->close();
  if (!answer && deadline.passed())
    co_return failf(Errc::unavailable, "authority: no answer within {} s", kAdministrationLimit / seconds(1));
  if (!answer) co_return std::unexpected(std::move(answer).error());
  co_return std::optional(*std::move(answer));
}

net::Task<void> call_and_stop(net::Io& io, std::string path, Bytes request,
                              std::optional<Result<std::optional<Bytes>>>& answer) {
  answer.emplace(co_await call_socket(std::move(path), std::move(request)));
  io.stop();
}

// Absent when nobody listens there.
Result<std::optional<codec::Json>> administer_online(const std::filesystem::path& socket,
                                                     const records::AdminRequest& request) {
  if (!std::filesystem::exists(socket)) return std::nullopt;
  net::Io io;
  std::optional<Result<std::optional<Bytes>>> answer;
  Bytes body = records::with_method(records::RoleMethod::admin, records::encode(request));
  net::spawn(io.executor(), call_and_stop(io, socket.string(), std::move(body), answer), "administration");
  io.run();
  if (!answer) return fail(Errc::internal, "administration: ended without an answer");
  TRY(const auto text, *std::move(answer));
  if (!text) return std::nullopt;
  TRY(auto json, codec::parse_json(as_text(*text), {.size = records::kMaxRoleMessage}));
  return json;
}

}  // namespace

Try<codec::Json> administer(const std::filesystem::path& state, std::string_view method, codec::Json parameters,
                            Environment& environment) {
  const InstallationPaths paths{state};
  const auto request = request_of(method, parameters);
  TRY(auto answer, administer_online(paths.socket("admin"), request));
  if (answer) return *std::move(answer);
  const auto folder = open_state(state, kInstallationFormat);
  if (!folder) return std::unexpected(folder.error());
  auto authority = in_state(OfflineAuthority::open(paths, environment));
  if (!authority) return std::unexpected(std::move(authority).error());
  TRY(auto json, (*authority)->administer(request));
  return json;
}

}  // namespace sallyport::cli
