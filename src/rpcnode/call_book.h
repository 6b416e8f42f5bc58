// The calls that people have made through the role caller, under way and for an hour after: who, of what, what came of
// it. No I/O.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "base/time.h"
#include "rpcnode/caller_request.h"
#include "sealed/body.h"
#include "sealed/json_rpc.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxRunningCalls = 64;
inline constexpr std::size_t kMaxRunningCallsOfPerson = 16;
inline constexpr std::size_t kMaxKeptCalls = 256;
inline constexpr std::size_t kMaxKeptCallBytes = 16U << 20U;  // params, progress and answers; the oldest go
inline constexpr seconds kKeptCallLife{3'600};                // as long as an id is good at a node
inline constexpr std::size_t kMaxProgressLines = 64;          // of a call; the newest stay
inline constexpr std::size_t kMaxProgressLine = 2'048;        // bytes; a longer one is left out

// What a call came to. DO NOT RENAME: the words are in the audit log.
enum class CallOutcome : std::uint8_t {
  answered,    // the method's result
  failed,      // the method's error: it ran, or the node says that it may not
  unknown,     // no answer in time: it ran, or will, or not
  unheard,     // no answer in time, and it never left: the node has not even opened a session
  unsent,      // no broker, or no longer the key
  lost,        // it was started, and the node lost what came of it
  late,        // it came after its deadline and was not run
  overloaded,  // the node has too much to do, and did not run it
  broken,      // an answer that is none
};
std::string_view to_string(CallOutcome outcome);

struct CallEnd {
  CallOutcome outcome = CallOutcome::broken;
  std::string detail;  // a sentence for people
  std::string result;  // JSON, of `answered`
  std::string error;   // JSON {code, message, data}, of `failed`
};

struct CallRecord {
  BeginRequest request;  // without its params
  std::string text;      // what is sent, and sent again
  enum class State : std::uint8_t { ready, running, ended } state = State::ready;
  CallEnd end;
  std::deque<std::string> progress;  // JSON
  std::uint64_t progress_left_out = 0;
  int asked = 0;  // how often it was sent
  UnixTime began;
  Instant began_at;
  milliseconds took{0};
  sealed::KeyId key;  // it is sent by: a node tells calls apart by key and id

  // Whether a sending before the last may have reached the node.
  bool is_asked_again() const { return asked > 1 || request.key.has_value(); }

  std::size_t size() const;
};

class CallBook {
 public:
  // Puts a call that is to be sent under its id, which the request has, by `key`. Errc::conflict when the id is under
  // way, of another person, of another call, or was sent by another key before; Errc::overloaded when too many are
  // under way.
  Result<void> begin(BeginRequest request, sealed::KeyId key, UnixTime now, Instant at);
  // Errc::not_found without one of this person; Errc::conflict unless it waits to be sent.
  Result<const CallRecord*> run(const sealed::CallId& id, std::string_view by);
  void add_progress(const sealed::CallId& id, std::string json);
  // Returns the outcome that is told: of a call that was asked again, "it did not run" would be of its last sending
  // alone, and is `unknown`.
  CallOutcome end(const sealed::CallId& id, CallEnd end, Instant at);
  // Errc::not_found without one of this person.
  Result<const CallRecord*> find(const sealed::CallId& id, std::string_view by) const;
  void on_tick(Instant at);

  std::size_t running() const;
  std::size_t size() const { return calls_.size(); }

 private:
  Result<void> check_room(std::string_view by);
  void make_room();

  std::map<sealed::CallId, CallRecord> calls_;
};

// As {id, node, method, state, outcome, …} of docs/api/openapi.yaml.
std::string call_json(const CallRecord& record);

}  // namespace sallyport::rpcnode
