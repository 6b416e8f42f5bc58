// The node's side of sealed RPC: messages and the time in, calls and answers out (docs/protocol/sealed-rpc.md). No I/O.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "sealed/api_key.h"
#include "sealed/body.h"
#include "sealed/bundle.h"

namespace sallyport::sealed {

// Limits of one node, with the values of docs/protocol/sealed-rpc.md §8.
struct ResponderLimits {
  std::size_t sessions = 4'096;
  std::size_t sessions_per_principal = 16;
  std::size_t unused_sessions_per_principal = 4;
  std::size_t seen_handshakes = 65'536;
  std::size_t running_per_principal = 64;
  std::size_t results_per_principal = 1'024;
  std::size_t result_bytes_per_principal = 4U << 20U;
  std::size_t calls_per_principal = 131'072;  // whose deadline is not over, results or not
  std::size_t calls = 524'288;                // of all principals
  std::uint32_t chunks = 1'024;
  std::uint32_t certificate_handshakes_per_second = 100;
  seconds session_life{3'600};
  seconds clock_window{60};
  seconds deadline{600};
  seconds stored_deadline{7 * 86'400};
};

// Who calls, as proven: "key:<id>" or what the judge of certificates says.
using Principal = Strong<std::string, struct PrincipalTag>;
Principal key_principal(const KeyId& id);

// A caller with a certificate, as judged.
struct JudgedCaller {
  Principal principal;
  UnixTime until;  // the last second in which its certificates are good
};

// A call that is to be run now, once. Answer it by finish() with the same `execution`.
struct Execute {
  std::uint64_t execution = 0;
  Principal principal;
  CallId id;
  UnixTime deadline;
  // Its mark and its result are to be kept on disk until `deadline`; finish it with `accepted` as soon as the mark is
  // there. After that it may be handed out again, when it came once more: then finish it likewise and run nothing.
  bool stored = false;
  // JSON-RPC 2.0. Before a method that is not idempotent is run, a durable mark of (principal, id) must be made, and
  // where there is one already the call is finished with outcome_unknown instead (§7).
  std::string json;
};
// A principal asks for the result of a stored call. Answer it by finish() too.
struct AskResult {
  std::uint64_t execution = 0;
  Principal principal;
  CallId id;
};
struct Publish {
  std::string topic;
  Bytes payload;
};
using ResponderAction = std::variant<Execute, AskResult, Publish>;

// Numbers for metrics; what is dropped is counted and never answered.
struct ResponderCounts {
  std::uint64_t opened = 0;    // sessions
  std::uint64_t requests = 0;  // authenticated
  std::uint64_t executed = 0;
  std::uint64_t repeated = 0;  // answered from what is kept, or while it runs
  std::uint64_t retried = 0;   // told to come again as DATA
  std::uint64_t expired = 0;
  std::uint64_t overloaded = 0;
  std::uint64_t dropped_retained = 0;
  std::uint64_t dropped_malformed = 0;  // too short, too long, unknown type
  std::uint64_t dropped_unknown = 0;    // no such hint, tag or prekey
  std::uint64_t dropped_forged = 0;     // did not open
  std::uint64_t dropped_seen = 0;       // a handshake seen before
  std::uint64_t dropped_rate = 0;       // more handshakes with a certificate than the limit
};

// One node. Not thread-safe. Times are the node's own clock, never running backwards by more than clock_window.
class Responder {
 public:
  // Whether every method in this JSON-RPC text may be run twice without harm; false where in doubt.
  using IsIdempotent = std::function<bool(std::string_view json)>;
  // The principal to whom `chain` (DER, leaf first) belongs, or why not; verifies the chain, and `signature` over
  // `signed_bytes`. Its session ends with what was judged, an hour after it was opened at the latest.
  using JudgeCertificate =
      std::function<Result<JudgedCaller>(const std::vector<Bytes>& chain, ByteView signed_bytes, ByteView signature)>;

  Responder(NodeName node, TopicPrefix prefix, Random& random, UnixTime started, ResponderLimits limits = {});
  ~Responder();
  Responder(Responder&&) noexcept;
  Responder& operator=(Responder&&) noexcept;

  void set_idempotent(IsIdempotent is_idempotent);
  void set_judge(JudgeCertificate judge);
  // Adds or replaces the key `id`; several secrets may be live under one id, which is what rotation with overlap is.
  void add_key(const KeyId& id, NodeKey key);
  // Forgets all secrets of `id` and ends its sessions; what still runs is answered to nobody.
  void remove_key(const KeyId& id);
  // Ends the sessions of `principal`, its key or certificate being no longer good.
  void end_sessions(const Principal& principal);

  // Draws a prekey when there is none younger than kPrekeyLife, and deletes those past their acceptance. Returns the
  // payload to sign when a new one was drawn. `sequence` must exceed that of every bundle before it.
  std::optional<Bundle> renew_prekey(UnixTime now, std::uint64_t sequence);

  const std::string& topic() const;
  // What came on topic(). Never fails: what is not good is counted and dropped.
  std::vector<ResponderAction> on_message(ByteView message, bool retained, UnixTime now);
  // The last answer to `execution` (is_final); a repeat gets it as well until its deadline is over. A body that is
  // longer than a message is answered by a JSON-RPC error in its place.
  std::vector<ResponderAction> finish(std::uint64_t execution, ReplyBody answer, UnixTime now);
  // An answer in between; counted against the limit of chunks, dropped beyond it.
  std::vector<ResponderAction> progress(std::uint64_t execution, std::string json, UnixTime now);
  // Forgets what is over. To be called at least every 30 s.
  void on_tick(UnixTime now);

  const ResponderCounts& counts() const;
  std::size_t sessions() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::sealed
