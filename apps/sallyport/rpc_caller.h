// A caller of one node for the time of a command: brokers, API key, and what went over the wire for who wants to see
// it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "command.h"
#include "rpcnode/bundle_memory.h"
#include "rpcnode/callers.h"
#include "rpcnode/identity.h"

namespace sallyport::cli {

// What the command line says of the way to a node.
struct RpcTarget {
  sealed::NodeName node;
  sealed::TopicPrefix prefix;
  std::vector<rpcnode::BrokerSettings> brokers;
  std::optional<sealed::ApiKey> key;
  // Instead of a key: our certificate, and the device that the node must be.
  std::optional<rpcnode::Identity> identity;
  DeviceName device;
  std::optional<net::Address> https;  // in place of brokers; with a certificate alone
  milliseconds timeout{10'000};
};
// How brokers are reached: broker, ca, username, password-file, certificate, key, mqtt5, prefix, timeout.
std::vector<Option> rpc_broker_options();
// NODE, who we are (key-file; identity, zone and device), and the former.
std::vector<Option> rpc_target_options();
Try<RpcTarget> read_rpc_target(const Arguments& arguments);
// What was seen of nodes before; nothing in surroundings without HOME, where nothing is remembered, and where its
// folder cannot be made or read, which is told on standard error.
Try<std::optional<rpcnode::BundleMemory>> open_bundle_memory();

// The part that is about brokers.
struct RpcWay {
  sealed::TopicPrefix prefix;
  std::vector<rpcnode::BrokerSettings> brokers;
  milliseconds timeout{10'000};
};
Try<RpcWay> read_rpc_way(const Arguments& arguments);
// The files of an agent's state folder, at `identity`, and `zone`; absent without them.
Result<std::optional<rpcnode::Identity>> read_rpc_identity(const Arguments& arguments);

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
