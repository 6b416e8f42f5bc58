// What the parts of the role caller share.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "net/rpc.h"
#include "net/timer.h"
#include "rpcnode/call_book.h"
#include "rpcnode/caller_request.h"
#include "rpcnode/caller_role.h"
#include "rpcnode/callers.h"
#include "rpcnode/kept_keys.h"
#include "rpcnode/node_book.h"
#include "rpcnode/waiting_bundles.h"

namespace sallyport::rpcnode {

// What calls one node by one key.
struct OpenNode {
  std::shared_ptr<CallerTask> caller;
  sealed::KeyId key;
  Instant used{};
  std::size_t under_way = 0;
};

struct CallerRole::State : std::enable_shared_from_this<CallerRole::State> {
  State(net::TaskGroup& group, const Clock& time, Random& source, CallerRoleSettings what, KeptKeys keys)
      : tasks(group),
        clock(time),
        random(source),
        settings(std::move(what)),
        kept(std::move(keys)),
        nodes(settings.way.prefix, settings.roots, settings.zone) {}

  net::TaskGroup& tasks;
  const Clock& clock;
  Random& random;
  CallerRoleSettings settings;
  KeptKeys kept;
  NodeBook nodes;
  CallBook calls;
  std::unique_ptr<Callers> callers;
  std::map<std::pair<sealed::NodeName, KeyPurpose>, std::shared_ptr<OpenNode>> open;
  std::map<sealed::NodeName, UnixTime> answered;  // when a node with a kept key last answered
  std::size_t asks = 0;                           // under way

  WaitingBundles waiting_bundles;
  bool is_verifying = false;

  std::vector<std::weak_ptr<net::RpcPeer>> askers;
  bool is_telling = false;

  // ---- bundles and events (caller_role.cc)
  void on_message(const std::string& topic, const Bytes& payload);
  void tell_changed();
  static net::Task<void> tell(std::weak_ptr<State> weak);
  static net::Task<void> verify(std::weak_ptr<State> weak);
  static net::Task<void> tick(std::weak_ptr<State> weak);
  net::Task<void> serve_asker(net::StreamPtr stream);

  // ---- calls (caller_role_calls.cc)
  // Errc::conflict, "rpc-key-missing: …", without a kept key; Errc::overloaded.
  Result<std::shared_ptr<OpenNode>> open_node(const sealed::NodeName& node, KeyPurpose purpose);
  void close_node(const sealed::NodeName& node, KeyPurpose purpose);
  void close_unused();
  std::string no_broker() const;
  // Sends a request and says what came of it. Never longer than `timeout` and a little.
  static net::Task<CallEnd> send(std::shared_ptr<State> self, std::shared_ptr<OpenNode> node, sealed::CallId id,
                                 std::string text, CallChoices choices);
  // A call of a built-in method while a person waits: its result after `check`, or an error of a type of the API.
  using ToldCheck = Result<codec::Json> (*)(const codec::Json& told);
  static net::Task<Result<codec::Json>> ask(std::shared_ptr<State> self, ManageRequest request, KeyPurpose purpose,
                                            bool idempotent, ToldCheck check);
  static net::Task<Result<Bytes>> run(std::shared_ptr<State> self, RunRequest request);
  Result<Bytes> begin(BeginRequest request);
  Result<Bytes> look(const LookRequest& request) const;

  // ---- nodes and keys (caller_role_keys.cc)
  Result<Bytes> list_nodes();
  Result<Bytes> check_key(const KeepRequest& request) const;
  Result<Bytes> keep(KeepRequest request);
  Result<Bytes> forget(const ForgetRequest& request);
  static net::Task<Result<Bytes>> manage(std::shared_ptr<State> self, ManageRequest request);
  Result<void> check_rotation(const ManageRequest& request) const;
  void take_new_secret(const ManageRequest& request, codec::Json& result);
  void drop_removed(const ManageRequest& request);

  static net::Task<Result<Bytes>> answer(std::shared_ptr<State> self, Bytes bytes);
};

}  // namespace sallyport::rpcnode
