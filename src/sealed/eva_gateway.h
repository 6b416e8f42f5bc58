// The server side of EVA ICS v3's calls, hardened without changing a byte of it: a class without I/O. Requests and the
// time go in; calls to be executed and answers to be published come out. One thread.
//
// What the format leaves open and this closes:
// - Retained requests, requests that came before, tokens and our own clients' ids that are not of this minute: ignored.
// - `params.k` must be the key that opened the request (EVA executes with whatever key is in it), and goes no further.
// - A call id that would reach another topic, a stream that inflates beyond the cap, a key whose time is over: ignored.
// - A key calls no faster than its rate; there are never more calls under way than the limits say.
// What it cannot close, because the bytes have no place for it: EVA's own ids have no time, so a request of one can
// come again when `remembered` newer ones have made it forgotten, or after a restart; and a request for one node is as
// good on every other that has its key. Hence the date at which each key ends here.
//
// Whatever nobody has sealed is never answered, only counted: there is no oracle, and nobody is told that a key exists.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "sealed/eva_binary.h"
#include "sealed/eva_key.h"
#include "sealed/eva_message.h"
#include "sealed/eva_text.h"
#include "sealed/eva_topics.h"

namespace sallyport::sealed::eva {

// What the audit log says of each call that came this way.
inline constexpr std::string_view kAuditMark = "legacy";
inline constexpr std::size_t kMostKeysOfOneId = 2;  // for rotation with an overlap

// Calls, each of a batch counted: `burst` at once, `per_second` in the long run.
struct Rate {
  std::size_t burst = 64;
  double per_second = 20;
};

struct GatewayKey {
  Key key;
  UnixTime legacy_until;  // from then on it opens nothing here
  Rate rate;
  bool only_fresh = false;  // take no id without a time: for keys that none of EVA's own controllers uses
};

struct GatewaySettings {
  Space space;
  Controller self;
  Limits limits;
  milliseconds timeout{5'000};            // for a call to be executed, then it is answered Code::server_timeout
  std::size_t under_way = 256;            // messages
  std::size_t under_way_of_one_key = 32;  // messages
  std::size_t remembered = 16'384;        // marks of requests that came, for each key id; a request makes one or two
};

// Names a call between Execute and its outcome.
struct CallNumber {
  std::uint64_t message = 0;
  std::size_t place = 0;  // in its batch

  friend auto operator<=>(const CallNumber&, const CallNumber&) = default;
};

struct Execute {
  CallNumber number;
  KeyId principal;  // who calls: the key that opened the request and stands in it
  std::string method;
  codec::Json::Object params;  // without `k`
};

struct GatewayActions {
  std::vector<Execute> execute;
  std::vector<Publish> publish;
};

// Since the beginning; what arrived and was ignored, by reason.
struct GatewayCounts {
  std::uint64_t elsewhere = 0;  // a topic that is not ours
  std::uint64_t retained = 0;
  std::uint64_t malformed = 0;  // in its head, or of what its key sealed
  std::uint64_t unknown_key = 0;
  std::uint64_t switched_off = 0;  // `legacy_until` is over
  std::uint64_t unopened = 0;      // sealed by another key, or changed
  std::uint64_t stale = 0;
  std::uint64_t repeated = 0;
  std::uint64_t no_room = 0;  // nothing can be forgotten yet
  // What was answered, by how.
  std::uint64_t foreign_key = 0;  // calls refused for their `params.k`
  std::uint64_t busy = 0;         // messages over a rate or a limit
  std::uint64_t executed = 0;     // calls
  std::uint64_t timed_out = 0;    // messages
  std::uint64_t answered = 0;     // messages
  // Outcomes that came too late, or whose key was taken away meanwhile.
  std::uint64_t late = 0;
};

class Seen;

class Gateway {
 public:
  // A request that states a time up to `taken_until` is ignored, since an earlier run may have executed it. It is what
  // that run's taken_until() was when it ended in order; now + kTokenLife when nobody knows; the epoch when there was
  // none. `random` must outlive this.
  Gateway(GatewaySettings settings, UnixTime taken_until, Random& random);
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;
  ~Gateway();

  // Errc::conflict when there are two of this id.
  Result<void> add_key(GatewayKey key);
  // All of this id, at once: calls under way are answered to nobody. What came under them stays remembered, so that a
  // key that is added again executes nothing again.
  void remove_keys(const KeyId& id);

  // The one topic to subscribe, with QoS 1.
  std::string subscription() const { return request_topic_; }
  // To be published now and then, for who discovers.
  Publish announce() const;

  // A message of the broker. Each Execute is to be told to on_outcome(), whatever becomes of it.
  GatewayActions on_message(std::string_view topic, ByteView payload, bool retained, Moment now);
  // Texts of the outcome must be UTF-8, its numbers finite. An outcome of a call that is over is ignored.
  GatewayActions on_outcome(const CallNumber& number, Outcome outcome, Moment now);
  // To be called at next_tick(), at the latest.
  GatewayActions on_tick(Moment now);
  std::optional<Instant> next_tick() const;

  const GatewayCounts& counts() const { return counts_; }
  // The latest time that a request stated which was taken, by this run or before: for the next run.
  UnixTime taken_until() const { return std::max(not_after_, latest_); }

 private:
  struct Held;
  struct Opened;
  using SharedKey = std::shared_ptr<Held>;
  // A message whose calls are executed.
  struct UnderWay {
    std::weak_ptr<Held> key;  // gone once it was taken away
    std::string topic;
    std::optional<Packing> packing;  // none: text
    bool is_batch = false;
    std::vector<std::optional<codec::Json>> ids;  // none: a notification
    std::vector<std::optional<Outcome>> outcomes;
    std::size_t open = 0;
    Instant deadline;
  };

  std::vector<SharedKey> keys_for(std::string_view id, UnixTime now);
  std::optional<Opened> open(ByteView payload, UnixTime now);
  std::optional<Opened> open_binary(ByteView payload, UnixTime now);
  std::optional<Opened> open_text(std::string_view payload, UnixTime now);
  bool is_new(Opened& opened, UnixTime now);
  bool has_room(Held& key, std::size_t calls, Instant now);
  void begin(UnderWay message, const Held& key, CallList list, GatewayActions& out, UnixTime now);
  void answer(const UnderWay& message, GatewayActions& out, UnixTime now);

  GatewaySettings settings_;
  std::string request_topic_;
  UnixTime not_after_;  // an earlier run's
  UnixTime latest_;
  Random& random_;
  std::map<std::string, std::vector<SharedKey>, std::less<>> keys_;
  std::map<std::string, std::shared_ptr<Seen>> seen_;  // by key id; also of keys that were taken away
  std::map<std::uint64_t, UnderWay> under_way_;        // in the order of their deadlines too
  std::uint64_t next_message_ = 1;
  GatewayCounts counts_;
};

}  // namespace sallyport::sealed::eva
