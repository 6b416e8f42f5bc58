#include "rpcnode/detail/call_run.h"

#include <algorithm>

#include "net/timer.h"
#include "rpcnode/detail/counted.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;
using sealed::ReplyBody;
using sealed::ReplyStatus;

constexpr seconds kTryAgain{5};

// One request of a batch, with what the audit needs.
struct Step {
  const sealed::Execute& call;
  const std::string& way;
  const sealed::RpcRequest& request;
};

std::string_view result_word(sealed::RpcCode code) {
  switch (code) {
    case sealed::RpcCode::forbidden:
      return "denied";
    case sealed::RpcCode::method_not_found:
      return "unknown method";
    case sealed::RpcCode::timed_out:
      return "timed out";
    case sealed::RpcCode::invalid_params:
      return "bad params";
    default:
      return "failed";
  }
}

MethodFault call_fault(sealed::RpcCode code, std::string message) {
  return {.code = code, .message = std::move(message), .data = nullptr};
}

// What is left of a call's time, by its deadline and its method's limit.
net::Deadline deadline_of(const Node::State& node, const sealed::Execute& call, milliseconds limit) {
  const seconds left = std::max(call.deadline - node.clock.now(), seconds(0));
  return call.stored ? net::Deadline(limit) : earlier(net::Deadline(left), net::Deadline(limit));
}

Result<const Method*> find_allowed(const Node::State& node, const Step& step, const AccessRules& rules) {
  TRY_VOID(check_access(rules, step.request.method, step.request.params));
  const Method* method = node.methods.find(step.request.method);
  if (method == nullptr) return fail(Errc::not_found, "there is no such method");
  return method;
}

net::Task<MethodResult> run_method(std::shared_ptr<Node::State> node, Step step, AccessRules rules) {
  const auto method = find_allowed(*node, step, rules);
  if (!method) {
    const Errc code = method.error().code;
    co_return std::unexpected(call_fault(code == Errc::not_found   ? sealed::RpcCode::method_not_found
                                         : code == Errc::malformed ? sealed::RpcCode::invalid_params
                                                                   : sealed::RpcCode::forbidden,
                                         method.error().detail));
  }
  if (!step.call.stored && node->clock.now() > step.call.deadline)
    co_return std::unexpected(call_fault(sealed::RpcCode::timed_out, "its turn came after the deadline"));
  std::size_t& of_method = node->in_method[step.request.method];
  if (of_method >= (*method)->concurrent)
    co_return std::unexpected(call_fault(sealed::RpcCode::failed, "it runs as often as it may at the same time"));
  const Counted in_all(node->running), in_its_method(of_method);
  MethodCall call{.principal = step.call.principal.get(),
                  .method = step.request.method,
                  .params = step.request.params,
                  .id = step.call.id,
                  .deadline = deadline_of(*node, step.call, (*method)->limit),
                  .progress = [node, execution = step.call.execution](Json value) {
                    node->carry_out(node->responder.progress(execution, value.write(), node->clock.now()));
                  }};
  co_return co_await (*method)->run(std::move(call));
}

Result<void> audit(Node::State& node, const Step& step, const MethodResult& result, Instant began) {
  auto items = items_of(step.request.params);
  AuditEntry entry{.time = node.clock.now(),
                   .who = step.call.principal.get(),
                   .way = step.way,
                   .method = step.request.method,
                   .items = items ? *std::move(items) : std::vector<std::string>(),
                   .result = std::string(result ? "ok" : result_word(result.error().code)),
                   .reason = result ? "" : result.error().message,
                   .took = std::chrono::duration_cast<milliseconds>(node.clock.monotonic() - began),
                   .id = step.call.id};
  return node.files.audit->add(entry);
}

net::Task<MethodResult> run_audited(std::shared_ptr<Node::State> node, Step step, AccessRules rules) {
  const Instant began = node->clock.monotonic();
  MethodResult result = co_await run_method(node, step, std::move(rules));
  if (auto written = audit(*node, step, result, began); !written) node->log_fault("rpc.audit", written.error());
  co_return result;
}

// The response to one element, or null for a notification.
net::Task<Json> run_request(std::shared_ptr<Node::State> node, Step step) {
  const sealed::RpcRequest& request = step.request;
  const auto caller = node->find_caller(step.call.principal);
  const MethodResult result = co_await run_audited(node, step, caller ? caller->rules : AccessRules{});
  if (!request.id) co_return nullptr;
  if (result) co_return sealed::rpc_result(*request.id, *result);
  co_return sealed::rpc_error(*request.id, result.error().code, result.error().message, result.error().data);
}

// The response text; empty when everything was a notification.
net::Task<std::string> run_batch(std::shared_ptr<Node::State> node, const sealed::Execute& call, const std::string& way,
                                 const sealed::RpcBatch& batch) {
  Json::Array responses;
  for (const auto& element : batch.elements) {
    if (const auto* bad = std::get_if<sealed::RpcFault>(&element)) {
      responses.push_back(sealed::rpc_error(bad->id, bad->code, bad->message));
      continue;
    }
    const Step step{.call = call, .way = way, .request = std::get<sealed::RpcRequest>(element)};
    Json response = co_await run_request(node, step);
    if (!response.is_null()) responses.push_back(std::move(response));
  }
  if (responses.empty()) co_return std::string();
  co_return batch.is_batch ? Json(std::move(responses)).write() : responses.front().write();
}

ReplyBody overloaded(seconds after) {
  return {.status = ReplyStatus::overloaded, .json = {}, .node_time = {}, .after = after};
}

