// What a node under an agent can do beside its built-in methods (docs/operate/rpc.md).
#pragma once

#include "rpcnode/agent_link.h"
#include "rpcnode/node.h"

namespace sallyport::rpcnode {

// telemetry.read: the last values that programs of the device handed to the agent. services.list: the agent's
// services. services.open, services.close: for callers whom a rule that begins with "services." allows it. Borrows the
// link, which lives as long as the node's calls.
Result<void> add_agent_methods(Node& node, AgentLink& agent);

}  // namespace sallyport::rpcnode
