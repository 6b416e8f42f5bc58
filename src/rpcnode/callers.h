// Calls of many nodes over the same brokers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "net/task_group.h"
#include "rpcnode/broker_links.h"
#include "rpcnode/caller_task.h"

namespace sallyport::rpcnode {

// How it stands with a broker.
struct BrokerState {
  std::string address;
  bool is_connected = false;
  std::string reason;  // why not, escaped; empty before the first attempt has ended
  UnixTime since;
};

// Somebody waits for what calls, and few call: an outage is not prolonged by minutes as among nodes.
inline constexpr milliseconds kCallersLongestRetry{8'000};

// Called on the owner's loop; any may be empty.
struct CallersHandlers {
  std::function<void()> on_broker;                                                 // one was connected, or lost
  std::function<void(const std::string& topic, const Bytes& payload)> on_message;  // that is no call's answer
  std::function<void(bool sent, const std::string& topic, const Bytes& payload)>
      on_wire;  // everything, as brokers see it
};

// One thread.
class Callers {
 public:
  // Begins to connect, as BrokerLinks::open(). Borrows all but the settings and handlers; `tasks` must have been
  // stopped before this ends.
  static Result<std::unique_ptr<Callers>> open(net::TaskGroup& tasks, const Clock& clock, Random& random,
                                               sealed::TopicPrefix prefix, std::vector<BrokerSettings> brokers,
                                               CallersHandlers handlers);
  ~Callers();
  Callers(const Callers&) = delete;
  Callers& operator=(const Callers&) = delete;

  // What calls `node`; once nobody holds it any more, release_unused() takes its topics back.
  std::shared_ptr<CallerTask> make(sealed::NodeName node, sealed::Credential credential);
  void release_unused();

  // Messages of other topics than the answers'.
  Result<void> subscribe(const std::string& topic);
  void unsubscribe(const std::string& topic);

  std::size_t connected() const;
  const std::vector<BrokerState>& brokers() const;
  // Why something does not work, as the brokers put it last; empty while all is well.
  const std::string& last_fault() const;
  // How often a broker was connected.
  std::uint64_t connections() const;
  net::Task<void> disconnect();

 private:
  struct State;
  Callers() = default;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::rpcnode
