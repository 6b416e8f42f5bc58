// The caller's side of EVA ICS v3: a class without I/O. A call gives a topic to subscribe and a request to publish;
// messages and the time go in, outcomes come out. One thread.
//
// A response ends a call only when it was sealed under the key, states the call's id and is not retained. So whoever
// can publish to the response topic can neither answer a call nor end it: EVA's "500|", which is sealed by nobody, is
// remembered for the message of the timeout and changes nothing else.
#pragma once

#include <cstdint>
#include <map>
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

enum class Format : std::uint8_t { binary, binary_zlib, text };

struct ClientSettings {
  Space space;
  Format format = Format::binary;
  milliseconds timeout{5'000};
  Limits limits;
  std::size_t under_way = 256;
};

struct Started {
  CallId call;
  std::string reply_topic;  // to be subscribed with QoS 1 before the request is published
  Publish request;
  Instant deadline;
};

struct Finished {
  CallId call;
  std::string reply_topic;  // to be unsubscribed
  Outcome outcome;
};

// Since the beginning: messages that ended no call.
struct ClientCounts {
  std::uint64_t elsewhere = 0;  // on a topic of no call under way; late answers
  std::uint64_t retained = 0;
  std::uint64_t unopened = 0;  // sealed by nobody, by another key, too old, too large, or changed
  std::uint64_t another = 0;   // sealed, and an answer to something else
};

class Client {
 public:
  // `random` must outlive this. The key is often the one named "default".
  Client(ClientSettings settings, Key key, Random& random);

  // The call's id, also its JSON-RPC id, is a UUID version 7 with the time in it, by which our gateway tells that it
  // is new. `params` gets the key in clear as its member `k`: the format wants it. Errc::overloaded when too many are
  // under way or the request would be too large for the limits. Texts must be UTF-8.
  Result<Started> call(const Controller& target, std::string method, codec::Json::Object params, Moment now,
                       std::optional<milliseconds> timeout = std::nullopt);

  std::optional<Finished> on_message(std::string_view topic, ByteView payload, bool retained, Moment now);
  // Calls whose time is over: Code::server_timeout. Nothing is said of whether they were executed.
  std::vector<Finished> on_tick(Instant now);
  std::optional<Instant> next_tick() const;
  // For who wants to know at once that the connection is lost: all calls end with Code::server_error. Whoever rather
  // waits for the connection to come back subscribes the topics of his calls again.
  std::vector<Finished> on_disconnect();
  // Forgets a call; false when it is over.
  bool cancel(const CallId& call);

  std::size_t under_way() const { return pending_.size(); }
  const ClientCounts& counts() const { return counts_; }

 private:
  struct Pending {
    CallId call;
    std::string id;  // the JSON-RPC id
    Instant deadline;
    bool was_raised = false;  // "500|" came
  };

  Bytes seal(const CallId& call_id, const RequestId& id, const Body& body, UnixTime now);
  Result<codec::Json> open(ByteView payload, UnixTime now) const;

  ClientSettings settings_;
  Key key_;
  Random& random_;
  std::map<std::string, Pending, std::less<>> pending_;  // by reply topic
  ClientCounts counts_;
};

}  // namespace sallyport::sealed::eva
