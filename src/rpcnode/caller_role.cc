#include "rpcnode/caller_role.h"

#include <utility>

#include "base/log.h"
#include "rpcnode/detail/caller_role_state.h"
#include "rpcnode/detail/told_answers.h"

namespace sallyport::rpcnode {
namespace {

constexpr milliseconds kRoleTick{1'000};
constexpr std::size_t kMaxRoleAnswer = 8U << 20U;

}  // namespace

// Verified one after another, so many a second: whoever floods a broker costs us no more than that.
void CallerRole::State::on_message(const std::string& topic, const Bytes& payload) {
  waiting_bundles.put(topic, payload);
  if (waiting_bundles.empty()) return;
  if (std::exchange(is_verifying, true)) return;
  tasks.spawn(verify(weak_from_this()), "caller.verify");
}

net::Task<void> CallerRole::State::verify(std::weak_ptr<State> weak) {
  for (;;) {
    co_await net::sleep_for(kBundlePause);
    const auto self = weak.lock();
    if (!self) co_return;
    bool changed = false;
    for (std::size_t i = 0; i < kBundlesAtOnce; ++i) {
      const auto next = self->waiting_bundles.take_next();
      if (!next) break;
      changed = self->nodes.take(next->first, next->second, self->clock.now()) || changed;
    }
    if (changed) self->tell_changed();
    if (!self->waiting_bundles.empty()) continue;
    self->is_verifying = false;
    co_return;
  }
}

void CallerRole::State::tell_changed() {
  if (std::exchange(is_telling, true)) return;
  tasks.spawn(tell(weak_from_this()), "caller.tell");
}

net::Task<void> CallerRole::State::tell(std::weak_ptr<State> weak) {
  co_await net::sleep_for(kEventPause);
  const auto self = weak.lock();
  if (!self) co_return;
  self->is_telling = false;
  for (const auto& each : self->askers) {
    if (const auto peer = each.lock()) static_cast<void>(peer->send_event({}));
  }
}

net::Task<void> CallerRole::State::tick(std::weak_ptr<State> weak) {
  for (;;) {
    co_await net::sleep_for(kRoleTick);
    const auto self = weak.lock();
    if (!self) co_return;
    self->calls.on_tick(self->clock.monotonic());
    if (self->nodes.on_tick(self->clock.now())) self->tell_changed();
    self->close_unused();
  }
}

Result<std::unique_ptr<CallerRole>> CallerRole::open(net::TaskGroup& tasks, const Clock& clock, Random& random,
                                                     CallerRoleSettings settings) {
  TRY(auto kept, KeptKeys::open(settings.folder / "kept-keys.json"));
  auto state = std::make_shared<State>(tasks, clock, random, std::move(settings), std::move(kept));
  const std::weak_ptr<State> weak = state;
  CallersHandlers handlers;
  handlers.on_broker = [weak] {
    if (const auto self = weak.lock()) self->tell_changed();
  };
  handlers.on_message = [weak](const std::string& topic, const Bytes& payload) {
    if (const auto self = weak.lock()) self->on_message(topic, payload);
  };
  TRY(state->callers, Callers::open(tasks, clock, random, state->settings.way.prefix, state->settings.way.brokers,
                                    std::move(handlers)));
  TRY_VOID(state->callers->subscribe(sealed::bundle_filter(state->settings.way.prefix)));
  tasks.spawn(State::tick(weak), "caller.tick");
  std::unique_ptr<CallerRole> out(new CallerRole);
  out->state_ = std::move(state);
  return out;
}

CallerRole::~CallerRole() = default;

net::Task<void> CallerRole::State::serve_asker(net::StreamPtr stream) {
  net::RpcOptions options;
  options.max_frame = kMaxRoleAnswer;
  const std::weak_ptr<State> weak = weak_from_this();
  options.on_request = [weak](Bytes request, const net::Caller&) { return answer(weak.lock(), std::move(request)); };
  const auto peer = net::RpcPeer::start(std::move(stream), std::move(options));
  askers.push_back(peer);
  co_await peer->ended();
}

net::Task<void> CallerRole::serve(net::Listener& listener) {
  const std::shared_ptr<State> state = state_;
  for (;;) {
    auto stream = co_await listener.accept(net::Deadline::never());
    if (!stream) co_return;
    std::erase_if(state->askers, [](const auto& each) { return each.expired(); });
    const auto uid = (*stream)->peer().uid;
    if (!uid || !state->settings.askers.contains(*uid) || state->askers.size() >= kMaxAskers) {
      log::warn("caller.asker-refused", {{"uid", uid ? std::int64_t{*uid} : std::int64_t{-1}}});
      continue;
    }
    state->tasks.spawn(state->serve_asker(*std::move(stream)), "caller.asker");
  }
}

net::Task<Result<Bytes>> CallerRole::State::answer(std::shared_ptr<State> self, Bytes bytes) {
  if (!self) co_return fail(Errc::unavailable, "caller: is ending");
  CO_TRY(auto request, parse_caller_request(bytes));
  if (std::holds_alternative<NodesRequest>(request)) co_return self->list_nodes();
  if (auto* methods = std::get_if<MethodsRequest>(&request)) {
    ManageRequest info{.node = std::move(methods->node), .method = "info", .id = {}, .params = {}};
    CO_TRY(const auto told, co_await ask(self, std::move(info), KeyPurpose::calls, true, check_told_info));
    co_return to_bytes(told.write());
  }
  if (auto* begun = std::get_if<BeginRequest>(&request)) co_return self->begin(std::move(*begun));
  if (auto* run_now = std::get_if<RunRequest>(&request)) co_return co_await run(self, std::move(*run_now));
  if (const auto* look_at = std::get_if<LookRequest>(&request)) co_return self->look(*look_at);
  if (const auto* to_check = std::get_if<CheckKeyRequest>(&request)) co_return self->check_key(to_check->to_keep);
  if (auto* to_keep = std::get_if<KeepRequest>(&request)) co_return self->keep(std::move(*to_keep));
  if (const auto* to_forget = std::get_if<ForgetRequest>(&request)) co_return self->forget(*to_forget);
  if (auto* listed = std::get_if<ListKeysRequest>(&request)) {
    ManageRequest list{.node = std::move(listed->node), .method = "keys.list", .id = {}, .params = {}};
    CO_TRY(auto keys, co_await ask(self, std::move(list), KeyPurpose::keys, true, check_told_keys));
    co_return to_bytes(codec::Json(codec::Json::Object{{"keys", std::move(keys)}}).write());
  }
  co_return co_await manage(self, std::get<ManageRequest>(std::move(request)));
}

net::Task<Result<Bytes>> CallerRole::answer(Bytes request) {
  return State::answer(state_, std::move(request));
}

net::Task<void> CallerRole::finish() {
  const std::shared_ptr<State> state = state_;
  co_await state->callers->disconnect();
}

}  // namespace sallyport::rpcnode
