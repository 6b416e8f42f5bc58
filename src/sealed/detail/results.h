// Which calls were started, and what came of them, so that none is executed twice (docs/protocol/sealed-rpc.md §7).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/time.h"
#include "sealed/body.h"
#include "sealed/detail/call_id_hash.h"
#include "sealed/messages.h"
#include "sealed/responder.h"

namespace sallyport::sealed {

// Where an answer goes: to one request of one session.
struct ReplyTo {
  std::uint32_t slot = 0;
  std::uint64_t generation = 0;  // of the slot
  std::uint64_t request = kInitRequest;
  MessageTail tail{};
  std::uint32_t chunk = 0;  // the next
};

// A call that runs, or has an answer.
struct CallRecord {
  UnixTime deadline;
  bool is_stored = false;
  bool is_over = false;  // forgotten as soon as it is finished
  std::uint64_t execution = 0;
  ReplyTo to;
  std::optional<ReplyBody> answer;
};

class Results {
 public:
  // Whether the caller may still be waiting for what goes to this request.
  using IsOwed = std::function<bool(const ReplyTo&)>;
  // `random` is used by this constructor alone.
  Results(const ResponderLimits& limits, Random& random, IsOwed is_owed);

  enum class Known : std::uint8_t { unknown, recorded, spent };
  struct Found {
    Known known = Known::unknown;
    CallRecord* record = nullptr;  // where recorded
  };
  Found find(const Principal& principal, const CallId& id);

  // Null where a limit is reached: nothing that is owed makes room. `id` is unknown.
  CallRecord* start(const Principal& principal, const CallId& id, UnixTime deadline, bool stored, const ReplyTo& to);
  // The same for a question after a stored call, which is no call.
  std::optional<std::uint64_t> start_question(const Principal& principal, const ReplyTo& to);

  // The request that `execution` is to answer; null when it is none that runs.
  ReplyTo* running(std::uint64_t execution);
  // Ends `execution`, which runs.
  void finish(std::uint64_t execution, const ReplyBody& answer);

  // Whether a call with this deadline cannot be one that was forgotten.
  bool is_after_forgotten(UnixTime deadline) const { return deadline > forgotten_; }
  // Forgets the calls whose deadline is before now.
  void forget(UnixTime now);
  // Calls known, of all principals.
  std::size_t size() const { return size_; }

 private:
  using Records = std::unordered_map<CallId, CallRecord, CallIdHash>;
  struct Owner {
    explicit Owner(const CallIdHash& hash) : records(0, hash), spent(0, hash) {}
    Records records;
    std::deque<CallId> finished;  // those of records that are, oldest first; ids that were forgotten may remain
    std::unordered_set<CallId, CallIdHash> spent;  // started, their result let go
    std::size_t running = 0;
    std::size_t results = 0;
    std::size_t bytes = 0;
    bool is_idle() const { return records.empty() && spent.empty() && running == 0; }
  };
  struct Question {
    Owner* owner = nullptr;
    ReplyTo to;
  };
  struct Execution {
    Owner* owner = nullptr;
    Records::value_type* record = nullptr;  // of the owner's, which keep their addresses
  };
  struct Due {
    Owner* owner = nullptr;
    CallId id;
  };
  bool has_room(Owner& owner);
  bool spend_one(Owner& owner);
  static void drop_result(Owner& owner, Records::iterator record);
  void forget_call(const Due& due);
  // The call is known no longer, before its deadline.
  void forget_due(const Owner& owner, const CallId& id, UnixTime deadline);

  ResponderLimits limits_;
  CallIdHash hash_;
  IsOwed is_owed_;
  std::map<Principal, Owner> owners_;
  std::unordered_map<std::uint64_t, Execution> executions_;
  std::unordered_map<std::uint64_t, Question> questions_;
  std::map<UnixTime, std::vector<Due>> due_;
  std::uint64_t last_execution_ = 0;
  std::size_t size_ = 0;
  UnixTime forgotten_;
};

}  // namespace sallyport::sealed
