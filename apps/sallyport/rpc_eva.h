// `sallyport rpc call|nodes|watch --eva`: controllers that speak the formats of EVA ICS v3 (docs/protocol/eva-ics.md).
#pragma once

#include <functional>

#include "rpc_caller.h"

namespace sallyport::cli {

// eva and key-id, for commands that have key-file.
std::vector<Option> eva_key_options();

// NODE is a controller, "uc/plant-1"; METHOD and PARAMS as of a sealed call.
Outcome eva_call(const Arguments& arguments, Environment& environment);
// Who announces itself; with a key, whether it has that too.
Outcome eva_nodes(const Arguments& arguments, Environment& environment);
// What comes on the topics, until Ctrl-C or with once until the timeout (rpc_watch_command.cc).
Outcome watch_topics(const Arguments& arguments, Environment& environment, RpcWay way,
                     const std::vector<std::string>& filters,
                     std::function<void(const std::string& topic, const Bytes& payload)> take);
// States and events, until Ctrl-C or the timeout; of one controller where NODE is given.
Outcome eva_watch(const Arguments& arguments, Environment& environment);

}  // namespace sallyport::cli