ReplyBody forbidden() {
  return {.status = ReplyStatus::done,
          .json = sealed::rpc_error(nullptr, sealed::RpcCode::forbidden, "the caller is no longer good").write()};
}

// Whether the caller may run anything of it: only then is anything written for it.
bool is_any_allowed(const sealed::RpcBatch& batch, const AccessRules& rules) {
  return std::ranges::any_of(batch.elements, [&](const auto& element) {
    const auto* request = std::get_if<sealed::RpcRequest>(&element);
    return request != nullptr && check_access(rules, request->method, request->params).has_value();
  });
}

// What is to be known of a call that was marked before: nothing is run.
ReplyBody answer_of_mark(const Node::State& node, const sealed::Execute& call) {
  if (node.files.started->runs(call.principal, call.id)) return ReplyBody{.status = ReplyStatus::accepted};
  return node.files.started->find(call.principal, call.id).value_or(ReplyBody{.status = ReplyStatus::outcome_unknown});
}

// Why the call must not be run now, as its answer; nothing when it may be: then it is marked, unless it is idempotent.
net::Task<std::optional<ReplyBody>> prepare(std::shared_ptr<Node::State> node, const sealed::Execute& call,
                                            const std::string& way, const sealed::RpcBatch& batch) {
  const auto caller = node->find_caller(call.principal);
  if (!caller) co_return forbidden();
  if (!node->take_rate(call.principal, *caller, std::max<std::size_t>(batch.elements.size(), 1)))
    co_return overloaded(kTryAgain);
  if (!node->files.audit->is_ready()) co_return overloaded(kTryAgain);
  if (!is_any_allowed(batch, caller->rules))
    co_return ReplyBody{.status = ReplyStatus::done, .json = co_await run_batch(node, call, way, batch)};
  if (!call.stored && node->methods.is_idempotent(batch)) co_return std::nullopt;
  const auto mark = co_await node->files.started->start(call.principal, call.id, call.deadline, node->clock.now());
  if (!mark && mark.error().code == Errc::expired) co_return ReplyBody{.status = ReplyStatus::expired};
  if (!mark) {
    node->log_fault("rpc.started", mark.error());
    co_return overloaded(kTryAgain);
  }
  if (*mark == StartedCalls::Mark::was_there) co_return answer_of_mark(*node, call);
  co_return std::nullopt;
}

// New keys are told once: their secrets are on no disk.
bool is_managing(const sealed::RpcBatch& batch) {
  return std::ranges::any_of(batch.elements, [](const auto& element) {
    const auto* request = std::get_if<sealed::RpcRequest>(&element);
    return request != nullptr && (request->method.starts_with(kManagementMethods) || request->method == kPairMethod);
  });
}

}  // namespace

namespace {

// Runs a call that prepare() has nothing against; a stored one's result is on disk when it returns.
net::Task<ReplyBody> run_prepared(std::shared_ptr<Node::State> node, const sealed::Execute& call,
                                  const std::string& way, const sealed::RpcBatch& batch) {
  ReplyBody answer{.status = ReplyStatus::done, .json = co_await run_batch(node, call, way, batch)};
  if (call.stored && !is_managing(batch)) {
    if (auto kept = co_await node->files.started->keep(call.principal, call.id, answer); !kept)
      node->log_fault("rpc.started", kept.error());
  }
  node->files.started->end(call.principal, call.id);
  co_return answer;
}

void finish(Node::State& node, std::uint64_t execution, ReplyBody answer) {
  node.carry_out(node.responder.finish(execution, std::move(answer), node.clock.now()));
}

}  // namespace

net::Task<ReplyBody> answer_call(std::shared_ptr<Node::State> node, sealed::Execute call, std::string way) {
  const sealed::RpcBatch batch = sealed::parse_json_rpc(call.json);
  if (auto instead = co_await prepare(node, call, way, batch)) co_return *std::move(instead);
  co_return co_await run_prepared(node, call, way, batch);
}

net::Task<void> run_call(std::shared_ptr<Node::State> node, sealed::Execute call) {
  const std::string way = "sealed";
  const sealed::RpcBatch batch = sealed::parse_json_rpc(call.json);
  auto instead = co_await prepare(node, call, way, batch);
  if (call.stored) {
    // What came of it is asked for, now as after a crash.
    const bool was_marked = node->files.started->find(call.principal, call.id).has_value();
    finish(*node, call.execution, was_marked ? ReplyBody{.status = ReplyStatus::accepted} : *instead);
    if (!instead) static_cast<void>(co_await run_prepared(node, call, way, batch));
    co_return;
  }
  if (!instead) instead = co_await run_prepared(node, call, way, batch);
  finish(*node, call.execution, *std::move(instead));
}

net::Task<MethodResult> run_foreign(std::shared_ptr<Node::State> node, sealed::Execute call, std::string way,
                                    sealed::RpcRequest request, AccessRules rules) {
  const Step step{.call = call, .way = way, .request = request};
  co_return co_await run_audited(node, step, std::move(rules));
}

void answer_question(Node::State& node, const sealed::AskResult& ask) {
  ReplyBody answer =
      node.files.started->find(ask.principal, ask.id).value_or(ReplyBody{.status = ReplyStatus::unknown_call});
  if (node.files.started->runs(ask.principal, ask.id)) answer = {.status = ReplyStatus::accepted};
  node.carry_out(node.responder.finish(ask.execution, std::move(answer), node.clock.now()));
}

}  // namespace sallyport::rpcnode
