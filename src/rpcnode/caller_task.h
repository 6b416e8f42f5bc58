// Calls of one node as coroutines, over whatever carries topics: sealed::Caller with its clock and its waits.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/time.h"
#include "net/task_group.h"
#include "sealed/caller.h"
#include "sealed/json_rpc.h"

namespace sallyport::rpcnode {

// What carries messages. Called on the owner's loop; what they do is told by the on_… functions of CallerTask.
struct CallerTransport {
  std::function<void(std::string topic)> subscribe;
  std::function<void(std::string topic)> unsubscribe;
  std::function<void(std::string topic, Bytes payload)> publish;
};

struct CallChoices {
  milliseconds timeout{10'000};
  // How long the node shall know the call, where that is longer: until then, asked for again under its id, it brings
  // the answer of the run that was. Beyond 10 minutes a node takes none.
  milliseconds known_for{0};
  bool idempotent = false;          // may ride in the first message
  bool stored = false;              // may lie at the broker until the timeout, days even
  bool fail_on_disconnect = false;  // end at once when the connection is lost
  std::function<void(std::string json)> on_progress;
};

// One node's calls. One thread. Borrows what it is made with, but the handles.
class CallerTask {
 public:
  CallerTask(net::TaskGroup& tasks, const Clock& clock, Random& random, sealed::NodeName node,
             sealed::TopicPrefix prefix, sealed::Credential credential, CallerTransport transport);
  ~CallerTask();
  CallerTask(const CallerTask&) = delete;
  CallerTask& operator=(const CallerTask&) = delete;

  // Makes one call of a method and returns its response, an error of JSON-RPC included. Errc::expired: no answer in
  // time, whether it ran is not known. Errc::conflict: it was started, and the node lost what came of it.
  // Errc::overloaded, Errc::unavailable: it was not run, or the connection was lost and the call was to fail then.
  net::Task<Result<sealed::RpcOutcome>> call(std::string method, codec::Json params, CallChoices choices);
  // A JSON-RPC text of the caller's own, a batch too, under an id that may have been used before: the answer is then
  // the same.
  net::Task<Result<sealed::ReplyBody>> send(sealed::CallId id, std::string json, CallChoices choices);
  // What a stored call came to: status done, outcome_unknown or unknown_call. Errc::not_yet while it has not ended;
  // other errors as those of send().
  net::Task<Result<sealed::ReplyBody>> ask_result(sealed::CallId id, milliseconds timeout);

  void on_connected();
  void on_disconnected();
  void on_subscribed(const std::string& topic);
  void on_message(const std::string& topic, ByteView message, bool retained);

  sealed::Caller& core();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The errors of call() for what send() returns.
Result<std::string> done_text(const sealed::ReplyBody& reply);

}  // namespace sallyport::rpcnode
