#include "rpcnode/caller_task.h"

#include <map>
#include <optional>
#include <utility>

#include "net/timer.h"

namespace sallyport::rpcnode {
namespace {

constexpr milliseconds kCallerTick{250};
// The core answers at the timeout by itself; this is for a fault of ours.
constexpr seconds kGrace{5};

// Who waits for an answer.
struct Wait {
  explicit Wait(net::Executor executor) : answered(std::move(executor)) {}
  net::Event answered;
  std::optional<Result<sealed::ReplyBody>> reply;
  std::function<void(std::string)> on_progress;
};

}  // namespace

struct CallerTask::State : std::enable_shared_from_this<CallerTask::State> {
  State(net::TaskGroup& group, const Clock& time, Random& source, sealed::Caller caller, CallerTransport carrier)
      : tasks(group), clock(time), random(source), core(std::move(caller)), transport(std::move(carrier)) {}

  sealed::Now now() const { return {.civil = clock.now(), .monotonic = clock.monotonic()}; }
  void carry_out(std::vector<sealed::CallerAction> actions);
  void carry_out_one(sealed::CallerAction& action);
  void keep_ticking();
  static net::Task<void> tick(std::weak_ptr<State> self);
  std::shared_ptr<Wait> wait_for(const sealed::CallId& id, std::function<void(std::string)> on_progress);
  static net::Task<Result<sealed::ReplyBody>> finish(std::shared_ptr<State> self, sealed::CallId id,
                                                     std::shared_ptr<Wait> wait, milliseconds limit);

