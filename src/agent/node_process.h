// The process of the device's node: started, started again when it ends, ended with the agent (ADR 0032).
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/node_desk.h"
#include "base/time.h"
#include "codec/json.h"
#include "net/rpc.h"
#include "net/task_group.h"

namespace sallyport::agent {

// The environment variable that names the descriptor of the inherited socket.
inline constexpr std::string_view kNodeChannelVariable = "SALLYPORT_NODE_CHANNEL";

// One that ends is started again after this long, doubling up to the longest while it does not live kNodeSettled.
inline constexpr milliseconds kNodeFirstPause{200};
inline constexpr milliseconds kNodeLongestPause{60'000};
inline constexpr milliseconds kNodeSettled{30'000};
// How long it has to end by itself: its calls may take ten seconds more.
inline constexpr milliseconds kNodeStopLimit{12'000};

struct NodePauses {
  milliseconds first = kNodeFirstPause;
  milliseconds longest = kNodeLongestPause;
  milliseconds settled = kNodeSettled;
  milliseconds stop = kNodeStopLimit;
};

// One thread. Ends after stop() has returned, or after the last turn of its loop; borrows the rest.
class NodeProcess {
 public:
  // `words`: program, absolute, and its arguments. It inherits our environment and streams.
  NodeProcess(net::TaskGroup& tasks, const Clock& clock, std::vector<std::string> words, NodeDesk desk,
              NodePauses pauses = {});
  ~NodeProcess();
  NodeProcess(const NodeProcess&) = delete;
  NodeProcess& operator=(const NodeProcess&) = delete;

  // Begins to keep it running.
  void start();
  // Ends it, by SIGTERM and after the limit by SIGKILL, and does not start it again.
  net::Task<void> stop();
  // The device has another certificate or other roots: tells whoever runs.
  void tell_identity_changed();

  // {"state": "running" | "waiting" | "ended", "pid", "since", "starts", "error": why it ended last}
  codec::Json report() const;
  pid_t pid() const;  // -1 while none runs
  std::uint64_t starts() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::agent
