// A node: whatever calls come to it by whatever way, run once, answered and written down.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/random.h"
#include "base/time.h"
#include "net/task_group.h"
#include "rpcnode/audit_trail.h"
#include "rpcnode/identity.h"
#include "rpcnode/methods.h"
#include "rpcnode/node_keys.h"
#include "rpcnode/settings.h"
#include "rpcnode/started_calls.h"
#include "sealed/responder.h"

namespace sallyport::rpcnode {

// What a node is made of, opened by open_node_files().
struct NodeFiles {
  NodeKeys keys;
  std::unique_ptr<StartedCalls> started;
  std::unique_ptr<AuditTrail> audit;
};
// Opens keys.json, started-calls and audit.jsonl of `folder`, which exists. Errors name the file.
Result<NodeFiles> open_node_files(const std::filesystem::path& folder, const sealed::NodeName& node, UnixTime now,
                                  net::TaskGroup& tasks);

// One thread. Borrows what it is made with.
class Node {
 public:
  // How answers leave: to everybody who may hold the caller's inbox.
  using Send = std::function<void(std::string topic, Bytes payload)>;

  Node(net::TaskGroup& tasks, const Clock& clock, Random& random, sealed::NodeName name, sealed::TopicPrefix prefix,
       NodeFiles files, Send send);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // As MethodTable::add. The built-in methods are there: test, info, pair, keys.list, keys.add, keys.rotate,
  // keys.remove.
  Result<void> add_method(std::string name, Method method);

  // Lets callers come with certificates: `identity` judges them, `callers` say what each may do.
  void accept_certificates(Identity identity, std::vector<CallerSettings> callers);
  // Draws a prekey when it is time for one: its bundle is to be signed, and published, retained, on bundle_topic().
  std::optional<sealed::Bundle> renew_prekey();
  const std::string& bundle_topic() const;

  // Whether there are rules for this caller.
  bool knows(const sealed::Principal& principal) const;
  // A call that came by another way than the responder's, from a principal who was proven there; its result is kept as
  // a stored call's is. `way` is for the audit trail.
  net::Task<sealed::ReplyBody> call(sealed::Principal principal, sealed::CallId id, UnixTime deadline, std::string json,
                                    std::string way);

  // One method for a caller whom another protocol has proven, by `rules`; written down, and with no promise about
  // repetitions.
  net::Task<MethodResult> run_method(std::string principal, AccessRules rules, std::string method, codec::Json params,
                                     std::string way);

  // The topic of requests.
  const std::string& topic() const;
  void on_message(ByteView message, bool retained);
  // Expiry of keys, sessions, marks. To be called each second.
  void on_tick();

  const sealed::ResponderCounts& counts() const;
  const MethodTable& methods() const;
  std::size_t running() const;
  // Whether what ran is written down.
  bool is_written() const;

  struct State;  // detail/node_state.h

 private:
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::rpcnode
