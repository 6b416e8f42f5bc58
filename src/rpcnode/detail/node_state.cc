#include "rpcnode/detail/node_state.h"

#include <algorithm>

#include "base/log.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "rpcnode/detail/call_run.h"

namespace sallyport::rpcnode {
namespace {

constexpr double kSecondsOfMinute = 60;

// Tells apart the sets of secrets that a key had at different times, without holding them.
std::string mark_of(const NodeKeyRecord& record, UnixTime now) {
  crypto::Sha256 hash;
  for (const NodeSecret& secret : record.secrets) {
    if (!secret.until || now < *secret.until) hash.update(secret.key.expose());
  }
  return codec::encode_hex(std::move(hash).digest());
}

// What whoever pairs may call, whatever he is to get by it.
const AccessRules& pairing_rules() {
  static const AccessRules rules{
      .allow = {std::string(kPairMethod), "test"}, .deny = {}, .items = {}, .deny_items = {}};
  return rules;
}

}  // namespace

bool CallRate::take(std::size_t count, Instant now) {
  if (last_ && now > *last_) {
    const std::chrono::duration<double> passed = now - *last_;
    left_ = std::min<double>(per_minute_, left_ + passed.count() * per_minute_ / kSecondsOfMinute);
  }
  last_ = last_ ? std::max(*last_, now) : now;
  if (left_ < static_cast<double>(count)) return false;
  left_ -= static_cast<double>(count);
  return true;
}

void Node::State::apply_keys() {
  const UnixTime now = clock.now();
  std::map<std::string, std::string> wanted;
  for (const NodeKeyRecord& record : keys().list()) {
    if (record.is_live(now)) wanted.emplace(record.id.get(), mark_of(record, now));
  }
  if (wanted == applied) return;
  for (const auto& [id, mark] : applied) {
    const auto found = wanted.find(id);
    if (found == wanted.end() || found->second != mark) responder.remove_key(sealed::KeyId(id));
  }
  for (const NodeKeyRecord& record : keys().list()) {
    const auto found = wanted.find(record.id.get());
    if (found == wanted.end()) continue;
    if (const auto before = applied.find(found->first); before != applied.end() && before->second == found->second)
      continue;
    for (const NodeSecret& secret : record.secrets) {
      if (!secret.until || now < *secret.until) responder.add_key(record.id, secret.key.clone());
    }
  }
  applied = std::move(wanted);
}

void Node::State::carry_out(std::vector<sealed::ResponderAction> actions) {
  for (sealed::ResponderAction& action : actions) {
    if (auto* publish = std::get_if<sealed::Publish>(&action)) {
      send(std::move(publish->topic), std::move(publish->payload));
    } else if (auto* execute = std::get_if<sealed::Execute>(&action)) {
      tasks.spawn(run_call(shared_from_this(), std::move(*execute)), "rpc.call");
    } else if (const auto* ask = std::get_if<sealed::AskResult>(&action)) {
      answer_question(*this, *ask);
    }
  }
}

std::optional<CallerRights> Node::State::find_paired(std::string_view who) const {
  const auto found = std::ranges::find(files.keys.paired(), who, &PairedCaller::who);
  if (found == files.keys.paired().end()) return std::nullopt;
  return CallerRights{.rules = found->rules, .calls_per_minute = found->calls_per_minute};
}

std::optional<CallerRights> Node::State::find_caller(const sealed::Principal& principal) const {
  const std::string_view text = principal.get();
  if (text.starts_with(kKeyPrincipal)) {
    const NodeKeyRecord* record = files.keys.find(sealed::KeyId(std::string(text.substr(kKeyPrincipal.size()))));
    if (record == nullptr || !record->is_live(clock.now())) return std::nullopt;
    if (record->pairing) return CallerRights{.rules = pairing_rules(), .calls_per_minute = kPairingCallsPerMinute};
    return CallerRights{.rules = record->rules, .calls_per_minute = record->calls_per_minute};
  }
  const auto found =
      std::ranges::find_if(callers, [&](const CallerSettings& caller) { return matches(caller.who, text); });
  if (found == callers.end()) return find_paired(text);
  return CallerRights{.rules = found->rules, .calls_per_minute = found->calls_per_minute};
}

bool Node::State::take_rate(const sealed::Principal& principal, const CallerRights& rights, std::size_t calls) {
  auto found = rates.find(principal.get());
  if (found != rates.end() && found->second.per_minute() != rights.calls_per_minute) {
    rates.erase(found);
    found = rates.end();
  }
  if (found == rates.end()) {
    if (rates.size() >= kMaxRates) rates.clear();
    found = rates.emplace(principal.get(), CallRate(rights.calls_per_minute)).first;
  }
  return found->second.take(calls, clock.monotonic());
}

void Node::State::log_fault(const char* what, const Error& error) {
  if (last_fault == error.detail) return;
  last_fault = error.detail;
  log::warn(what, {{"fault", error.detail}});
}

}  // namespace sallyport::rpcnode
