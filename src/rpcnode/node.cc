#include "rpcnode/node.h"

#include <utility>

#include "base/log.h"
#include "rpcnode/detail/built_in_methods.h"
#include "rpcnode/detail/call_run.h"
#include "rpcnode/detail/node_state.h"

namespace sallyport::rpcnode {

Result<NodeFiles> open_node_files(const std::filesystem::path& folder, const sealed::NodeName& node, UnixTime now,
                                  net::TaskGroup& tasks) {
  TRY(auto keys, NodeKeys::open(folder / "keys.json", node));
  TRY(auto started, StartedCalls::open(folder / "started-calls", now, tasks));
  TRY(auto audit, AuditTrail::open(folder, tasks));
  return NodeFiles{.keys = std::move(keys), .started = std::move(started), .audit = std::move(audit)};
}

Node::Node(net::TaskGroup& tasks, const Clock& clock, Random& random, sealed::NodeName name, sealed::TopicPrefix prefix,
           NodeFiles files, Send send)
    : state_(std::make_shared<State>(tasks, clock, random, std::move(name), std::move(prefix), std::move(files),
                                     std::move(send))) {
  add_built_in_methods(*state_);
  const std::weak_ptr<State> state = state_;
  state_->responder.set_idempotent([state](std::string_view json) {
    const auto held = state.lock();
    return held && held->methods.is_idempotent(json);
  });
  state_->apply_keys();
}

Node::~Node() = default;

Result<void> Node::add_method(std::string name, Method method) {
  return state_->methods.add(std::move(name), std::move(method));
}

void Node::accept_certificates(Identity identity, std::vector<CallerSettings> callers) {
  state_->callers = std::move(callers);
  const bool was_there = std::exchange(state_->identity, std::move(identity)).has_value();
  if (was_there) return;
  const std::weak_ptr<State> state = state_;
  state_->responder.set_judge(
      [state](const std::vector<Bytes>& chain, ByteView message, ByteView signature) -> Result<sealed::JudgedCaller> {
        const auto held = state.lock();
        if (!held) return fail(Errc::unavailable, "the node is ending");
        TRY(auto caller, held->identity->judge(chain, message, signature, held->clock.now()));
        if (!held->find_caller(caller.principal))
          return fail(Errc::unauthorized, "caller: no [[caller]] of rpc.toml is for it");
        return caller;
      });
}

std::optional<sealed::Bundle> Node::renew_prekey() {
  const UnixTime now = state_->clock.now();
  // Grows over restarts: two bundles are never drawn in one second.
  return state_->responder.renew_prekey(now, static_cast<std::uint64_t>(now.since_epoch()));
}

bool Node::knows(const sealed::Principal& principal) const {
  return state_->find_caller(principal).has_value();
}

bool Node::is_written() const {
  return state_->files.audit->is_idle();
}

net::Task<sealed::ReplyBody> Node::call(sealed::Principal principal, sealed::CallId id, UnixTime deadline,
                                        std::string json, std::string way) {
  sealed::Execute call{
      .principal = std::move(principal), .id = id, .deadline = deadline, .stored = true, .json = std::move(json)};
  return answer_call(state_, std::move(call), std::move(way));
}

net::Task<MethodResult> Node::run_method(std::string principal, AccessRules rules, std::string method,
                                         codec::Json params, std::string way) {
  sealed::Execute call{.principal = sealed::Principal(std::move(principal)),
                       .id = sealed::draw_call_id(state_->clock.now(), state_->random),
                       .deadline = state_->clock.now() + kForeignCallLimit};
  sealed::RpcRequest request{.id = std::nullopt, .method = std::move(method), .params = std::move(params)};
  return run_foreign(state_, std::move(call), std::move(way), std::move(request), std::move(rules));
}

const std::string& Node::bundle_topic() const {
  return state_->bundle_topic;
}

const std::string& Node::topic() const {
  return state_->responder.topic();
}

void Node::on_message(ByteView message, bool retained) {
  state_->carry_out(state_->responder.on_message(message, retained, state_->clock.now()));
}

void Node::on_tick() {
  State& state = *state_;
  const UnixTime now = state.clock.now();
  if (auto followed = state.keys().follow_file(); !followed) state.log_fault("rpc.keys", followed.error());
  state.apply_keys();
  state.responder.on_tick(now);
  if (auto kept = state.files.started->on_tick(now); !kept) state.log_fault("rpc.started", kept.error());
  if (auto kept = state.files.audit->on_tick(); !kept) state.log_fault("rpc.audit", kept.error());
}

const sealed::ResponderCounts& Node::counts() const {
  return state_->responder.counts();
}

const MethodTable& Node::methods() const {
  return state_->methods;
}

std::size_t Node::running() const {
  return state_->running;
}

}  // namespace sallyport::rpcnode
