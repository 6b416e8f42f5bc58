// The brokers that people wrote about: everything goes to all of them, and comes from any. What comes twice is told
// apart further up.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "net/task_group.h"
#include "rpcnode/settings.h"

namespace sallyport::rpcnode {

// A message as a broker hands it over.
struct BrokerMessage {
  const std::string& topic;
  const Bytes& payload;
  bool retained = false;
  bool duplicate = false;  // the broker says that it may have come before
};

// What the brokers tell. Called on the owner's loop, in order, never from inside a function of BrokerLinks; any may be
// empty.
struct BrokerHandlers {
  std::function<void(const BrokerSettings& broker)> on_connected;
  std::function<void(const BrokerSettings& broker, const Error& reason)> on_disconnected;
  // A broker has granted the subscription, or not.
  std::function<void(const BrokerSettings& broker, const std::string& topic, const Result<void>& verdict)>
      on_subscribed;
  std::function<void(const std::string& topic, const Bytes& payload, bool retained)> on_message;
  // The same, before it, with all that the broker says of it: for who shows what passes.
  std::function<void(const BrokerSettings& broker, const BrokerMessage& message)> on_wire;
};

// One thread. Ends all connections when it ends.
class BrokerLinks {
 public:
  // Reads the files that `settings` name and begins to connect. Errors name the file; a broker that cannot be reached
  // is no error, it is tried again. Borrows the rest.
  static Result<std::unique_ptr<BrokerLinks>> open(net::TaskGroup& tasks, const Clock& clock, Random& random,
                                                   std::vector<BrokerSettings> settings, BrokerHandlers handlers);
  ~BrokerLinks();
  BrokerLinks(const BrokerLinks&) = delete;
  BrokerLinks& operator=(const BrokerLinks&) = delete;

  // At every broker, now and whenever one is connected anew. A topic of docs/protocol/sealed-rpc.md §1 or a filter.
  // Errc::overloaded beyond what a connection keeps.
  Result<void> subscribe(const std::string& topic);
  void unsubscribe(const std::string& topic);
  // To every broker that is connected, QoS 1. What no broker takes is counted as lost: whoever needs an answer sends it
  // again.
  void publish(const std::string& topic, const Bytes& payload, bool retained = false);

  std::size_t connected() const;
  std::uint64_t lost() const;
  // Takes leave of all.
  net::Task<void> disconnect();

 private:
  struct State;
  BrokerLinks() = default;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::rpcnode
