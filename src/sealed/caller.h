// The caller's side of sealed RPC towards one node (docs/protocol/sealed-rpc.md). No I/O.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "crypto/key.h"
#include "sealed/api_key.h"
#include "sealed/body.h"
#include "sealed/bundle.h"
#include "sealed/responder.h"

namespace sallyport::sealed {

struct CallerLimits {
  std::size_t pending = 256;    // calls that wait for an answer
  std::size_t in_flight = 48;   // of them sent; the others wait for their turn
  seconds session_life{3'300};  // a new session is opened after this, before the node ends it
  std::uint64_t session_requests = (1U << 20U) - 1'024;
  seconds old_session{30};            // an old one still receives
  milliseconds resend{2'000};         // a request without an answer is sent again after this, then 2, 4, 8 times it
  int misses_before_new_session = 1;  // resends of a request with nothing heard in its session since the last one
};

// Identifies the caller: an API key for this node, or a certificate with the node's bundle.
struct KeyCredential {
  NodeKey key;
};
struct CertificateCredential {
  std::shared_ptr<crypto::SigningKey> key;
  std::vector<Bytes> chain;  // DER, leaf first, root left out
  Bundle bundle;             // verified
};
using Credential = std::variant<KeyCredential, CertificateCredential>;

struct Subscribe {
  std::string topic;  // answer by on_subscribed() once the broker has granted it
};
struct Unsubscribe {
  std::string topic;
};
// A call's answer or its end. `failure` says why there is no answer: Errc::expired (deadline), Errc::unavailable
// (connection lost and the call asked to fail at once), Errc::overloaded (too many pending, or the node says so),
// Errc::not_yet (node has no result yet), Errc::malformed (longer than a message), Errc::conflict (its id is that of a
// call under way).
struct Answer {
  CallId id;
  Result<ReplyBody> reply;
};
struct Progress {
  CallId id;
  std::string json;
};
using CallerAction = std::variant<Subscribe, Unsubscribe, Publish, Answer, Progress>;

struct CallOptions {
  bool idempotent = false;  // may ride in INIT, without a round trip before it
  bool fail_on_disconnect = false;
  bool stored = false;
};

// The two clocks of one moment: deadlines on the wire are civil, waits are not. Where the civil time is not known
// (set_clock), `civil` is not looked at.
struct Now {
  UnixTime civil;
  Instant monotonic;
};

struct CallerCounts {
  std::uint64_t sessions = 0;
  std::uint64_t resent = 0;
  std::uint64_t dropped = 0;  // messages that are nobody's answer: late, forged, repeated
};

// The calls of one program to one node. Not thread-safe.
class Caller {
 public:
  Caller(NodeName node, TopicPrefix prefix, Credential credential, Random& random, CallerLimits limits = {});
  ~Caller();
  Caller(Caller&&) noexcept;
  Caller& operator=(Caller&&) noexcept;

  // Starts a call. It ends in exactly one Answer, from here or from any function below, `timeout` from now at the
  // latest; the deadline on the wire is the same moment, rounded up to a second, by the node's clock where ours is not
  // known.
  std::vector<CallerAction> call(CallId id, std::string json, milliseconds timeout, CallOptions options, Now now);
  // Asks for the result of a stored call.
  std::vector<CallerAction> ask_result(CallId id, milliseconds timeout, Now now);
  // Gives a call up; no Answer comes.
  void forget(const CallId& id);

  // Whether the civil time that we pass is to be believed; true at first. Without it sessions are opened by the hint
  // without a clock, nothing rides in INIT, and no call is stored (Errc::not_yet) before the node has told its time.
  void set_clock(bool known);
  // A new bundle or key of the node; sessions that are open stay.
  void set_credential(Credential credential);

  std::vector<CallerAction> on_subscribed(const std::string& topic, Now now);
  // What came on a topic that was subscribed to for this caller.
  std::vector<CallerAction> on_message(const std::string& topic, ByteView message, bool retained, Now now);
  // The connection to the broker is lost, and back. After it is back every inbox is subscribed to anew and what waits
  // is sent again.
  std::vector<CallerAction> on_disconnected(Now now);
  std::vector<CallerAction> on_connected(Now now);
  // Resends, deadlines, end of sessions. To be called every 250 ms while pending() is not 0.
  std::vector<CallerAction> on_tick(Now now);

  std::size_t pending() const;
  const CallerCounts& counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::sealed
