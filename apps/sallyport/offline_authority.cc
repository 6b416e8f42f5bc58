#include "offline_authority.h"

#include <unistd.h>

#include <optional>

#include "authority/administration.h"
#include "authority/core.h"
#include "folders.h"
#include "net/io.h"
#include "net/listener.h"
#include "signer/server.h"
#include "store/record_database.h"

namespace sallyport::cli {

// Ends in the opposite order: the threads of the database before the loop that they call back to, and the loop, with
// the tasks that still wait in it, last.
struct OfflineAuthority::State {
  State(std::unique_ptr<records::RecordDatabase> records, signer::Signer keys, const std::string& socket,
        Environment& environment)
      : signer(std::move(keys)),
        database(std::move(records)),
        core(io.executor(), *database, environment.clock, environment.random, socket) {}

  net::Io io;
  signer::Signer signer;
  std::unique_ptr<records::RecordDatabase> database;
  std::unique_ptr<net::Listener> listener;
  authority::Core core;
};

namespace {

// Runs `task` and stops the loop with its result.
template <class T>
net::Task<void> run_to_end(net::Io& io, net::Task<Result<T>> task, std::optional<Result<T>>& result) {
  result.emplace(co_await std::move(task));
  io.stop();
}

template <class T>
Result<T> wait_for(net::Io& io, net::Task<Result<T>> task) {
  std::optional<Result<T>> result;
  net::spawn(io.executor(), run_to_end(io, std::move(task), result), "offline authority");
  io.restart();
  io.run();
  if (!result) return fail(Errc::internal, "offline authority: ended without an answer");
  return *std::move(result);
}

}  // namespace

OfflineAuthority::OfflineAuthority(std::unique_ptr<State> state) : state_(std::move(state)) {}

OfflineAuthority::~OfflineAuthority() {
  if (state_->listener) state_->listener->close();
}

Result<std::unique_ptr<OfflineAuthority>> OfflineAuthority::open(const InstallationPaths& paths,
                                                                 Environment& environment) {
  TRY(auto signer, load_signer(paths, environment.clock));
  TRY_VOID(make_folder(paths.database().parent_path()));
  TRY_VOID(make_folder(paths.run()));
  TRY(auto database, store::open_record_database(paths.database()));
  const std::string socket = paths.socket("offline-signer").string();
  auto state = std::make_unique<State>(std::move(database), std::move(signer), socket, environment);
  TRY(state->listener, net::Listener::unix_socket(state->io.executor(), socket));
  net::spawn(state->io.executor(), signer::serve_signer(*state->listener, state->signer, ::getuid()), "offline signer");
  TRY_VOID(state->core.reload_installation());
  return std::unique_ptr<OfflineAuthority>(new OfflineAuthority(std::move(state)));
}

records::RecordDatabase& OfflineAuthority::database() {
  return *state_->database;
}

Result<codec::Json> OfflineAuthority::administer(records::AdminRequest request) {
  return wait_for(state_->io, authority::administer(state_->core, std::move(request)));
}

Result<pki::Certificate> OfflineAuthority::issue(authority::IssueOrder order) {
  return wait_for(state_->io, authority::issue_certificate(state_->core, std::move(order)));
}

}  // namespace sallyport::cli
