// Calls of controllers of EVA ICS v3 as coroutines, over whatever carries topics: sealed::eva::Client with its clock
// and its waits (docs/protocol/eva-ics.md). Nothing is sent twice: the format cannot tell a repetition from a new call.
#pragma once

#include <memory>
#include <string>

#include "base/random.h"
#include "base/time.h"
#include "net/task_group.h"
#include "rpcnode/broker_links.h"
#include "rpcnode/caller_task.h"
#include "sealed/eva_client.h"

namespace sallyport::rpcnode {

// By the brokers of `links`, which it borrows.
CallerTransport transport_over(BrokerLinks& links);

// One thread. Borrows what it is made with, but the handles. Of CallerTransport the owner tells on_subscribed() and
// on_message().
class EvaCaller {
 public:
  EvaCaller(const net::TaskGroup& tasks, const Clock& clock, Random& random, sealed::eva::ClientSettings settings,
            sealed::eva::Key key, CallerTransport transport);
  ~EvaCaller();
  EvaCaller(const EvaCaller&) = delete;
  EvaCaller& operator=(const EvaCaller&) = delete;

  // Asks once the broker has granted the topic of the answer, and waits until `timeout` from now: then the outcome is
  // Code::server_timeout, and whether it ran is not known. Errc::overloaded, nothing was sent.
  net::Task<Result<sealed::eva::Outcome>> call(sealed::eva::Controller target, std::string method,
                                               codec::Json::Object params, milliseconds timeout);

  void on_subscribed(const std::string& topic);
  void on_message(const std::string& topic, ByteView payload, bool retained);
  const sealed::eva::ClientCounts& counts() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::rpcnode
