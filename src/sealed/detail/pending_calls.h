// The calls of a caller that have not ended, and which of them wait to be sent.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "sealed/body.h"
#include "sealed/caller.h"

namespace sallyport::sealed {

struct PendingCall {
  CallId id;
  RequestKind kind = RequestKind::call;
  std::string json;
  CallOptions options;
  Instant ends;
  std::uint64_t order = 0;           // in which calls were made
  std::optional<UnixTime> deadline;  // on the wire, from the first sending on
  int unanswered = 0;                // sendings that were not answered; one may be executed yet
  std::uint64_t last_session = 0;    // and request, where it was sent the last time
  std::uint64_t last_request = 0;
  int resends = 0;
  int misses = 0;  // of them in a row with nothing heard in the session since the sending before
  Instant last_sent;
  Instant next_resend;
  bool is_stored() const { return kind == RequestKind::stored_call; }
};

// The calls keep their addresses until they are erased.
class PendingCalls {
 public:
  using ById = std::map<CallId, PendingCall>;

  // Its id is that of none here. It waits, unless it is a stored one, which goes with a handshake of its own and never
  // waits.
  PendingCall& add(PendingCall call);
  void erase(const CallId& id);
  // Null when it has ended.
  PendingCall* find(const CallId& id);
  PendingCall& at(const CallId& id) { return by_id_.at(id); }
  bool contains(const CallId& id) const { return by_id_.contains(id); }
  ById& all() { return by_id_; }
  const ById& all() const { return by_id_; }
  std::size_t size() const { return by_id_.size(); }

  void make_wait(PendingCall& call);
  // Whether it waited.
  bool end_wait(const PendingCall& call) { return waiting_.erase(call.order) > 0; }
  bool is_waiting(const PendingCall& call) const { return waiting_.contains(call.order); }
  // In the order in which they were made.
  const std::map<std::uint64_t, PendingCall*>& waiting() const { return waiting_; }
  // Those that were sent, without the stored ones.
  std::size_t in_flight() const { return by_id_.size() - waiting_.size() - stored_; }

 private:
  ById by_id_;
  std::map<std::uint64_t, PendingCall*> waiting_;  // by order
  std::size_t stored_ = 0;
  std::uint64_t orders_ = 0;
};

}  // namespace sallyport::sealed
