#include "rpcnode/eva_caller.h"

#include <map>
#include <optional>
#include <utility>

#include "net/timer.h"

namespace sallyport::rpcnode {
namespace {

namespace eva = sealed::eva;

// Who waits for a controller's answer, by its topic.
struct EvaWait {
  EvaWait(net::Executor executor, eva::Publish asked) : answered(std::move(executor)), request(std::move(asked)) {}
  net::Event answered;
  std::optional<eva::Publish> request;  // until it is sent
  std::optional<eva::Outcome> outcome;
};

}  // namespace

struct EvaCaller::State {
  State(net::Executor loop, const Clock& time, eva::Client client, CallerTransport carrier)
      : executor(std::move(loop)), clock(time), core(std::move(client)), transport(std::move(carrier)) {}

  net::Executor executor;
  const Clock& clock;
  eva::Client core;
  CallerTransport transport;
  std::map<std::string, std::shared_ptr<EvaWait>, std::less<>> waits;

  eva::Moment now() const { return {.civil = clock.now(), .steady = clock.monotonic()}; }
  void finish(eva::Finished finished) {
    const auto found = waits.find(finished.reply_topic);
    if (found == waits.end()) return;
    found->second->outcome = std::move(finished.outcome);
    found->second->answered.set();
  }
};

EvaCaller::EvaCaller(const net::TaskGroup& tasks, const Clock& clock, Random& random, eva::ClientSettings settings,
                     eva::Key key, CallerTransport transport)
    : state_(std::make_shared<State>(tasks.executor(), clock, eva::Client(std::move(settings), std::move(key), random),
                                     std::move(transport))) {}

EvaCaller::~EvaCaller() = default;

CallerTransport transport_over(BrokerLinks& links) {
  return {.subscribe = [&links](const std::string& topic) { static_cast<void>(links.subscribe(topic)); },
          .unsubscribe = [&links](const std::string& topic) { links.unsubscribe(topic); },
          .publish = [&links](const std::string& topic, const Bytes& payload) { links.publish(topic, payload); }};
}

net::Task<Result<eva::Outcome>> EvaCaller::call(eva::Controller target, std::string method, codec::Json::Object params,
                                                milliseconds timeout) {
  const std::shared_ptr<State> state = state_;
  CO_TRY(auto started, state->core.call(target, std::move(method), std::move(params), state->now(), timeout));
  const auto wait = std::make_shared<EvaWait>(state->executor, std::move(started.request));
  state->waits.emplace(started.reply_topic, wait);
  state->transport.subscribe(started.reply_topic);
  static_cast<void>(co_await wait->answered.wait(timeout));
  for (eva::Finished& finished : state->core.on_tick(state->now().steady)) state->finish(std::move(finished));
  state->waits.erase(started.reply_topic);
  state->transport.unsubscribe(started.reply_topic);
  if (wait->outcome) co_return *std::move(wait->outcome);
  // The clock of the wait was ahead of ours.
  state->core.cancel(started.call);
  co_return eva::Outcome(
      std::unexpected(eva::Failure{.code = eva::Code::server_timeout, .message = "no answer in time"}));
}

void EvaCaller::on_subscribed(const std::string& topic) {
  const auto found = state_->waits.find(topic);
  if (found == state_->waits.end() || !found->second->request) return;
  eva::Publish request = *std::exchange(found->second->request, std::nullopt);
  state_->transport.publish(std::move(request.topic), std::move(request.payload));
}

void EvaCaller::on_message(const std::string& topic, ByteView payload, bool retained) {
  if (auto finished = state_->core.on_message(topic, payload, retained, state_->now()))
    state_->finish(*std::move(finished));
}

const eva::ClientCounts& EvaCaller::counts() const {
  return state_->core.counts();
}

}  // namespace sallyport::rpcnode