  net::TaskGroup& tasks;
  const Clock& clock;
  Random& random;
  sealed::Caller core;
  CallerTransport transport;
  std::map<sealed::CallId, std::shared_ptr<Wait>> waits;
  bool ticking = false;
};

void CallerTask::State::carry_out_one(sealed::CallerAction& action) {
  if (auto* subscribe = std::get_if<sealed::Subscribe>(&action)) {
    transport.subscribe(std::move(subscribe->topic));
  } else if (auto* unsubscribe = std::get_if<sealed::Unsubscribe>(&action)) {
    transport.unsubscribe(std::move(unsubscribe->topic));
  } else if (auto* publish = std::get_if<sealed::Publish>(&action)) {
    transport.publish(std::move(publish->topic), std::move(publish->payload));
  } else if (auto* answer = std::get_if<sealed::Answer>(&action)) {
    if (const auto found = waits.find(answer->id); found != waits.end()) {
      found->second->reply = std::move(answer->reply);
      found->second->answered.set();
    }
  } else if (auto* progress = std::get_if<sealed::Progress>(&action)) {
    const auto found = waits.find(progress->id);
    if (found != waits.end() && found->second->on_progress) found->second->on_progress(std::move(progress->json));
  }
}

void CallerTask::State::carry_out(std::vector<sealed::CallerAction> actions) {
  for (sealed::CallerAction& action : actions) carry_out_one(action);
  keep_ticking();
}

void CallerTask::State::keep_ticking() {
  if (ticking || core.pending() == 0) return;
  ticking = true;
  tasks.spawn(tick(weak_from_this()), "rpc.caller");
}

net::Task<void> CallerTask::State::tick(std::weak_ptr<State> self) {
  while (true) {
    co_await net::sleep_for(kCallerTick);
    const std::shared_ptr<State> held = self.lock();
    if (!held) co_return;
    held->carry_out(held->core.on_tick(held->now()));
    if (held->core.pending() > 0) continue;
    held->ticking = false;
    co_return;
  }
}

std::shared_ptr<Wait> CallerTask::State::wait_for(const sealed::CallId& id,
                                                  std::function<void(std::string)> on_progress) {
  auto wait = std::make_shared<Wait>(tasks.executor());
  wait->on_progress = std::move(on_progress);
  waits[id] = wait;
  return wait;
}

net::Task<Result<sealed::ReplyBody>> CallerTask::State::finish(std::shared_ptr<State> self, sealed::CallId id,
                                                               std::shared_ptr<Wait> wait, milliseconds limit) {
  const auto waited = co_await wait->answered.wait(limit);
  if (const auto found = self->waits.find(id); found != self->waits.end() && found->second == wait)
    self->waits.erase(found);
  if (!waited) {
    self->core.forget(id);
    co_return std::unexpected(waited.error());
  }
  co_return *std::move(wait->reply);
}

CallerTask::CallerTask(net::TaskGroup& tasks, const Clock& clock, Random& random, sealed::NodeName node,
                       sealed::TopicPrefix prefix, sealed::Credential credential, CallerTransport transport)
    : state_(std::make_shared<State>(
          tasks, clock, random, sealed::Caller(std::move(node), std::move(prefix), std::move(credential), random, {}),
          std::move(transport))) {}

CallerTask::~CallerTask() = default;

net::Task<Result<sealed::ReplyBody>> CallerTask::send(sealed::CallId id, std::string json, CallChoices choices) {
  const std::shared_ptr<State> state = state_;
  if (state->waits.contains(id)) co_return fail(Errc::conflict, "call: its id is waited for already");
  const auto wait = state->wait_for(id, std::move(choices.on_progress));
  const sealed::CallOptions options{
      .idempotent = choices.idempotent, .fail_on_disconnect = choices.fail_on_disconnect, .stored = choices.stored};
  const bool outlives = choices.known_for > choices.timeout;
  const milliseconds known_for = outlives ? choices.known_for : choices.timeout;
  state->carry_out(state->core.call(id, std::move(json), known_for, options, state->now()));
  co_return co_await State::finish(state, id, wait, outlives ? choices.timeout : choices.timeout + kGrace);
}

net::Task<Result<sealed::ReplyBody>> CallerTask::ask_result(sealed::CallId id, milliseconds timeout) {
  const std::shared_ptr<State> state = state_;
  if (state->waits.contains(id)) co_return fail(Errc::conflict, "call: its id is waited for already");
  const auto wait = state->wait_for(id, {});
  state->carry_out(state->core.ask_result(id, timeout, state->now()));
  co_return co_await State::finish(state, id, wait, timeout + kGrace);
}

net::Task<Result<sealed::RpcOutcome>> CallerTask::call(std::string method, codec::Json params, CallChoices choices) {
  const sealed::CallId id = sealed::draw_call_id(state_->clock.now(), state_->random);
  const codec::Json json_id(sealed::to_text(id));
  CO_TRY(const auto reply, co_await send(id, sealed::rpc_request(json_id, method, params), std::move(choices)));
  CO_TRY(const std::string text, done_text(reply));
  co_return sealed::parse_rpc_response(text, json_id);
}

Result<std::string> done_text(const sealed::ReplyBody& reply) {
  switch (reply.status) {
    case sealed::ReplyStatus::done:
      return reply.json;
    case sealed::ReplyStatus::outcome_unknown:
      return fail(Errc::conflict, "call: outcome unknown: it was started, and the node lost what came of it");
    case sealed::ReplyStatus::expired:
      return failf(Errc::expired, "call: came after its deadline and was not run; the node's time is {}",
                   to_iso8601(reply.node_time));
    case sealed::ReplyStatus::overloaded:
      return failf(Errc::overloaded, "call: the node has too much to do; try again in {} s", reply.after.count());
    case sealed::ReplyStatus::accepted:
      return fail(Errc::not_yet, "call: has not ended yet");
    case sealed::ReplyStatus::unknown_call:
      return fail(Errc::not_found, "call: the node knows no such call");
    default:
      return failf(Errc::malformed, "call: the node's last word is '{}'", sealed::to_string(reply.status));
  }
}

void CallerTask::on_connected() {
  state_->carry_out(state_->core.on_connected(state_->now()));
}
void CallerTask::on_disconnected() {
  state_->carry_out(state_->core.on_disconnected(state_->now()));
}
void CallerTask::on_subscribed(const std::string& topic) {
  state_->carry_out(state_->core.on_subscribed(topic, state_->now()));
}
void CallerTask::on_message(const std::string& topic, ByteView message, bool retained) {
  state_->carry_out(state_->core.on_message(topic, message, retained, state_->now()));
}
sealed::Caller& CallerTask::core() {
  return state_->core;
}

}  // namespace sallyport::rpcnode
