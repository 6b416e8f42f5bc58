// How the role caller calls.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "codec/text.h"
#include "rpcnode/detail/caller_role_state.h"
#include "rpcnode/detail/counted.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;

constexpr codec::JsonLimits kProgressLimits{.size = kMaxProgressLine, .depth = 16, .values = 256};
constexpr std::size_t kMaxNodeSentence = 300;

// A node's own words, for people.
std::string cut(std::string text) {
  if (text.size() <= kMaxNodeSentence) return text;
  return std::string(codec::cut_utf8(text, kMaxNodeSentence)) + " …";
}

CallEnd end_of_response(const std::string& text, const Json& id) {
  auto outcome = sealed::parse_rpc_response(text, id);
  if (!outcome)
    return {.outcome = CallOutcome::broken, .detail = cut(outcome.error().detail), .result = {}, .error = {}};
  if (!outcome->error)
    return {.outcome = CallOutcome::answered, .detail = {}, .result = outcome->result->write(), .error = {}};
  const Json error(Json::Object{{"code", static_cast<std::int64_t>(outcome->error->code)},
                                {"message", outcome->error->message},
                                {"data", std::move(outcome->error_data)}});
  return {.outcome = CallOutcome::failed, .detail = cut(outcome->error->message), .result = {}, .error = error.write()};
}

CallEnd end_of_reply(const sealed::ReplyBody& reply, const Json& id) {
  const auto ended = [&](CallOutcome outcome) {
    const auto said = done_text(reply);
    return CallEnd{.outcome = outcome, .detail = said ? std::string() : said.error().detail, .result = {}, .error = {}};
  };
  switch (reply.status) {
    case sealed::ReplyStatus::done:
      return end_of_response(reply.json, id);
    case sealed::ReplyStatus::outcome_unknown:
      return ended(CallOutcome::lost);
    case sealed::ReplyStatus::expired:
      return ended(CallOutcome::late);
    case sealed::ReplyStatus::overloaded:
      return ended(CallOutcome::overloaded);
    default:
      return ended(CallOutcome::broken);
  }
}

// The type of the API's problem that an end is, for who waits for it.
std::unexpected<Error> problem_of_end(const CallEnd& end) {
  switch (end.outcome) {
    case CallOutcome::failed:
      return fail(Errc::conflict, "rpc-refused: " + end.detail);
    case CallOutcome::unsent:
      return fail(Errc::unavailable, "unavailable: " + end.detail);
    case CallOutcome::overloaded:
      return fail(Errc::overloaded, "too-many-requests: " + end.detail);
    default:
      return fail(Errc::expired, "rpc-no-answer: " + end.detail);
  }
}

}  // namespace

void CallerRole::State::close_node(const sealed::NodeName& node, KeyPurpose purpose) {
  open.erase({node, purpose});
  callers->release_unused();
}

void CallerRole::State::close_unused() {
  const Instant now = clock.monotonic();
  const auto closed = std::erase_if(open, [&](const auto& entry) {
    return entry.second->under_way == 0 && now - entry.second->used >= kOpenNodeLife;
  });
  if (closed > 0) callers->release_unused();
}

Result<std::shared_ptr<OpenNode>> CallerRole::State::open_node(const sealed::NodeName& node, KeyPurpose purpose) {
  const KeptKey* const key = kept.find(node, purpose);
  if (key == nullptr)
    return failf(Errc::conflict, "rpc-key-missing: no key for {} is kept for {}", to_string(purpose), node.get());
  const auto found = open.find({node, purpose});
  if (found != open.end()) {
    found->second->used = clock.monotonic();
    return found->second;
  }
  if (open.size() >= kMaxOpenNodes) {
    auto idle = open.end();
    for (auto each = open.begin(); each != open.end(); ++each) {
      if (each->second->under_way > 0) continue;
      if (idle == open.end() || each->second->used < idle->second->used) idle = each;
    }
    if (idle == open.end()) return fail(Errc::overloaded, "too-many-requests: too many nodes are being called");
    open.erase(idle);
    callers->release_unused();
  }
  auto made = std::make_shared<OpenNode>();
  made->key = key->id;
  made->used = clock.monotonic();
  made->caller = callers->make(node, sealed::KeyCredential{.key = key->key.clone()});
  open.emplace(std::pair(node, purpose), made);
  return made;
}

std::string CallerRole::State::no_broker() const {
  const std::string& fault = callers->last_fault();
  return "no broker is connected" + (fault.empty() ? std::string("; none has answered yet") : "; " + fault);
}

