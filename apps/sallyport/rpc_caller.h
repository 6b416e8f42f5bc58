// A caller of one node for the time of a command: brokers, API key, and what went over the wire for who wants to see
// it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "command.h"
#include "rpcnode/broker_links.h"
#include "rpcnode/caller_task.h"

namespace sallyport::cli {

// What the command line says of the way to a node.
struct RpcTarget {
  sealed::NodeName node;
  sealed::TopicPrefix prefix;
  std::vector<rpcnode::BrokerSettings> brokers;
  sealed::ApiKey key;
  milliseconds timeout{10'000};
};
// Options NODE, broker, ca, username, password-file, certificate, key, mqtt5, prefix, key-file, timeout.
std::vector<Option> rpc_target_options();
Try<RpcTarget> read_rpc_target(const Arguments& arguments);

// What the broker sees, as it happens.
using WireWitness = std::function<void(bool sent, const std::string& topic, const Bytes& payload)>;

// One thread; lives as long as the command.
class RpcCaller {
 public:
  static Try<std::unique_ptr<RpcCaller>> open(RpcTarget target, Environment& environment, WireWitness witness = {});
  ~RpcCaller();
  RpcCaller(const RpcCaller&) = delete;
  RpcCaller& operator=(const RpcCaller&) = delete;

  // Runs one thing to its end: `work` gets the caller. ExitStatus::unreachable while no broker was reached.
  Try<sealed::ReplyBody> run(std::function<net::Task<Result<sealed::ReplyBody>>(rpcnode::CallerTask&)> work);

 private:
  struct State;
  RpcCaller() = default;
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::cli
