// Calls of EVA ICS v3's controllers, by the same methods as sealed ones: off unless rpc.toml has [eva]
// (docs/protocol/eva-ics.md).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "rpcnode/node.h"
#include "sealed/eva_gateway.h"

namespace sallyport::rpcnode {

// One thread. Borrows what it is made with.
class EvaWay {
 public:
  using Send = std::function<void(std::string topic, Bytes payload)>;

  // Reads the keys' files. Errors name the file. `folder` remembers the time of the last request over a restart, in
  // eva-taken-until: what an earlier run may have executed is not executed again.
  static Result<std::unique_ptr<EvaWay>> open(net::TaskGroup& tasks, const Clock& clock, Random& random,
                                              const std::filesystem::path& folder, const EvaSettings& settings,
                                              Node& node, Send send);
  ~EvaWay();
  EvaWay(const EvaWay&) = delete;
  EvaWay& operator=(const EvaWay&) = delete;

  // The topic of requests.
  std::string topic() const;
  void on_message(const std::string& topic, ByteView payload, bool retained);
  // To be called each second.
  void on_tick();
  const sealed::eva::GatewayCounts& counts() const;

 private:
  struct State;
  EvaWay() = default;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::rpcnode
