#include <cstdlib>

#include "commands.h"
#include "store/telemetry_queue.h"

namespace sallyport::agent_cli {
namespace {

ExitStatus status_of(Errc code) {
  switch (code) {
    case Errc::unauthorized:
      return ExitStatus::refused;
    case Errc::unavailable:
    case Errc::expired:
      return ExitStatus::unreachable;
    case Errc::not_found:
      return ExitStatus::state;
    default:
      return ExitStatus::failed;
  }
}

// A full disk is no fault of the folder.
Failure in_state(Error cause) {
  const bool speaks_for_itself = cause.code == Errc::unauthorized || cause.code == Errc::overloaded;
  Failure failure(std::move(cause));
  if (!speaks_for_itself) failure.status = ExitStatus::state;
  return failure;
}

// The first of the two that is set and not empty.
std::string one_of(const char* first, const char* second) {
  for (const char* name : {first, second}) {
    const char* found = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
    if (found != nullptr && *found != '\0') return found;
  }
  return {};
}

agent::ProxyVariables proxy_variables() {
  return {.https_proxy = one_of("https_proxy", "HTTPS_PROXY"),
          .all_proxy = one_of("all_proxy", "ALL_PROXY"),
          .no_proxy = one_of("no_proxy", "NO_PROXY")};
}

}  // namespace

Failure::Failure(Error cause) : error(std::move(cause)), status(status_of(error.code)) {}

Try<agent::AgentState> open_state(const std::filesystem::path& folder) {
  auto state = agent::AgentState::open(folder);
  if (state) {
    TRY_VOID(state->use_environment(proxy_variables()));
    return *std::move(state);
  }
  if (state.error().code == Errc::malformed) return std::unexpected(Failure(std::move(state).error()));
  return std::unexpected(in_state(std::move(state).error()));
}

Outcome check_version(const std::filesystem::path& folder) {
  auto checked = agent::AgentState::check(folder);
  if (checked || checked.error().code == Errc::not_found) return {};
  return std::unexpected(in_state(std::move(checked).error()));
}

Try<std::unique_ptr<telemetry::TelemetryQueue>> open_queue(const agent::AgentState& state, Random& random) {
  auto queue = store::open_telemetry_queue(state.file("telemetry.db"),
                                           {.limits = {}, .when_full = state.settings().when_full}, random);
  if (queue) return *std::move(queue);
  return std::unexpected(in_state(std::move(queue).error()));
}

}  // namespace sallyport::agent_cli
