// What a node tells of itself without being asked: the state of its items, plain, retained, in order.
//
//   [<prefix>/]<node>/state/<item>    {"boot":"<8 hex>","n":<counter>,"time":"…Z","value":…}
//
// `n` grows with every announcement of one run of the node; a reader who knows `boot` drops what is not newer. Anybody
// at the broker can read states, and the broker can forge them: what must not be believed without proof is to be asked
// for by a call.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/random.h"
#include "net/task_group.h"
#include "rpcnode/methods.h"
#include "rpcnode/settings.h"

namespace sallyport::rpcnode {

std::string state_topic(const sealed::TopicPrefix& prefix, const sealed::NodeName& node, std::string_view item);
// The filter for all items of a node.
std::string state_filter(const sealed::TopicPrefix& prefix, const sealed::NodeName& node);

struct StateMessage {
  std::string boot;
  std::uint64_t number = 0;
  UnixTime time;
  codec::Json value;
  friend bool operator==(const StateMessage&, const StateMessage&) = default;
};
std::string encode_state(const StateMessage& state);
// Errc::malformed, Errc::overloaded.
Result<StateMessage> parse_state(std::string_view text);
// Whether `next` comes after `before`: another run of the node, or a higher number.
bool is_newer(const StateMessage& before, const StateMessage& next);

// Asks each item's command or endpoint again and again, and tells what has changed. One thread.
class StateAnnouncer {
 public:
  using Tell = std::function<void(std::string topic, std::string message)>;
  // `on_fault` is told of an item that could not be asked, once until it can be again.
  using OnFault = std::function<void(const std::string& item, const std::string& why)>;

  StateAnnouncer(net::TaskGroup& tasks, const Clock& clock, Random& random, const NodeSettings& settings, Tell tell,
                 OnFault on_fault);
  // Tells everything anew: a broker that was begun anew has forgotten it.
  void tell_all();

 private:
  static net::Task<void> follow(StateAnnouncer& self, StateSettings item);
  void take(const std::string& item, const MethodResult& result);

  const Clock& clock_;
  sealed::TopicPrefix prefix_;
  sealed::NodeName node_;
  Tell tell_;
  OnFault on_fault_;
  std::string boot_;
  std::uint64_t number_ = 0;
  std::map<std::string, StateMessage> last_;
  std::map<std::string, std::string> faults_;
};

}  // namespace sallyport::rpcnode
