// A node as a program: its folder, its brokers, its methods.
#pragma once

#include <filesystem>
#include <memory>

#include "base/random.h"
#include "base/time.h"
#include "net/task_group.h"
#include "rpcnode/agent_link.h"
#include "rpcnode/broker_links.h"
#include "rpcnode/node.h"
#include "rpcnode/settings.h"

namespace sallyport::rpcnode {

// The file of a folder that people write.
inline constexpr std::string_view kSettingsFile = "rpc.toml";

// One thread. Borrows what it is made with.
class NodeProgram {
 public:
  // Opens the files of `folder` and begins to connect. Errors name the file. Under an agent the node is the device of
  // the agent, unless `settings` say otherwise, and has its methods (agent_methods.h).
  static Result<std::unique_ptr<NodeProgram>> open(net::TaskGroup& tasks, const Clock& clock, Random& random,
                                                   const std::filesystem::path& folder, NodeSettings settings,
                                                   AgentLink* agent = nullptr);
  ~NodeProgram();
  NodeProgram(const NodeProgram&) = delete;
  NodeProgram& operator=(const NodeProgram&) = delete;

  Node& node();
  // Lets calls that run end, `limit` at most, and takes leave of the brokers.
  net::Task<void> finish(milliseconds limit);

 private:
  struct State;
  NodeProgram() = default;
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::rpcnode
