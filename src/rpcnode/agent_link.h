// The agent that this node runs under: what it is asked over the inherited socket (sealed/node_channel.h). It has the
// device's key, so that this process needs none.
#pragma once

#include <functional>
#include <memory>

#include "codec/json.h"
#include "net/deadline.h"
#include "net/descriptor.h"
#include "net/task.h"
#include "rpcnode/identity.h"
#include "sealed/node_channel.h"

namespace sallyport::rpcnode {

inline constexpr milliseconds kAgentLimit{10'000};

// One thread. Every request fails with Errc::unavailable once the agent is gone, Errc::expired after kAgentLimit, and
// as the agent says.
class AgentLink {
 public:
  // Takes the socket over, and keeps it from what this process starts. Errc::malformed when it is none.
  static Result<std::unique_ptr<AgentLink>> adopt(net::Executor executor, net::Descriptor socket);
  ~AgentLink();
  AgentLink(const AgentLink&) = delete;
  AgentLink& operator=(const AgentLink&) = delete;

  // Errc::not_yet for a device without a certificate.
  net::Task<Result<Identity>> identity();
  // The bundle, signed by the device.
  net::Task<Result<Bytes>> sign(sealed::Bundle bundle);
  net::Task<Result<codec::Json>> read_values();
  net::Task<Result<codec::Json>> list_services();
  net::Task<Result<void>> switch_service(ServiceName name, bool open);

  // Told when identity() would answer something else.
  void on_identity(std::function<void()> told);
  // Returns when the agent is gone.
  net::Task<void> ended();

 private:
  struct State;
  AgentLink() = default;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::rpcnode