net::Task<CallEnd> CallerRole::State::send(std::shared_ptr<State> self, std::shared_ptr<OpenNode> node,
                                           sealed::CallId id, std::string text, CallChoices choices) {
  if (self->callers->connected() == 0)
    co_return CallEnd{.outcome = CallOutcome::unsent, .detail = self->no_broker(), .result = {}, .error = {}};
  const Counted under_way(node->under_way);
  const bool is_idempotent = choices.idempotent;
  const auto shown_timeout = std::chrono::duration<double>(choices.timeout).count();
  const std::shared_ptr<CallerTask> caller = node->caller;
  const auto reply = co_await caller->send(id, std::move(text), std::move(choices));
  node->used = self->clock.monotonic();
  if (reply) co_return end_of_reply(*reply, Json(sealed::to_text(id)));
  // Without a session nothing but a call that may ride in the first message has left.
  const bool never_left = caller->core().counts().sessions == 0 && !is_idempotent;
  CallEnd end{.outcome = never_left ? CallOutcome::unheard : CallOutcome::unknown,
              .detail = fmt::format("no answer within {:g} s", shown_timeout),
              .result = {},
              .error = {}};
  if (reply.error().code == Errc::overloaded) end.outcome = CallOutcome::overloaded;
  if (reply.error().code != Errc::expired) end.detail = reply.error().detail;
  if (const std::string& fault = self->callers->last_fault(); !fault.empty()) end.detail += "; " + fault;
  co_return end;
}

net::Task<Result<Json>> CallerRole::State::ask(std::shared_ptr<State> self, ManageRequest request, KeyPurpose purpose,
                                               bool idempotent, ToldCheck check) {
  if (self->asks >= kMaxAsks) co_return fail(Errc::overloaded, "too-many-requests: too many nodes are being asked");
  CO_TRY(const auto opened, self->open_node(request.node, purpose));
  const Counted asking(self->asks);
  const sealed::CallId id = sealed::draw_call_id(self->clock.now(), self->random);
  CallChoices choices{.timeout = kAskLimit, .idempotent = idempotent};
  std::string text = sealed::rpc_request(Json(sealed::to_text(id)), request.method, request.params);
  const CallEnd end = co_await send(self, opened, id, std::move(text), std::move(choices));
  if (end.outcome != CallOutcome::answered) co_return problem_of_end(end);
  self->answered[request.node] = self->clock.now();
  CO_TRY(const Json told, codec::parse_json(end.result));
  auto checked = check(told);
  if (!checked) co_return fail(Errc::conflict, "rpc-refused: " + checked.error().detail);
  co_return checked;
}

Result<Bytes> CallerRole::State::begin(BeginRequest request) {
  TRY(const auto opened, open_node(request.node, KeyPurpose::calls));
  if (!request.id) request.id = sealed::draw_call_id(clock.now(), random);
  const Json answer(Json::Object{{"id", sealed::to_text(*request.id)}, {"key", opened->key.get()}});
  TRY_VOID(calls.begin(std::move(request), opened->key, clock.now(), clock.monotonic()));
  return to_bytes(answer.write());
}

net::Task<Result<Bytes>> CallerRole::State::run(std::shared_ptr<State> self, RunRequest request) {
  CO_TRY(const CallRecord* const record, self->calls.run(request.id, request.by));
  const sealed::NodeName node = record->request.node;
  CallChoices choices{
      .timeout = record->request.timeout, .known_for = kAnswerKept, .idempotent = record->request.idempotent};
  const std::weak_ptr<State> weak = self;
  choices.on_progress = [weak, id = request.id](const std::string& text) {
    const auto held = weak.lock();
    const auto told = codec::parse_json(text, kProgressLimits);
    if (!held) return;
    // What cannot be shown is counted.
    held->calls.add_progress(id, told ? told->write() : std::string(kMaxProgressLine + 1, ' '));
    held->tell_changed();
  };
  std::string text = record->text;
  CallEnd end{.outcome = CallOutcome::unsent, .detail = {}, .result = {}, .error = {}};
  const auto opened = self->open_node(node, KeyPurpose::calls);
  if (!opened) {
    end.detail = opened.error().detail;
  } else if ((*opened)->key != record->key) {
    end.detail = "another key is kept by now";
  } else {
    end = co_await send(self, *opened, request.id, std::move(text), std::move(choices));
  }
  if (end.outcome == CallOutcome::answered || end.outcome == CallOutcome::failed)
    self->answered[node] = self->clock.now();
  const CallOutcome outcome = self->calls.end(request.id, std::move(end), self->clock.monotonic());
  self->tell_changed();
  const auto ended = self->calls.find(request.id, request.by);
  const std::int64_t took = ended ? (*ended)->took.count() : 0;
  co_return to_bytes(Json(Json::Object{{"outcome", to_string(outcome)}, {"duration_ms", took}}).write());
}

Result<Bytes> CallerRole::State::look(const LookRequest& request) const {
  TRY(const CallRecord* const record, calls.find(request.id, request.by));
  return to_bytes(call_json(*record));
}

}  // namespace sallyport::rpcnode
