// What the role caller shows of nodes, the keys that it keeps, and those of the nodes themselves.
#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "rpcnode/detail/caller_role_state.h"
#include "rpcnode/detail/told_answers.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;

Json broker_json(const BrokerState& broker) {
  return Json::Object{{"address", broker.address},
                      {"connected", broker.is_connected},
                      {"reason", broker.reason},
                      {"since", to_iso8601(broker.since)}};
}

Json kept_json(const KeptKey* kept) {
  if (kept == nullptr) return nullptr;
  return Json::Object{{"id", kept->id.get()}, {"kept", to_iso8601(kept->kept)}, {"by", kept->by}};
}

// Nothing of it is told on.
Result<Json> check_told_removal(const Json&) {
  return Json(Json::Object{});
}

// "untold": it is known by its kept key alone.
std::string_view verdict_of(const FoundNode* found) {
  if (found == nullptr) return "untold";
  if (found->holders.empty()) return "refused";
  return found->holders.size() == 1 ? "verified" : "contested";
}

std::string reason_of(const FoundNode* found) {
  if (found == nullptr || found->holders.size() <= 1) return found == nullptr ? "" : found->refusal;
  std::string out = "several devices tell of themselves as this node:";
  for (const FoundNode::Holder& holder : found->holders) out += " " + holder.device.get();
  return out;
}

}  // namespace

Result<Bytes> CallerRole::State::list_nodes() {
  std::set<sealed::NodeName> names;
  for (const auto& [name, node] : nodes.nodes()) names.insert(name);
  for (const KeptKey& key : kept.list()) names.insert(key.node);
  Json::Array rows;
  for (const sealed::NodeName& name : names) {
    const auto found = nodes.nodes().find(name);
    const FoundNode* const node = found == nodes.nodes().end() ? nullptr : &found->second;
    const bool is_known = node != nullptr && node->holders.size() == 1;
    const auto last = answered.find(name);
    rows.push_back(Json::Object{{"name", name.get()},
                                {"verdict", verdict_of(node)},
                                {"reason", reason_of(node)},
                                {"device", is_known ? Json(node->holders.front().device.get()) : Json()},
                                {"until", is_known ? Json(to_iso8601(node->holders.front().until)) : Json()},
                                {"since", node != nullptr ? Json(to_iso8601(node->since)) : Json()},
                                {"told", node != nullptr ? Json(to_iso8601(node->told)) : Json()},
                                {"answered", last != answered.end() ? Json(to_iso8601(last->second)) : Json()},
                                {"calls_key", kept_json(kept.find(name, KeyPurpose::calls))},
                                {"keys_key", kept_json(kept.find(name, KeyPurpose::keys))}});
  }
  Json::Array shown_brokers;
  for (const BrokerState& each : callers->brokers()) shown_brokers.push_back(broker_json(each));
  return to_bytes(Json(Json::Object{{"configured", true},
                                    {"prefix", settings.way.prefix.get()},
                                    {"brokers", std::move(shown_brokers)},
                                    {"nodes", std::move(rows)},
                                    {"left_out", nodes.left_out() + waiting_bundles.left_out()}})
                      .write());
}

// Whoever carries the answer of a rotation can withhold it: with no overlap we had no secret any more.
Result<void> CallerRole::State::check_rotation(const ManageRequest& request) const {
  if (request.method != "keys.rotate") return {};
  TRY(const std::int64_t overlap, request.params.integer_at("overlap_s"));
  if (overlap >= kLeastKeptOverlap.count()) return {};
  for (const KeyPurpose purpose : {KeyPurpose::calls, KeyPurpose::keys}) {
    const KeptKey* const key = kept.find(request.node, purpose);
    if (key == nullptr || key->id != request.id) continue;
    return failf(Errc::malformed, "invalid-request: overlap_s: found {}, want at least {} of a key that is kept here",
                 overlap, kLeastKeptOverlap.count());
  }
  return {};
}

Result<Bytes> CallerRole::State::check_key(const KeepRequest& request) const {
  TRY_VOID(kept.check_room(request.node, request.purpose));
  return to_bytes(Json(Json::Object{{"id", request.key.id.get()}}).write());
}

Result<Bytes> CallerRole::State::keep(KeepRequest request) {
  KeptKey key{.node = request.node,
              .purpose = request.purpose,
              .id = request.key.id,
              .key = sealed::derive_node_key(request.key.secret, request.node),
              .kept = clock.now(),
              .by = std::move(request.by)};
  log::info("caller.key-kept",
            {{"node", key.node.get()}, {"purpose", to_string(key.purpose)}, {"key", key.id.get()}, {"by", key.by}});
  const Json answer(Json::Object{{"id", key.id.get()}});
  TRY_VOID(kept.keep(std::move(key)));
  close_node(request.node, request.purpose);
  tell_changed();
  return to_bytes(answer.write());
}

Result<Bytes> CallerRole::State::forget(const ForgetRequest& request) {
  TRY_VOID(kept.forget(request.node, request.purpose));
  close_node(request.node, request.purpose);
  answered.erase(request.node);
  tell_changed();
  return to_bytes(std::string_view("{}"));
}

// A key that we call with ourselves is kept on with its new secret: otherwise rotating it would lock us out.
void CallerRole::State::take_new_secret(const ManageRequest& request, Json& result) {
  bool is_kept = false;
  const auto text = result.text_at("key");
  auto key = text ? sealed::parse_api_key(*text) : Result<sealed::ApiKey>(std::unexpected(text.error()));
  for (const KeyPurpose purpose : {KeyPurpose::calls, KeyPurpose::keys}) {
    const KeptKey* const before = kept.find(request.node, purpose);
    if (!key || before == nullptr || before->id != request.id) continue;
    KeptKey renewed{.node = request.node,
                    .purpose = purpose,
                    .id = request.id,
                    .key = sealed::derive_node_key(key->secret, request.node),
                    .kept = clock.now(),
                    .by = before->by};
    if (const auto done = kept.keep(std::move(renewed)); !done) {
      log::error("caller.key-not-kept", {{"node", request.node.get()}, {"error", done.error()}});
      continue;
    }
    close_node(request.node, purpose);
    is_kept = true;
  }
  auto object = result.object().value_or(Json::Object{});
  object.insert_or_assign("kept", is_kept);
  result = Json(std::move(object));
}

void CallerRole::State::drop_removed(const ManageRequest& request) {
  for (const KeyPurpose purpose : {KeyPurpose::calls, KeyPurpose::keys}) {
    const KeptKey* const before = kept.find(request.node, purpose);
    if (before == nullptr || before->id != request.id) continue;
    static_cast<void>(kept.forget(request.node, purpose));
    close_node(request.node, purpose);
  }
}

net::Task<Result<Bytes>> CallerRole::State::manage(std::shared_ptr<State> self, ManageRequest request) {
  const ToldCheck check = request.method == "keys.remove" ? check_told_removal : check_told_secret;
  CO_TRY_VOID(self->check_rotation(request));
  CO_TRY(Json result, co_await ask(self, request, KeyPurpose::keys, false, check));
  if (request.method == "keys.rotate") self->take_new_secret(request, result);
  if (request.method == "keys.remove") self->drop_removed(request);
  self->tell_changed();
  co_return to_bytes(result.write());
}

}  // namespace sallyport::rpcnode
