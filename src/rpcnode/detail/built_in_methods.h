// What every node can do.
#pragma once

#include "rpcnode/detail/node_state.h"

namespace sallyport::rpcnode {

// test: that the node is there. info: what it is, and which methods the caller may call. keys.*: the API keys of the
// node, for callers whom a rule for "keys." allows it.
void add_built_in_methods(Node::State& node);

}  // namespace sallyport::rpcnode
