#include "administration.h"

#include <unistd.h>

#include <optional>

#include "folders.h"
#include "installation_folder.h"
#include "offline_authority.h"
#include "records/role_messages.h"
#include "socket_call.h"

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

// Absent when nobody listens there.
Result<std::optional<codec::Json>> administer_online(const std::filesystem::path& socket,
                                                     const records::AdminRequest& request) {
  Bytes body = records::with_method(records::RoleMethod::admin, records::encode(request));
  TRY(const auto text, call_socket(socket, std::move(body), "authority"));
  if (!text) return std::nullopt;
  TRY(auto json,
      codec::parse_json(as_text(*text), {.size = records::kMaxRoleMessage, .values = records::kMaxAnswerValues}));
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
  CLI_TRY_VOID(in_state(check_init_is_complete(paths)));
  auto authority = in_state(OfflineAuthority::open(paths, environment));
  if (!authority) return std::unexpected(std::move(authority).error());
  TRY(auto json, (*authority)->administer(request));
  return json;
}

}  // namespace sallyport::cli
